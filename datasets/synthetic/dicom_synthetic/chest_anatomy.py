"""A chest without its vessels: skin, fat, muscle, lungs, mediastinum, abdomen, table, in HU.

The rib cage is a superellipse whose width and depth grow from the apex down; ribs, lungs and
muscles all follow it, so that they fit each other whatever the person's size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicom_synthetic.chest_grid import AXES, SHAPE, SIZE, SLICES, Axes, Mask, Z, axes_of, crop
from dicom_synthetic.fields import line, smooth
from dicom_synthetic.volumes import Volume, ellipsoid

AIR, LUNG, FAT, MUSCLE, BLOOD, SKIN = -1000.0, -855.0, -102.0, 52.0, 42.0, 20.0
LIVER, SPLEEN, STOMACH, GAS = 58.0, 50.0, 25.0, -960.0
APEX_Z = 114.0
POWER = 2.3  # of the superellipse


@dataclass(frozen=True)
class Chest:
    """A person's chest: half width and depth of the cage, fat, and the seed of the details."""

    half_width: float
    half_depth: float
    fat_mm: float
    dome_z: float
    heart: float
    seed: int


def draw_chest(rng: np.random.Generator, sex: str) -> Chest:
    """A chest of an adult; women's are a little smaller."""
    small = 0.93 if sex == "F" else 1.0
    return Chest(
        half_width=float(np.clip(rng.normal(122, 5), 110, 131) * small),
        half_depth=float(np.clip(rng.normal(84, 5), 74, 94) * small),
        fat_mm=float(np.clip(rng.gamma(6, 2.2), 5, 22)),
        dome_z=float(rng.normal(-64, 8)),
        heart=float(np.clip(rng.normal(1.0, 0.08), 0.85, 1.25)),
        seed=int(rng.integers(2**31)),
    )


def opening(z: NDArray[np.floating]) -> NDArray[np.float64]:
    """How wide the cage is at a height, 0 above the apex to 1 at the base."""
    down = np.clip((APEX_Z - np.asarray(z, dtype=float)) / 200, 0, 1)
    return np.asarray(np.sqrt(1 - (1 - down) ** 2.7))


def paint_chest(chest: Chest) -> tuple[Volume, Mask]:
    """HU of a chest without vessels and bones, and where its lungs are: SHAPE each."""
    rng = np.random.default_rng(chest.seed)
    x, y, z = AXES
    wide = opening(Z).astype(np.float32)[:, None, None]
    wavy = _wavy(rng)
    across = np.abs(x) / (chest.half_width * np.maximum(wide, 0.05))
    deep = np.abs(y) / (chest.half_depth * np.maximum(wide, 0.05))
    cage = across**POWER + deep**POWER + 0.02 * wavy
    hu = np.full(SHAPE, AIR, dtype=np.float32)
    _paint_body(hu, chest, cage, wavy, rng)
    cavity = cage < 1
    hu[cavity] = FAT
    below = z < _dome(chest, rng)
    lungs = cavity & ~below & ~_mediastinum(wavy)
    _paint_abdomen(hu, cavity & below, chest, rng)
    _paint_heart(hu, lungs, chest)
    hu[lungs] = LUNG
    _paint_table(hu)
    return hu, lungs


def _wavy(rng: np.random.Generator) -> Volume:
    """What makes surfaces uneven: two smooth sheets across each other, about unit variance."""
    side = smooth(rng, (SLICES, SIZE), 22).astype(np.float32)[:, None, :]
    front = smooth(rng, (SLICES, SIZE), 22).astype(np.float32)[:, :, None]
    return np.asarray((side + front) * 0.7, dtype=np.float32)


def _paint_body(
    hu: Volume, chest: Chest, cage: Volume, wavy: Volume, rng: np.random.Generator
) -> None:
    x, y, _ = AXES
    high = np.clip((Z - 40) / 70, 0, 1)[:, None, None] ** 1.5
    half = chest.half_width * 1.13 + chest.fat_mm + 4 - 6 * high
    depth = (chest.half_depth * 1.19 + chest.fat_mm + 6) * (1 - 0.3 * high)
    outline = (np.abs(x) / half) ** 2.5 + (np.abs(y - 4 - 10 * high) / depth) ** 2.5
    outline = np.asarray(outline + 0.012 * wavy, dtype=np.float32)
    body = outline < 1
    hu[body] = SKIN
    hu[outline < 0.955] = FAT
    thick = 1.5 + 0.3 * np.clip(y / 80, 0, 1) + 0.25 * high
    shoulder = outline < 0.72 * high
    muscle = ((cage < thick) | shoulder) & (outline < 0.9)
    # Fat lies between the muscles, along surfaces that follow the chest wall.
    sheets = line(rng, SLICES, 12).astype(np.float32)[:, None, None]
    between = np.abs(((cage * 5 + 0.5 * wavy + 0.4 * sheets) % 1.6) - 0.8) < 0.09
    hu[muscle] = MUSCLE
    hu[muscle & between] = FAT + 45


def _dome(chest: Chest, rng: np.random.Generator) -> Volume:
    """The height of the diaphragm over each row and column: right higher than left."""
    x, y = AXES[0][0], AXES[1][0]
    right = 1 / (1 + np.exp(x / 9))
    top = chest.dome_z - 12 * (1 - right)
    middle = np.where(x < 0, -62, 66)
    fall = 34 * ((x - middle) / 66) ** 2 + 46 * np.clip((y + 22) / 90, -1, 2) ** 2
    return np.asarray(top - fall + 2.2 * smooth(rng, (SIZE, SIZE), 30), dtype=np.float32)[None]


def _mediastinum(wavy: Volume) -> Mask:
    """What lies between the lungs: a slab wide at the hila, thin in front, and the spine."""
    x, y, z = AXES
    reach = 9 + 19 * np.exp(-(((y - 8) / 40) ** 2)) + 4 * np.clip((z - 40) / 60, 0, 1)
    slab = (np.abs(x - 2) < reach + 1.6 * wavy) & (y < 50)
    spine = (x / 23) ** 2 + ((y - 53) / 21) ** 2 + 0.05 * wavy < 1
    back = (np.abs(x) < 19) & (y > 50)
    return np.asarray(slab | spine | back)


def _paint_heart(hu: Volume, lungs: Mask, chest: Chest) -> None:
    """The heart with fat around it, leaning to the left; blood and muscle look alike here."""
    centre, size = (20.0, -30.0, chest.dome_z + 26), chest.heart
    part = crop(centre, (80 * size, 66 * size, 66 * size))
    x, y, z = axes_of(part)
    lean: Axes = (x + 0.45 * (z - centre[2]) - 0.15 * (y - centre[1]), y + 0.2 * (x - 20), z)
    sac = ellipsoid(lean, centre, (60 * size, 47 * size, 54 * size))
    lungs[part] &= sac >= 1
    view = hu[part]
    view[(sac < 1) & (z > chest.dome_z - 22)] = FAT + 8
    view[(sac < 0.87) & (z > chest.dome_z - 20)] = BLOOD
    groove = np.abs(x - 20 + 0.8 * (y + 30)) < 2.2
    view[(sac > 0.62) & (sac < 0.9) & groove & (z > chest.dome_z - 18)] = FAT + 25


def _paint_abdomen(hu: Volume, belly: Mask, chest: Chest, rng: np.random.Generator) -> None:
    """Liver, spleen and a stomach with gas under the domes."""
    x, _, z = AXES
    low = chest.dome_z - 60
    liver = belly & (x < 18 + 0.25 * (z - low))
    hu[liver] = LIVER
    organs = (
        ((84.0, 38.0, low + 16), (36.0, 40.0, 46.0), SPLEEN),
        ((50.0, -14.0, low + 20), (46.0, 40.0, 40.0), STOMACH),
        ((50.0, -38.0, low + 26), (26.0, 14.0 + 4 * float(rng.random()), 24.0), GAS),
    )
    for centre, radii, value in organs:
        part = crop(centre, radii)
        chosen = (ellipsoid(axes_of(part), centre, radii) < 1) & belly[part] & ~liver[part]
        hu[part][chosen] = value


def _paint_table(hu: Volume) -> None:
    """The table's shell under the back, with foam inside."""
    x, y, _ = AXES
    height = (y + 0.0011 * x**2 - 146)[0]
    shell = (np.abs(height) < 1.6) | (np.abs(height - 22) < 1.6)
    foam = (height > 0) & (height < 22)
    near = np.abs(x[0]) < 160
    hu[:, foam & near] = -890
    hu[:, shell & near] = -380
