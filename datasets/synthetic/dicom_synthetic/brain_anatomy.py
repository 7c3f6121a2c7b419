"""A head as tissues: scalp, skull, folded cortex, ventricles, nuclei, cerebellum, eyes, tumour.

Computed on the grid of the slices with several thin layers a slice, so that a thick slice shows
partial volume. x runs to the patient's left, y to the back, z to the top, in millimetres from the
middle of the head (PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicom_synthetic.volumes import Volume, ellipsoid, smooth3

SLICES, SIZE = 20, 144
PIXEL_MM, SLICE_MM = 1.5, 6.0
LAYERS = 3  # thin layers of a slice
SHAPE = (SLICES * LAYERS, SIZE, SIZE)
LAYER_MM = SLICE_MM / LAYERS
# Millimetres from the middle of the head to the middle of the first slice.
FIRST_Z = -50.0

AIR, FAT, BONE, FLUID, GREY, WHITE, MUSCLE, EYE = range(8)
OEDEMA, RIM, CORE, GLIOSIS = range(8, 12)
Labels8 = NDArray[np.uint8]
Axes = tuple[Volume, Volume, Volume]


@dataclass(frozen=True)
class Tumour:
    """Where a tumour sits and how large it is: radius of the solid part and of the oedema."""

    place: tuple[float, float, float]
    radius_mm: float
    oedema: float
    necrosis: float
    seed: int


@dataclass(frozen=True)
class Head:
    """A head's size (semi-axes of the skin, mm), how wide its ventricles, and its seed."""

    half: tuple[float, float, float]
    ventricles: float
    gliosis: int
    nod: float
    seed: int


def draw_head(rng: np.random.Generator, age: int) -> Head:
    """A head for a person of that age: the ventricles widen and white spots come with the years."""
    older = max(0.0, (age - 35) / 50)
    return Head(
        half=(
            float(rng.normal(77, 3)),
            float(rng.normal(97, 4)),
            float(rng.normal(98, 4)),
        ),
        ventricles=float(np.clip(rng.normal(0.9 + 0.35 * older, 0.15), 0.6, 1.7)),
        gliosis=int(rng.poisson(2 + 9 * older)),
        nod=float(rng.normal(0, 0.06)),
        seed=int(rng.integers(2**31)),
    )


def draw_tumour(rng: np.random.Generator, size: float) -> Tumour:
    """A tumour in the white matter of one hemisphere, 9 to 19 mm in radius at size 1."""
    side = 1 if rng.random() < 0.5 else -1
    radius = float(rng.uniform(9, 19) * size)
    angle = rng.uniform(0.15, 0.85) * np.pi
    place = (
        side * float(rng.uniform(30, 40)),
        -float(np.cos(angle)) * 48,
        float(rng.uniform(-4, 42)),
    )
    return Tumour(
        place,
        radius,
        oedema=float(rng.uniform(1.35, 2.0)),
        necrosis=float(rng.uniform(0.0, 0.62)),
        seed=int(rng.integers(2**31)),
    )


def axes(head: Head) -> Axes:
    """x, y, z of each voxel of the thin layers in the head's own frame, by broadcasting."""
    middle = (SIZE - 1) / 2
    x = ((np.arange(SIZE, dtype=np.float32) - middle) * PIXEL_MM)[None, None, :]
    y = ((np.arange(SIZE, dtype=np.float32) - middle) * PIXEL_MM)[None, :, None]
    layers = np.arange(SHAPE[0], dtype=np.float32)
    z = (FIRST_Z + (layers - (LAYERS - 1) / 2) * LAYER_MM)[:, None, None]
    cos, sin = np.float32(np.cos(head.nod)), np.float32(np.sin(head.nod))
    return x, cos * y - sin * z, sin * y + cos * z


def paint_head(head: Head) -> Labels8:
    """The tissues of a head without a tumour: (layers, rows, columns)."""
    rng = np.random.default_rng(head.seed)
    place = axes(head)
    x, y, z = place
    a, b, c = head.half
    wobble = smooth3(rng, SHAPE, (20, 45, 45)) * 0.018
    # Narrower in front than at the back, as skulls are.
    radius = np.sqrt((x / (a * (1 + 0.0011 * y))) ** 2 + (y / b) ** 2 + (z / c) ** 2) + wobble
    tissue = np.zeros(SHAPE, dtype=np.uint8)
    tissue[radius < 1] = FAT
    low = z < -28
    tissue[(radius < 0.955) & low] = MUSCLE
    tissue[radius < 0.945] = BONE
    tissue[radius < 0.885] = FLUID
    depth = (0.87 - radius) * 88
    folds = _folds(rng)
    sulci = (np.abs(folds) < 0.2 * np.clip(1.1 - depth / 27, 0, 1)) & (depth < 25)
    ribbon = (depth < 3.4) | ((np.abs(folds) < 0.62 - depth * 0.012) & (depth < 29))
    brain = depth > 0
    tissue[brain] = WHITE
    tissue[brain & ribbon] = GREY
    tissue[brain & sulci] = FLUID
    _deep(tissue, place, head)
    _hindbrain(tissue, place, rng, depth)
    _midline(tissue, place, brain)
    _face(tissue, place, radius)
    _spots(tissue, place, head, rng)
    return tissue


def _folds(rng: np.random.Generator) -> Volume:
    """A field whose zero surface runs along the sulci: about the same left and right."""
    same = smooth3(rng, SHAPE, (7, 7.5, 7.5))
    same = (same + same[:, :, ::-1]) / np.float32(np.sqrt(2))
    own = smooth3(rng, SHAPE, (6, 6.5, 6.5))
    return np.asarray(same * np.float32(0.8) + own * np.float32(0.6))


def _deep(tissue: Labels8, place: Axes, head: Head) -> None:
    x, y, z = place
    side = np.abs(x)
    core = ellipsoid((side, y, z), (0.0, 5.0, 14.0), (40.0, 52.0, 30.0)) < 1
    tissue[core & (tissue == FLUID)] = WHITE  # the insula's depth has no sulci of its own
    tissue[core & (tissue == GREY)] = WHITE
    v = head.ventricles
    nuclei = [
        ((12.0, 4.0, 8.0), (9.0, 15.0, 9.0)),  # thalamus
        ((15.5, -20.0, 14.0), (5.5, 11.0, 10.0)),  # caudate
        ((26.0, -6.0, 6.0), (6.0, 17.0, 11.0)),  # putamen and pallidum
    ]
    for centre, radii in nuclei:
        tissue[ellipsoid((side, y, z), centre, radii) < 1] = GREY
    bend = 0.006 * (y + 2) ** 2
    body = ellipsoid((side, y, z), (8.0, 2.0, 21.0), (6.0 * v, 40.0, 7.5 * v))
    horn = ellipsoid((side - bend * 0.35, y, z), (7.5, -26.0, 15.0), (5.0 * v, 15.0, 10.0 * v))
    rear = ellipsoid((side - bend * 0.2, y, z), (19.0, 40.0, 10.0), (5.5 * v, 18.0, 8.0 * v))
    lower = ellipsoid((side, y, z), (31.0, 6.0, -13.0), (3.5 * v, 18.0, 4.0 * v))
    third = ellipsoid((x, y, z), (0.0, 0.0, 4.0), (2.2 * v, 13.0, 12.0))
    for chamber in (body, horn, rear, lower, third):
        tissue[chamber < 1] = FLUID
    tissue[(side < 1.0) & (ellipsoid((x, y, z), (0, 2, 22), (9, 34, 8)) < 1)] = WHITE  # septum


def _hindbrain(tissue: Labels8, place: Axes, rng: np.random.Generator, depth: Volume) -> None:
    x, y, z = place
    inner = depth > -1.0
    tent = z < -20 - 0.25 * np.abs(x) + 0.12 * (y - 30)
    region = tent & (y > 12) & inner
    tissue[region] = FLUID
    hemispheres = ellipsoid((np.abs(x), y, z), (22.0, 46.0, -40.0), (31.0, 31.0, 22.0))
    leaves = np.sin((z + 0.35 * y) * 1.35 + 2.2 * smooth3(rng, SHAPE, (12, 14, 14)))
    inside = region & (hemispheres < 1)
    tissue[inside] = GREY
    tissue[inside & (hemispheres < 0.42 + 0.16 * leaves)] = WHITE
    stem = ((x / 13) ** 2 + ((y - 12) / 12) ** 2 < 1) & (z < -6) & inner
    tissue[stem] = WHITE
    tissue[ellipsoid((x, y, z), (0, 27, -32), (7, 5, 12)) < 1] = FLUID  # fourth ventricle
    cistern = ellipsoid((x, y, z), *_CISTERN) < 1
    tissue[cistern & ((tissue == WHITE) | (tissue == GREY))] = FLUID
    for centre, radii in _BASE_OF_SKULL:
        tissue[(ellipsoid((np.abs(x), y, z), centre, radii) < 1) & inner] = BONE


# The fluid above the sella, in which the chiasm lies.
_CISTERN = ((0.0, -15.0, -38.0), (19.0, 15.0, 14.0))
# Frontal floor, clivus with the sella, the pyramids of the temporal bones: centre and radii, mm.
_BASE_OF_SKULL = (
    ((0.0, -56.0, -46.0), (30.0, 27.0, 15.0)),
    ((0.0, -17.0, -46.0), (8.0, 10.0, 16.0)),
    ((40.0, 2.0, -47.0), (26.0, 9.0, 9.0)),
)


def _midline(tissue: Labels8, place: Axes, brain: NDArray[np.bool_]) -> None:
    x, y, z = place
    callosum = (np.abs(y - 2) < 42) & (z < 34) & (z > 22)
    cleft = (z > 8) & ~callosum & ((np.abs(y) > 40) | (z >= 34))
    wide = 1.0 + 0.018 * np.clip(z - 20, 0, 40)
    tissue[brain & cleft & (np.abs(x) < wide + 3.2) & (tissue == WHITE)] = GREY
    tissue[brain & cleft & (np.abs(x) < wide)] = FLUID


def _face(tissue: Labels8, place: Axes, radius: Volume) -> None:
    x, y, z = place
    side = np.abs(x)
    orbit = ellipsoid((side, y, z), (31.0, -72.0, -36.0), (18.0, 24.0, 17.0)) < 1
    tissue[orbit & (radius < 1.03)] = FAT
    globe = ellipsoid((side, y, z), (31.0, -80.0, -36.0), (12.0, 12.0, 12.0))
    tissue[globe < 1.15] = MUSCLE
    tissue[globe < 0.86] = EYE
    nerve = (np.abs(side - 31 + 0.5 * (y + 66)) < 2.4) & (np.abs(z + 36) < 3)
    tissue[nerve & (y > -68) & (y < -44)] = WHITE
    nose = (ellipsoid((x, y, z), (0.0, -80.0, -44.0), (14.0, 24.0, 20.0)) < 1) & (radius < 0.97)
    cells = np.sin(side * 0.9) * np.sin(y * 0.55) > -0.3
    tissue[nose] = np.where(cells, AIR, MUSCLE)[nose]
    mastoid = (side > 40) & (y > 4) & (y < 38) & (z < -34) & (radius < 0.93)
    air = np.sin(side * 1.1) * np.sin(y * 1.3 + z) > 0.1
    tissue[mastoid & air & (tissue != GREY) & (tissue != WHITE)] = AIR


def _spots(tissue: Labels8, place: Axes, head: Head, rng: np.random.Generator) -> None:
    """Small scars of the white matter near the ventricles: bright on FLAIR, and no tumour."""
    for _ in range(head.gliosis):
        centre = (
            float(rng.uniform(14, 30) * rng.choice([-1, 1])),
            float(rng.uniform(-38, 48)),
            float(rng.uniform(12, 40)),
        )
        size = float(rng.uniform(2.0, 5.5))
        radii = (size, size * float(rng.uniform(0.8, 1.9)), max(size, 3.0))
        spot = ellipsoid(place, centre, radii) < 1
        tissue[spot & (tissue == WHITE)] = GLIOSIS


def paint_tumour(tissue: Labels8, head: Head, tumour: Tumour) -> None:
    """Put a tumour into the tissues: core, enhancing rim, and oedema along the white matter."""
    rng = np.random.default_rng(tumour.seed)
    place = axes(head)
    radii = (tumour.radius_mm,) * 3
    bumps = smooth3(rng, SHAPE, (5, 9, 9)) * 0.17 + smooth3(rng, SHAPE, (3, 5, 5)) * 0.06
    far = np.sqrt(ellipsoid(place, tumour.place, radii)) + bumps
    fingers = smooth3(rng, SHAPE, (5, 7, 7)) * 0.32
    brain = (tissue == WHITE) | (tissue == GREY) | (tissue == GLIOSIS) | (tissue == FLUID)
    # It does not cross to the other side.
    own = np.broadcast_to(place[0] * np.sign(tumour.place[0]) > 2, SHAPE)
    spread = (far + fingers < tumour.oedema) & own
    tissue[spread & ((tissue == WHITE) | (tissue == GLIOSIS))] = OEDEMA
    solid = (far < 1) & own & (brain | (tissue == OEDEMA))
    tissue[solid] = RIM
    tissue[solid & (far + 0.5 * bumps < tumour.necrosis)] = CORE
