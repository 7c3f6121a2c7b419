"""The bones of a chest: spine, ribs that run from it to the sternum, scapulae and clavicles.

A bone is a shell of cortex around marrow. Ribs follow the cage of `chest_anatomy.py`; their front
ends are cartilage, as in life.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicom_synthetic.chest_anatomy import POWER, Chest, opening
from dicom_synthetic.chest_grid import Points, Z, axes_of, blend, crop, path, tubes
from dicom_synthetic.volumes import Volume

CORTEX, MARROW, CARTILAGE, CORD, DISC = 520.0, 170.0, 110.0, 30.0, 85.0
_SPACING = 24.0  # from vertebra to vertebra


def paint_bones(hu: Volume, chest: Chest) -> None:
    """All bones of a chest, drawn into its HU."""
    rng = np.random.default_rng([chest.seed, 1])
    shift = float(rng.uniform(0, _SPACING))
    _paint_spine(hu, shift)
    ribs, cartilage = _ribs(chest, shift, rng)
    blend(hu, tubes(cartilage, np.full(len(cartilage), 4.2), 1.3), CARTILAGE)
    others = [_sternum(chest), _processes(shift)]
    flat = [_scapula(side, chest) for side in (-1, 1)]
    round_ = [_clavicle(side, chest) for side in (-1, 1)]
    _bone(hu, np.concatenate([ribs, *round_]), 4.1, 1.35)
    _bone(hu, np.concatenate(others), 4.6, 1.2)
    _bone(hu, np.concatenate(flat), 3.0, 1.2)


def _bone(hu: Volume, points: Points, radius: float, tall: float) -> None:
    blend(hu, tubes(points, np.full(len(points), radius), tall), CORTEX)
    blend(hu, tubes(points, np.full(len(points), radius * 0.5), tall), MARROW)


def _paint_spine(hu: Volume, shift: float) -> None:
    """Vertebral bodies with discs between them, the canal and its arch."""
    part = crop((0, 60, 0), (34, 34, 200))
    x, y, _ = axes_of(part)
    view = hu[part]
    phase = (Z - shift) % _SPACING
    disc = ((phase < 4.5) | (phase > _SPACING - 1))[:, None, None]
    rim = ((phase < 7) | (phase > _SPACING - 3.5))[:, None, None]
    body = (np.abs(x) / 18) ** 2.3 + (np.abs(y - 50) / 15) ** 2.3
    arch = (x / 17) ** 2 + ((y - 71) / 14) ** 2
    view[np.broadcast_to((arch < 1) & ~disc, view.shape)] = MARROW + 160
    view[np.broadcast_to(body < 1, view.shape)] = MARROW
    view[np.broadcast_to((body < 1) & ((body > 0.8) | rim), view.shape)] = 380
    view[np.broadcast_to((body < 0.95) & disc, view.shape)] = DISC
    canal = (x / 10.5) ** 2 + ((y - 72) / 8.5) ** 2
    view[np.broadcast_to(canal < 1, view.shape)] = CORD


def _levels(shift: float) -> NDArray[np.float64]:
    """The middles of the vertebral bodies, from the head down."""
    first = shift + _SPACING / 2 - 7 * _SPACING
    return np.asarray(first + _SPACING * np.arange(13)[::-1])


def _processes(shift: float) -> Points:
    """Transverse and spinous processes."""
    pieces = []
    for z in _levels(shift):
        for side in (-1, 1):
            pieces.append(path([(side * 12, 68, z), (side * 31, 79, z + 3)]))
        pieces.append(path([(0, 84, z), (0, 104, z - 13)]))
    return np.concatenate(pieces)


def _ribs(chest: Chest, shift: float, rng: np.random.Generator) -> tuple[Points, Points]:
    """Centre lines of all ribs: what is bone of them, and what is cartilage."""
    bone, cartilage = [], []
    tops = [z for z in _levels(shift) if z < 104]
    for number, top in enumerate(tops):
        ends = min(0.97, 0.97 if number < 7 else 0.97 - 0.13 * (number - 6))
        turns = np.linspace(0.1, ends, 240) * np.pi
        drop = (24 + 7 * number) * (1 - np.cos(turns)) / 2
        rise = (10 + 3 * number) * np.clip((turns / np.pi - 0.78) / 0.2, 0, 1)
        z = top - drop + rise + rng.normal(0, 1.5)
        wide = np.maximum(opening(z), 0.12)
        x = (chest.half_width * wide + 7.5) * np.sin(turns) ** (2 / POWER)
        cos = np.cos(turns)
        y = (chest.half_depth * wide + 7.5) * np.sign(cos) * np.abs(cos) ** (2 / POWER)
        soft = turns > (0.8 if number < 7 else 0.97) * np.pi
        for side in (-1, 1):
            points = np.stack([side * x, y, z], 1)
            neck = path([(side * 19, 56, top + 2), (float(points[0, 0]), float(y[0]), float(z[0]))])
            bone += [neck, points[~soft]]
            cartilage.append(points[soft])
    return np.concatenate(bone), np.concatenate(cartilage)


def _sternum(chest: Chest) -> Points:
    """A plate in front from the notch down, wider at its upper end."""
    pieces = []
    for z in np.arange(-44, 74, 1.5):
        half = 21.0 if z > 42 else 12.0
        y = -(chest.half_depth * float(opening(np.array(z))) + 8)
        x = np.arange(-half, half + 0.1, 2.0)
        pieces.append(np.stack([x, np.full_like(x, y), np.full_like(x, z)], 1))
    return np.concatenate(pieces)


def _scapula(side: int, chest: Chest) -> Points:
    """A thin plate behind the ribs with its spine, from the inner edge to the shoulder."""
    pieces = []
    for z in np.arange(14, 128, 2.0):
        wide = float(opening(np.array(z)))
        inner = chest.half_width * 0.52 + (126 - z) * 0.18
        outer = max(inner + 2, chest.half_width * 1.02 - 0.28 * max(0, 90 - z))
        t = np.linspace(0, 1, max(2, int((outer - inner) / 1.6)))
        x = inner + (outer - inner) * t
        back = max(chest.half_depth * wide + 12, 62.0)
        y = back + 12 - (18 + 0.25 * back) * t**1.5 + 3 * np.sin(3 * t)
        pieces.append(np.stack([side * x, y, np.full_like(x, z)], 1))
    return np.concatenate(pieces)


def _clavicle(side: int, chest: Chest) -> Points:
    """From the notch of the sternum outwards and up."""
    reach = chest.half_width
    front = -(chest.half_depth * float(opening(np.array(72.0))) + 8)
    return path(
        [
            (side * 20, front, 76),
            (side * reach * 0.4, front - 1, 92),
            (side * reach * 0.75, front + 26, 104),
            (side * reach * 1.0, front + 40, 110),
        ]
    )
