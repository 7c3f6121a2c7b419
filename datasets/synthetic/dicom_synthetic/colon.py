"""The inside of a colon as a distance to its wall, and the rays of an endoscope that meet it.

Lengths in mm. The endoscope is at the origin and looks along z into a bent tube with folds like
crescents; polyps stand on the wall. Rays march by the distance to the nearest surface
(Hart 1996, sphere tracing), first coarse, then fine, so that folds hide what is behind them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter

from dicom_synthetic.fields import Field

SIZE = 256
HALF_VIEW = np.deg2rad(68)
FAR = 130.0
Ray = tuple[Field, Field, Field]


@dataclass(frozen=True)
class Fold:
    """A crescent: how far along, how high (mm), how thick, where around it is highest, how wide."""

    along: float
    height: float
    thick: float
    around: float
    lobes: float
    tilt: float


@dataclass(frozen=True)
class Polyp:
    """A polyp: place on the wall, half axes along, around and into the lumen (mm), its look.

    `pale` goes from -1, redder than the wall, to 1, paler; `stalk` (mm) lifts the head off the
    wall; `lumps` are the phases of its bumps.
    """

    along: float
    around: float
    half: tuple[float, float, float]
    stalk: float
    pale: float
    lumps: tuple[float, float, float]
    seed: int


@dataclass(frozen=True)
class Colon:
    """A length of colon as seen from one place in it."""

    radius: float
    bend: tuple[float, float]
    wave: float
    offset: tuple[float, float]
    folds: tuple[Fold, ...]
    polyps: tuple[Polyp, ...]


@dataclass(frozen=True)
class Hits:
    """Where the ray of each pixel (rows, columns) ends: place, outward normal and distance in mm.

    `along` and `around` are coordinates on the wall, `owner` 0 on the wall and k on the k-th polyp.
    """

    x: Field
    y: Field
    z: Field
    normal: Ray
    distance: Field
    around: Field
    owner: NDArray[np.uint8]


def draw_colon(rng: np.random.Generator) -> Colon:
    """A colon without polyps: radius, bend and folds drawn from `rng`."""
    radius = float(rng.uniform(19, 25))
    angle, bend = rng.uniform(0, 2 * np.pi), rng.uniform(4, 26)
    along, folds = float(rng.uniform(12, 22)), []
    turn = rng.uniform(0, 2 * np.pi)
    while along < FAR:
        folds.append(
            Fold(
                along=along,
                height=float(rng.uniform(0.18, 0.48) * radius),
                thick=float(rng.uniform(1.6, 3.0)),
                around=float(turn + rng.normal(0, 0.5)),
                lobes=float(rng.choice([1, 2, 3], p=[0.3, 0.2, 0.5])),
                tilt=float(rng.normal(0, 0.12)),
            )
        )
        along += float(rng.uniform(11, 24))
        turn += rng.uniform(0.7, 1.6)
    return Colon(
        radius=radius,
        bend=(float(bend * np.cos(angle)), float(bend * np.sin(angle))),
        wave=float(rng.uniform(0, 2 * np.pi)),
        offset=(float(rng.normal(0, 3.0)), float(rng.normal(0, 3.0))),
        folds=tuple(folds),
        polyps=(),
    )


@dataclass(frozen=True)
class Wall:
    """A colon's wall as tables by depth (0.25 mm a row) and angle: its radius and slopes.

    `radius` in mm; `by_depth` in mm a mm; `by_angle` in mm a radian. The last column repeats the
    first.
    """

    colon: Colon
    radius: Field
    by_depth: Field
    by_angle: Field


_STEP = 0.25
_ANGLES = 240


def build(colon: Colon) -> Wall:
    """The wall's tables, folds included."""
    z = np.arange(int((FAR + 12) / _STEP))[:, None] * _STEP
    around = np.linspace(-np.pi, np.pi, _ANGLES + 1)[None]
    radius = colon.radius * (1 + 0.05 * np.cos(3 * around + colon.wave + 0.05 * z))
    for fold in colon.folds:
        reach = 4 * fold.thick + abs(fold.tilt) * fold.along
        first, last = (int((fold.along + side * reach) / _STEP) for side in (-1, 1))
        rows = slice(max(first, 0), max(last, 0))
        away = (z[rows] - fold.along * (1 + fold.tilt * np.cos(around))) / fold.thick
        away *= away
        share = 0.5 + 0.5 * np.cos(fold.lobes * (around - fold.around))
        # Steeper than a bell: haustral folds are crescents with a rounded edge.
        radius[rows] -= fold.height * (0.25 + 0.75 * share) / (1 + away * away)
    by_depth = np.gradient(radius, _STEP, axis=0)
    closed = np.concatenate([radius[:, -2:-1], radius, radius[:, 1:2]], axis=1)
    by_angle = np.gradient(closed, 2 * np.pi / _ANGLES, axis=1)[:, 1:-1]
    return Wall(colon, radius, by_depth, by_angle)


def middle(colon: Colon, z: Field) -> tuple[Field, Field]:
    """The tube's middle line at depth z: x and y."""
    far = z * z / 4900.0
    return colon.offset[0] + colon.bend[0] * far, colon.offset[1] + colon.bend[1] * far


@dataclass(frozen=True)
class _Spot:
    """Where points lie against the tables: flat index of the corner, weights, polar place."""

    corner: NDArray[np.int64]
    down: Field
    right: Field
    reach: Field
    around: Field

    def read(self, table: Field) -> Field:
        flat, wide = table.reshape(-1), table.shape[1]
        upper = flat[self.corner] * (1 - self.right) + flat[self.corner + 1] * self.right
        lower = flat[self.corner + wide] * (1 - self.right)
        lower += flat[self.corner + wide + 1] * self.right
        return np.asarray(upper + (lower - upper) * self.down)


def _spot(wall: Wall, x: Field, y: Field, z: Field) -> _Spot:
    across, down = middle(wall.colon, z)
    right, below = x - across, y - down
    around = np.arctan2(below, right)
    row = np.clip(z, 0, FAR + 10) / _STEP
    column = np.minimum((around + np.pi) * (_ANGLES / (2 * np.pi)), _ANGLES - 1e-6)
    whole_row, whole_column = row.astype(np.int64), column.astype(np.int64)
    return _Spot(
        whole_row * (_ANGLES + 1) + whole_column,
        row - whole_row,
        column - whole_column,
        np.sqrt(right * right + below * below),
        around,
    )


def _gap(wall: Wall, x: Field, y: Field, z: Field) -> Field:
    spot = _spot(wall, x, y, z)
    return spot.read(wall.radius) - spot.reach


def _frame(wall: Wall, polyp: Polyp) -> tuple[Field, Field, Field]:
    """Foot of the polyp, unit vector around the tube and unit vector into it, each (3,)."""
    foot_z = np.array([polyp.along])
    column = int((polyp.around + np.pi) / (2 * np.pi) * _ANGLES) % _ANGLES
    reach = float(wall.radius[int(polyp.along / _STEP), column])
    across, down = middle(wall.colon, foot_z)
    cos, sin = np.cos(polyp.around), np.sin(polyp.around)
    foot = np.array([across[0] + reach * cos, down[0] + reach * sin, polyp.along])
    return foot, np.array([-sin, cos, 0.0]), np.array([-cos, -sin, 0.0])


def _polyp(wall: Wall, polyp: Polyp, x: Field, y: Field, z: Field) -> Field:
    foot, tangent, inward = _frame(wall, polyp)
    right, below, ahead = x - foot[0], y - foot[1], z - foot[2]
    aside = right * tangent[0] + below * tangent[1]
    height = right * inward[0] + below * inward[1]
    a, b = ahead / polyp.half[0], aside / polyp.half[1]
    c = (height - polyp.stalk) / polyp.half[2]
    first, second, third = polyp.lumps
    lumpy = 0.07 * np.sin(2.6 * a + first) * np.sin(2.9 * b + second)
    lumpy += 0.04 * np.sin(5.1 * a + third) * np.sin(4.7 * b - first)
    head = (np.sqrt(a * a + b * b + c * c) - 1 + lumpy) * min(polyp.half)
    if polyp.stalk <= polyp.half[2]:
        return np.asarray(head)
    stem = np.hypot(ahead, aside) - 0.35 * polyp.half[1]
    return _blend(head, np.maximum(stem, height - polyp.stalk), 0.8)[0]


def _blend(one: Field, other: Field, width: float) -> tuple[Field, Field]:
    """The nearer of two surfaces, rounded where they meet, and the share of `one` in it.

    The polynomial smooth minimum; its slope is that of both, mixed by the share.
    """
    share = np.clip(0.5 + 0.5 * (other - one) / width, 0, 1)
    return other + (one - other) * share - width * share * (1 - share), share


def _nearest(wall: Wall, x: Field, y: Field, z: Field) -> Field:
    found = _gap(wall, x, y, z)
    for polyp in wall.colon.polyps:
        found = _blend(_polyp(wall, polyp, x, y, z), found, 1.2)[0]
    return found


@lru_cache(maxsize=4)
def rays(size: int) -> Ray:
    """Direction (unit vectors x, y, z) of each pixel's ray: a fisheye of 136 degrees."""
    line = (np.arange(size) + 0.5) / size * 2 - 1
    right, down = np.meshgrid(line, line)
    reach = np.hypot(right, down) + 1e-9
    angle = np.minimum(reach, 1.35) * HALF_VIEW
    return np.sin(angle) * right / reach, np.sin(angle) * down / reach, np.cos(angle)


def _march(wall: Wall, direction: Ray, start: Field, steps: int) -> Field:
    t = start
    for _ in range(steps):
        gap = _nearest(wall, t * direction[0], t * direction[1], t * direction[2])
        # The wall's slope makes the gap an overestimate of the distance; a part of it is safe.
        t = np.clip(t + 0.55 * gap, 1.0, FAR)
    return t


def look(wall: Wall) -> Hits:
    """What each pixel (SIZE, SIZE) sees."""
    coarse = SIZE // 4
    near = minimum_filter(_march(wall, rays(coarse), np.full((coarse, coarse), 2.0), 48), 3)
    start = np.repeat(np.repeat(near, 4, axis=0), 4, axis=1) * 0.98 - 0.2
    direction = rays(SIZE)
    t = _march(wall, direction, start, 7)
    x, y, z = (t * part for part in direction)
    normal, owner, around = _surface(wall, x, y, z)
    owner[t >= FAR - 1] = 0
    return Hits(x, y, z, normal, t, around, owner)


def _surface(wall: Wall, x: Field, y: Field, z: Field) -> tuple[Ray, NDArray[np.uint8], Field]:
    """Normals into the lumen, whose surface it is, and the angle around the tube."""
    spot = _spot(wall, x, y, z)
    found = spot.read(wall.radius) - spot.reach
    slopes = _wall_slopes(wall, spot, z)
    owner = np.zeros(x.shape, dtype=np.uint8)
    step = 0.1
    for number, polyp in enumerate(wall.colon.polyps, start=1):
        gap = _polyp(wall, polyp, x, y, z)
        own = (
            (_polyp(wall, polyp, x + step, y, z) - gap) / step,
            (_polyp(wall, polyp, x, y + step, z) - gap) / step,
            (_polyp(wall, polyp, x, y, z + step) - gap) / step,
        )
        owner[gap < found] = number
        found, share = _blend(gap, found, 1.2)
        slopes = [there + (one - there) * share for there, one in zip(slopes, own, strict=True)]
    long = np.sqrt(slopes[0] ** 2 + slopes[1] ** 2 + slopes[2] ** 2) + 1e-9
    return (slopes[0] / long, slopes[1] / long, slopes[2] / long), owner, spot.around


def _wall_slopes(wall: Wall, spot: _Spot, z: Field) -> list[Field]:
    cos, sin = np.cos(spot.around), np.sin(spot.around)
    turn = spot.read(wall.by_angle) / np.maximum(spot.reach, 1.0)
    by_x, by_y = -cos - turn * sin, -sin + turn * cos
    # The middle line moves with depth: what is at rest in x moves against it.
    drift = z / 2450.0
    by_z = spot.read(wall.by_depth)
    by_z = by_z - drift * (wall.colon.bend[0] * by_x + wall.colon.bend[1] * by_y)
    return [by_x, by_y, by_z]


def seen_share(wall: Wall) -> Field:
    """How much of the picture each polyp takes, by a coarse look: (polyps,), 0 to 1."""
    size = SIZE // 4
    direction = rays(size)
    t = _march(wall, direction, np.full((size, size), 2.0), 48)
    _, owner, _ = _surface(wall, t * direction[0], t * direction[1], t * direction[2])
    line = (np.arange(size) + 0.5) / size * 2 - 1
    on = (np.hypot(*np.meshgrid(line, line)) < 0.93) & (t < FAR - 1)
    return np.array([((owner == k + 1) & on).mean() for k in range(len(wall.colon.polyps))])
