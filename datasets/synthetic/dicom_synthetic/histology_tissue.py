"""Colon tissue on a slide: glands, stroma and every nucleus, before it is stained.

Lengths in pixels of 0.5 micrometres. Glands are outlines in polar form; nuclei stand where their
kind stands: along the base of a gland's cells, in sheets in a solid tumour, scattered in stroma.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicom_synthetic.fields import Field, ramp, ridges, smooth

SIZE = 256
PIXEL_MM = 0.0005
SHAPE = (SIZE, SIZE)
GRADES = ("normal", "low", "high")


@dataclass(frozen=True)
class Nucleus:
    """A nucleus: middle, half axes, turn (radians), how dark and coarse it is, its kind."""

    row: float
    column: float
    long: float
    wide: float
    turn: float
    dark: float
    coarse: float
    kind: str


@dataclass
class Tissue:
    """Amounts of what takes up each dye (SIZE, SIZE), the nuclei, and which object a pixel is.

    `basic` binds hematoxylin, `acid` eosin; `objects` is 0, or k on the k-th nucleus.
    """

    basic: Field
    acid: Field
    objects: NDArray[np.uint16]
    nuclei: list[Nucleus]


@dataclass(frozen=True)
class _Gland:
    row: float
    column: float
    radius: float
    flat: float
    turn: float
    waves: tuple[tuple[int, float, float], ...]
    thick: float


def draw_tissue(rng: np.random.Generator, grade: str, contrast: float, crowding: float) -> Tissue:
    """Tissue of a grade; nuclei `contrast` times as dark and glands' nuclei `crowding` as close."""
    stroma_basic, stroma_acid = _stroma(rng)
    tissue = Tissue(stroma_basic, stroma_acid, np.zeros(SHAPE, dtype=np.uint16), [])
    texture = smooth(rng, SHAPE, 3.0), smooth(rng, SHAPE, 2.2)
    taken = np.zeros(SHAPE, dtype=bool)
    planned: list[Nucleus] = []
    grain = _draw_grain(rng)
    for gland in _glands(rng, grade):
        planned += _gland(rng, tissue, taken, gland, grain, grade, crowding)
    if grade == "high":
        planned += _sheet(rng, tissue, taken, crowding)
    planned += _scattered(rng, taken)
    _red_cells(rng, tissue, taken)
    for nucleus in planned:
        _stamp(tissue, nucleus, texture, contrast)
    tissue.basic += 0.03 * smooth(rng, SHAPE, 5)
    np.maximum(tissue.basic, 0.0, out=tissue.basic)
    np.maximum(tissue.acid, 0.0, out=tissue.acid)
    return tissue


def _stroma(rng: np.random.Generator) -> tuple[Field, Field]:
    """Loose tissue: wavy bundles of collagen that run together, gaps between them."""
    flow = smooth(rng, SHAPE, 90) * 26
    rows = np.arange(SIZE)[:, None] + flow
    bundles = np.sin(rows * 0.55 + 2.2 * smooth(rng, SHAPE, 16)) * 0.5
    bundles += np.sin(rows * 0.21 + 3.0 * smooth(rng, SHAPE, 26))
    gaps = ridges(smooth(rng, SHAPE, 12, 30), 0.16) + ridges(smooth(rng, SHAPE, 20, 14), 0.10)
    open_ = np.clip(gaps * ramp(smooth(rng, SHAPE, 40) + 0.6), 0, 1)
    acid = 0.50 + 0.09 * bundles + 0.07 * smooth(rng, SHAPE, 4) + 0.06 * smooth(rng, SHAPE, 30)
    return np.asarray(0.07 + 0.02 * bundles), np.asarray(acid * (1 - 0.85 * open_))


def _glands(rng: np.random.Generator, grade: str) -> list[_Gland]:
    # Crypts may be packed and tumours rich in stroma: the share of glands does not tell them apart.
    low, high, count = {"normal": (97, 108, 9), "low": (92, 108, 9), "high": (150, 150, 2)}[grade]
    spacing = rng.uniform(low, high)
    jitter = 7 if grade == "normal" else 17
    found = []
    angle, shift = rng.uniform(0, np.pi), rng.uniform(0, spacing, 2)
    places = [(i, j) for i in range(-3, 6) for j in range(-3, 6)]
    for i, j in places:
        across, down = spacing * (i + 0.5 * (j % 2)), spacing * 0.87 * j
        row = shift[0] + down * np.cos(angle) - across * np.sin(angle) + rng.normal(0, jitter)
        column = shift[1] + down * np.sin(angle) + across * np.cos(angle) + rng.normal(0, jitter)
        if -50 < row < SIZE + 50 and -50 < column < SIZE + 50:
            found.append(_draw_gland(rng, grade, float(row), float(column)))
    if grade == "high":
        order = rng.permutation(len(found))[:count]
        found = [found[int(k)] for k in order]
    return found


def _draw_gland(rng: np.random.Generator, grade: str, row: float, column: float) -> _Gland:
    wild = {"normal": 0.03, "low": 0.11, "high": 0.14}[grade]
    waves = tuple((k, abs(rng.normal(0, wild)), rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4, 5))
    radius = {"normal": (39, 47), "low": (33, 53), "high": (16, 30)}[grade]
    return _Gland(
        row=row,
        column=column,
        radius=float(rng.uniform(*radius)),
        flat=float(rng.uniform(0.85, 1.15) if grade == "normal" else rng.uniform(0.65, 1.5)),
        turn=float(rng.uniform(0, np.pi)),
        waves=waves,
        thick=float(rng.uniform(22, 27) if grade == "normal" else rng.uniform(20, 30)),
    )


@dataclass(frozen=True)
class _Grain:
    """Unevenness that all glands of a tile take their part of; `cleft` is where tissue shrank.

    `blue` is what their cytoplasm binds of hematoxylin, `close` how densely their nuclei stand.
    """

    fine: Field
    middle: Field
    coarse: Field
    cleft: Field
    blue: float
    close: float


def _draw_grain(rng: np.random.Generator) -> _Grain:
    return _Grain(
        fine=smooth(rng, SHAPE, 6),
        middle=smooth(rng, SHAPE, 8),
        coarse=smooth(rng, SHAPE, 20),
        cleft=ramp(smooth(rng, SHAPE, 50) + 0.2),
        blue=float(rng.uniform(0.10, 0.30)),
        close=float(rng.uniform(0.85, 1.3)),
    )


def _outline(gland: _Gland, angle: Field) -> Field:
    own = angle - gland.turn
    round_ = 1 / np.sqrt((np.cos(own) ** 2) / gland.flat + (np.sin(own) ** 2) * gland.flat)
    total = np.ones_like(angle)
    for lobes, size, phase in gland.waves:
        total += size * np.cos(lobes * angle + phase)
    return np.asarray(gland.radius * round_ * np.maximum(total, 0.55))


def _gland(
    rng: np.random.Generator,
    tissue: Tissue,
    taken: NDArray[np.bool_],
    gland: _Gland,
    grain: _Grain,
    grade: str,
    crowding: float,
) -> list[Nucleus]:
    """Paint the cells of a gland and its lumen; its nuclei, from base to top."""
    line = np.arange(SIZE) + 0.5
    down, right = line[:, None] - gland.row, line[None, :] - gland.column
    reach, angle = np.hypot(down, right), np.arctan2(down, right)
    turns = np.linspace(-np.pi, np.pi, 721)
    edge = np.interp(angle, turns, _outline(gland, turns))
    depth = edge - reach  # from the base of the cells inwards
    cells = (depth > 0) & ~taken
    thick = np.minimum(gland.thick, 0.62 * edge)
    top = depth / thick
    tumour = grade != "normal"
    acid = 0.52 - 0.10 * top + 0.05 * grain.fine
    # Busy cells hold RNA, which binds hematoxylin as DNA does: less difference to the nucleus.
    basic = (
        grain.blue * (1.35 if tumour else 0.72) + rng.uniform(-0.04, 0.04) + 0.06 * grain.fine[::-1]
    )
    # Walls between neighbouring cells run from base to top: a comb around the gland.
    comb = np.cos(angle * np.round(gland.radius * 2 * np.pi / 11) + 1.5 * grain.coarse)
    acid += 0.07 * ramp(comb * 2 - 1)
    if not tumour:
        goblets = _goblets(rng, gland, angle, top)
        acid = acid * (1 - 0.82 * goblets)
        basic = basic * (1 - goblets) + rng.uniform(0.06, 0.22) * goblets
    lumen = ramp((depth - thick) / 2.5 + 0.5)
    debris = 0.12 * ramp(grain.middle - 0.3) + 0.25 * ramp(grain.middle[::-1] - 0.6)
    acid = acid * (1 - lumen) + (0.03 + debris * tumour) * lumen
    basic = basic * (1 - lumen) + 0.02 * lumen
    rim = np.exp(-((depth / 1.6) ** 2))
    cleft = ramp(1 - np.abs(depth + 3.0) / 2.2) * grain.cleft * ~taken
    tissue.acid[...] = tissue.acid * (1 - 0.8 * cleft)
    tissue.acid[...] = np.where(cells, acid + 0.15 * rim, tissue.acid)
    tissue.basic[...] = np.where(cells, basic, tissue.basic)
    nuclei = _gland_nuclei(rng, gland, grade, crowding * grain.close, taken)
    taken |= depth > -2
    return nuclei


def _goblets(rng: np.random.Generator, gland: _Gland, angle: Field, top: Field) -> Field:
    """Mucus in every second or third cell of a healthy gland: 1 inside a droplet."""
    cells = int(np.round(gland.radius * 2 * np.pi / 11))
    place = (angle / (2 * np.pi) + 0.5) * cells
    cell = np.minimum(place.astype(np.int64), cells - 1)
    full = (rng.random(cells) < 0.62) * rng.uniform(0.75, 1.1, cells)
    high = rng.uniform(0.58, 0.70, cells)
    across = (place - cell - 0.5) / 0.46
    away = np.hypot(across, (top - high[cell]) / 0.34) / np.maximum(full[cell], 1e-3)
    return ramp((1 - away) / 0.3 + 0.3)


def _gland_nuclei(
    rng: np.random.Generator,
    gland: _Gland,
    grade: str,
    crowding: float,
    taken: NDArray[np.bool_],
) -> list[Nucleus]:
    spacing = {"normal": 7.9, "low": 6.4, "high": 6.6}[grade] / crowding
    count = int(2 * np.pi * gland.radius / spacing)
    nuclei = []
    for k in range(count):
        angle = 2 * np.pi * (k + rng.normal(0, 0.18)) / count - np.pi
        thick = min(gland.thick, 0.62 * gland.radius)
        if grade == "normal":
            inward, long, wide = (
                7.5 + rng.normal(0, 1.0),
                rng.uniform(5.1, 7.1),
                rng.uniform(3.3, 4.6),
            )
        elif grade == "low":
            inward, long, wide = (
                rng.uniform(0.22, 0.72) * thick,
                rng.uniform(6, 9.5),
                rng.uniform(3, 4.4),
            )
        else:
            inward, long, wide = (
                rng.uniform(0.25, 0.7) * thick,
                rng.uniform(5, 9),
                rng.uniform(4, 6.5),
            )
        away = float(_outline(gland, np.array([angle]))[0]) - inward
        row, column = gland.row + away * np.sin(angle), gland.column + away * np.cos(angle)
        if not _free(taken, row, column):
            continue
        dark = rng.normal(0.60, 0.14) if grade == "normal" else rng.normal(0.62, 0.17)
        coarse = 0.10 if grade == "normal" else 0.22
        turn = angle + rng.normal(0, 0.12 if grade == "normal" else 0.25)
        nuclei.append(Nucleus(row, column, long, wide, turn, dark, coarse, "epithelial"))
    return nuclei


def _free(taken: NDArray[np.bool_], row: float, column: float) -> bool:
    if not (-4 <= row < SIZE + 4 and -4 <= column < SIZE + 4):
        return False
    inside = int(np.clip(row, 0, SIZE - 1)), int(np.clip(column, 0, SIZE - 1))
    return not taken[inside]


def _sheet(
    rng: np.random.Generator, tissue: Tissue, taken: NDArray[np.bool_], crowding: float
) -> list[Nucleus]:
    """A solid tumour: large nuclei of all shapes in a sheet, between bands of stroma."""
    solid = ramp((smooth(rng, SHAPE, 85) + rng.uniform(0.1, 0.9)) / 0.25)
    body = ~taken & (solid > 0.5)
    walls = ridges(smooth(rng, SHAPE, 11), 0.22)
    acid = 0.42 + 0.10 * walls + 0.06 * smooth(rng, SHAPE, 6)
    basic = rng.uniform(0.12, 0.30) + 0.07 * smooth(rng, SHAPE, 9)
    tissue.acid[...] = np.where(body, acid, tissue.acid)
    tissue.basic[...] = np.where(body, basic, tissue.basic)
    nuclei = []
    step = 14.5 / crowding
    for row in np.arange(-4, SIZE + 4, step):
        for column in np.arange(-4, SIZE + 4, step):
            place = row + rng.normal(0, 3.6), column + rng.normal(0, 3.6)
            wide = float(np.clip(rng.normal(5.4, 1.3), 3.2, 9.5))
            long = wide * rng.uniform(1.0, 1.7)
            turn, dark = rng.uniform(0, np.pi), rng.normal(0.62, 0.18)
            if _free(taken, *place) and body[_inside(*place)]:
                nuclei.append(Nucleus(*place, long, wide, turn, dark, 0.30, "tumour"))
    taken |= body
    return nuclei


def _inside(row: float, column: float) -> tuple[int, int]:
    return int(np.clip(row, 0, SIZE - 1)), int(np.clip(column, 0, SIZE - 1))


def _scattered(rng: np.random.Generator, taken: NDArray[np.bool_]) -> list[Nucleus]:
    """Cells of the stroma: spindles along the bundles, lymphocytes in crowds, plasma cells."""
    # Inflamed or not has nothing to do with the grade, and makes any tissue blue.
    crowd = ramp(smooth(rng, SHAPE, 45) * 0.8 + rng.uniform(-0.3, 1.5))
    flow = smooth(rng, SHAPE, 90) * 0.5
    nuclei = []
    for row, column in rng.uniform(-3, SIZE + 3, (480, 2)):
        dice = rng.random(3)
        if not _free(taken, row, column):
            continue
        here = _inside(row, column)
        if dice[0] < 0.25:
            turn = float(np.pi / 2 - flow[here] + rng.normal(0, 0.25)) - np.pi / 2
            long, wide = rng.uniform(6.5, 10), rng.uniform(1.7, 2.6)
            # `turn` is measured as for glands: from the columns towards the rows.
            nuclei.append(Nucleus(row, column, long, wide, turn, 0.85, 0.10, "fibroblast"))
        elif dice[1] < 0.75 * crowd[here]:
            size = rng.uniform(3.1, 4.1)
            nuclei.append(Nucleus(row, column, size, size * 0.92, 0.0, 1.1, 0.12, "lymphocyte"))
        elif dice[2] < 0.10:
            nuclei.append(Nucleus(row, column, 4.6, 4.0, 0.4, 0.9, 0.30, "plasma"))
    return nuclei


def _red_cells(rng: np.random.Generator, tissue: Tissue, taken: NDArray[np.bool_]) -> None:
    """A capillary with red cells or none: round, small and strongly stained, but no nuclei."""
    if rng.random() < 0.35:
        return
    line = np.arange(SIZE) + 0.5
    row, column = rng.uniform(20, SIZE - 20, 2)
    for _ in range(int(rng.integers(4, 16))):
        row, column = row + rng.normal(0, 7), column + rng.normal(0, 7)
        if not (6 < row < SIZE - 6 and 6 < column < SIZE - 6) or taken[_inside(row, column)]:
            continue
        away = np.hypot(line[:, None] - row, line[None, :] - column) / 5.6
        share = ramp((1 - away) / 0.2)
        tissue.acid += (1.05 - 0.25 * (away < 0.45) - tissue.acid) * share
        tissue.basic += (0.12 - tissue.basic) * share


def _stamp(tissue: Tissue, nucleus: Nucleus, texture: tuple[Field, Field], contrast: float) -> None:
    """Put a nucleus down where there is room for it; the first keeps its place."""
    reach = int(nucleus.long) + 3
    top, left = max(int(nucleus.row) - reach, 0), max(int(nucleus.column) - reach, 0)
    window = slice(top, int(nucleus.row) + reach + 1), slice(left, int(nucleus.column) + reach + 1)
    objects = tissue.objects[window]
    if not objects.size:
        return
    down = np.arange(top, top + objects.shape[0])[:, None] + 0.5 - nucleus.row
    right = np.arange(left, left + objects.shape[1])[None, :] + 0.5 - nucleus.column
    cos, sin = np.cos(nucleus.turn), np.sin(nucleus.turn)
    along, across = (
        (right * cos + down * sin) / nucleus.long,
        (down * cos - right * sin) / nucleus.wide,
    )
    uneven = 0.10 * texture[0][window] if nucleus.kind != "lymphocyte" else 0.0
    away = np.sqrt(along * along + across * across) + uneven * (along + 0.6)
    inside = away < 1
    area = int(inside.sum())
    if area < 12 or (objects[inside] > 0).sum() > 0.10 * area:
        return
    inside &= objects == 0
    membrane = 0.22 * ramp((away - 0.7) / 0.2)
    chromatin = nucleus.coarse * texture[1][window]
    pale = 0.24 if nucleus.coarse > 0.2 else 0.06
    amount = contrast * nucleus.dark * (0.92 - pale + membrane + chromatin)
    soft = ramp((1.04 - away) / 0.16) * inside
    tissue.basic[window] += (np.maximum(amount, 0.15) - tissue.basic[window]) * soft
    tissue.acid[window] *= 1 - 0.45 * soft
    tissue.nuclei.append(nucleus)
    objects[inside] = len(tissue.nuclei)
