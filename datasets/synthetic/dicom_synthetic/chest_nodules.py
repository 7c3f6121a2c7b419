"""Nodules of three densities, and what is taken for one: granulomas, scars, small blood vessels.

A nodule is a ball whose surface is pushed in and out by a smooth field; some have threads that run
into the lung. Its mask is every voxel of which it fills half or more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicom_synthetic.chest_anatomy import LUNG
from dicom_synthetic.chest_grid import (
    VOXEL_ML,
    Crop,
    Mask,
    Place,
    Points,
    axes_of,
    blend,
    crop,
    inside,
    path,
    tubes,
)
from dicom_synthetic.volumes import Shape3, Volume, smooth3

DENSITIES = ("solid", "part-solid", "ground glass")
_SOLID, _GLASS = 30.0, -590.0
_SMALL, _LARGE = 3.2, 12.0  # radii in mm
Radii = NDArray[np.float64]
_AROUND = np.array(
    [(a, b, c) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1) if a or b or c],
    dtype=float,
)


@dataclass(frozen=True)
class Nodule:
    """One nodule to draw: where, how large, of which density, how ragged."""

    centre: Place
    radius_mm: float
    density: str
    ragged: float
    threads: int
    seed: int


@dataclass(frozen=True)
class Drawn:
    """A nodule as drawn: the part of the grid it lies in, its mask there, its size."""

    part: Crop
    mask: Mask
    density: str

    @property
    def volume_ml(self) -> float:
        """The volume of the mask."""
        return float(self.mask.sum()) * VOXEL_ML

    @property
    def diameter_mm(self) -> float:
        """The diameter of a ball of that volume."""
        return float((6 * self.volume_ml * 1000 / np.pi) ** (1 / 3))


def draw_nodules(lungs: Mask, count: int, size: float, rng: np.random.Generator) -> list[Nodule]:
    """`count` nodules within the lungs, not into each other; small ones are the most."""
    found: list[Nodule] = []
    for _ in range(count):
        radius = float(_SMALL * (_LARGE / _SMALL) ** rng.random() * size)
        centre = _free_place(lungs, radius, found, rng)
        if centre is None:
            continue
        density = DENSITIES[int(rng.choice(3, p=(0.6, 0.2, 0.2)))]
        threads = int(rng.integers(4, 9)) if radius > 5.5 and rng.random() < 0.45 else 0
        ragged = float(rng.uniform(0.04, 0.2))
        found.append(Nodule(centre, radius, density, ragged, threads, int(rng.integers(2**31))))
    return found


def _free_place(
    lungs: Mask, radius: float, others: list[Nodule], rng: np.random.Generator
) -> Place | None:
    unit = _AROUND / np.linalg.norm(_AROUND, axis=1, keepdims=True)
    for _ in range(4000):
        side = 1 if rng.random() < 0.5 else -1
        x, y = side * rng.uniform(20, 125), rng.uniform(-85, 90)
        centre = np.array([x, y, rng.uniform(-105, 100)])
        apart = [np.linalg.norm(centre - one.centre) - one.radius_mm for one in others]
        near = np.concatenate([centre[None], centre + unit * (radius * 1.05 + 1.5)])
        if min(apart, default=99.0) > radius + 8 and inside(lungs, near).all():
            return float(centre[0]), float(centre[1]), float(centre[2])
    return None


def paint_nodule(hu: Volume, lungs: Mask, nodule: Nodule, contrast: float) -> Drawn:
    """Draw a nodule into the HU; `contrast` turns how far it is from the lung around it."""
    rng = np.random.default_rng(nodule.seed)
    reach = nodule.radius_mm * 1.5 + 3
    part = crop(nodule.centre, (reach, reach, reach))
    distance = _distance(part, nodule, rng)
    fuzzy = 1.8 if nodule.density == "ground glass" else 1.3
    whole = np.clip(0.5 - distance / (2 * fuzzy), 0, 1) * lungs[part]
    if nodule.threads:
        _paint_threads(hu, lungs, nodule, contrast, rng)
    base = _SOLID if nodule.density == "solid" else _GLASS
    _mix(hu[part], whole, LUNG + contrast * (base - LUNG))
    if nodule.density == "part-solid":
        inner = distance + nodule.radius_mm * float(rng.uniform(0.4, 0.6))
        core = np.clip(0.5 - inner / (2 * fuzzy), 0, 1) * lungs[part]
        _mix(hu[part], core, LUNG + contrast * (_SOLID - LUNG))
    return Drawn(part, np.asarray(whole >= 0.5), nodule.density)


def _distance(part: Crop, nodule: Nodule, rng: np.random.Generator) -> Volume:
    """Millimetres from the nodule's surface, negative inside."""
    x, y, z = axes_of(part)
    a, b, c = nodule.centre
    stretch = rng.uniform(0.85, 1.2, 3)
    radius = np.sqrt(
        ((x - a) * stretch[0]) ** 2 + ((y - b) * stretch[1]) ** 2 + ((z - c) * stretch[2]) ** 2
    )
    shape: Shape3 = (radius.shape[0], radius.shape[1], radius.shape[2])
    bump = max(2.2, nodule.radius_mm / 2)
    uneven = smooth3(rng, shape, (bump / 2, bump, bump))
    grown = nodule.radius_mm * (1 + nodule.ragged * uneven)
    return np.asarray(radius - grown, dtype=np.float32)


def _paint_threads(
    hu: Volume, lungs: Mask, nodule: Nodule, contrast: float, rng: np.random.Generator
) -> None:
    pieces = []
    centre = np.array(nodule.centre)
    for _ in range(nodule.threads):
        way = rng.standard_normal(3) * (1, 1, 0.6)
        way /= np.linalg.norm(way)
        length = nodule.radius_mm * rng.uniform(1.35, 1.9)
        pieces.append(centre + way * np.arange(0, length, 1.2)[:, None])
    points = np.concatenate(pieces)
    filled = tubes(points, np.full(len(points), 0.6)) * lungs
    blend(hu, filled, LUNG + contrast * (-100 - LUNG))


def _mix(values: Volume, part: Volume, other: float) -> None:
    # Never darker than what is there: a vessel stays visible through ground glass.
    values += part * np.maximum(other - values, 0)


def paint_mimics(hu: Volume, lungs: Mask, rng: np.random.Generator) -> None:
    """Calcified granulomas, scars at the apex, and bands at the base: nothing to be marked."""
    points, radii = _granulomas(lungs, rng)
    blend(hu, tubes(points, radii), float(rng.uniform(350, 750)))
    if rng.random() < 0.6:
        scar = _scar(rng)
        blend(hu, tubes(scar, rng.uniform(0.5, 2.4, len(scar))) * lungs, -40.0)
    if rng.random() < 0.5:
        band = _band(rng)
        blend(hu, tubes(band, np.full(len(band), 1.3), 0.7) * lungs, -150.0)


def _granulomas(lungs: Mask, rng: np.random.Generator) -> tuple[Points, Radii]:
    places = []
    for _ in range(int(rng.poisson(1.2))):
        place = _free_place(lungs, 2.0, [], rng)
        if place is not None:
            places.append(place)
    points = np.array(places, dtype=float).reshape(-1, 3)
    return points, rng.uniform(1.4, 2.6, len(points))


def _scar(rng: np.random.Generator) -> Points:
    """Threads and knots under the apex of one lung."""
    side = 1 if rng.random() < 0.5 else -1
    middle = np.array([side * 52.0, float(rng.uniform(-10, 25)), 92.0])
    pieces = []
    for _ in range(int(rng.integers(3, 6))):
        ends = middle + rng.normal(0, 1, (3, 3)) * (13, 13, 9)
        pieces.append(path([(float(a), float(b), float(c)) for a, b, c in ends]))
    return np.concatenate(pieces)


def _band(rng: np.random.Generator) -> Points:
    """A flat band of collapsed lung above the diaphragm: a plate of points."""
    side = 1 if rng.random() < 0.5 else -1
    u, v = np.meshgrid(np.arange(-24, 25, 1.4), np.arange(-9, 10, 1.4))
    x = side * (72 + u.ravel())
    y = float(rng.uniform(5, 35)) + v.ravel()
    z = float(rng.uniform(-56, -40)) + 0.25 * u.ravel() + 0.15 * v.ravel()
    return np.stack([x, y, z], 1)
