"""Vessels and airways: trachea and bronchi, aorta, arteries and veins that branch and taper.

All branches of one generation grow at once. They end where the lung ends. Where two cross or one
divides, a single slice shows a spot: the usual thing taken for a nodule.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicom_synthetic.chest_anatomy import BLOOD, FAT, Chest
from dicom_synthetic.chest_grid import Mask, Place, Points, blend, inside, path, tubes
from dicom_synthetic.volumes import Volume

Radii = NDArray[np.float64]
_LUMEN, _WALL = -990.0, 5.0
_GENERATIONS, _STEPS, _STEP_MM = 7, 14, 1.4
_HILUM: Place = (30.0, 8.0, 4.0)


def paint_vessels(hu: Volume, lungs: Mask, chest: Chest) -> None:
    """Great vessels, airways and the trees of both lungs, drawn into the HU."""
    rng = np.random.default_rng([chest.seed, 2])
    _paint_great(hu, lungs)
    arteries, thick, airways, bores = _trees(lungs, rng, 8, 3.7, True)
    veins, thin, _, _ = _trees(lungs, rng, 8, 3.1, False)
    filled = tubes(np.concatenate([arteries, veins]), np.concatenate([thick, thin]))
    filled *= lungs
    blend(hu, filled, BLOOD)
    trunk, wide = _airway_trunk()
    points, radii = np.concatenate([trunk, airways]), np.concatenate([wide, bores])
    blend(hu, tubes(points, radii + 0.35 + 0.14 * radii), _WALL)
    blend(hu, tubes(points, radii), _LUMEN)


def _paint_great(hu: Volume, lungs: Mask) -> None:
    """Aorta with its arch, superior vena cava, pulmonary trunk, and what leaves the arch."""
    vessels = [
        ([(8, -22, -10), (-6, -26, 20), (4, -14, 46), (16, 10, 54), (22, 30, 46)], 15.0),
        ([(22, 30, 46), (24, 34, 20), (22, 34, -40), (14, 34, -126)], 12.0),
        ([(-22, -12, 80), (-24, -14, 40), (-24, -12, -10)], 9.0),
        ([(18, -34, -4), (20, -20, 20), (10, -4, 22), (-22, 0, 14), (-36, 2, 8)], 11.0),
        ([(20, -20, 20), (32, 4, 18), (38, 12, 10)], 10.0),
        ([(4, -14, 52), (-10, -16, 80), (-16, -14, 126)], 6.5),
        ([(10, -6, 56), (14, -6, 90), (20, -8, 126)], 5.0),
        ([(16, 6, 58), (24, 6, 90), (34, 4, 126)], 5.5),
        ([(-18, -18, 82), (-20, -20, 126)], 7.0),
        ([(6, 30, 126), (8, 32, 20), (12, 20, -126)], 6.0),
    ]
    points: list[Points] = []
    radii: list[Radii] = []
    for corners, radius in vessels:
        points.append(path([(float(a), float(b), float(c)) for a, b, c in corners], 3.0))
        radii.append(np.full(len(points[-1]), radius))
    all_points, all_radii = np.concatenate(points), np.concatenate(radii)
    around = tubes(all_points, all_radii + 3)
    blend(hu, np.asarray(around * (lungs | (hu < -500))), FAT)
    lungs &= around < 0.5
    blend(hu, tubes(all_points, all_radii), BLOOD)


def _airway_trunk() -> tuple[Points, Radii]:
    """Trachea, carina and the main bronchi."""
    lines = [
        (path([(0, 12, 128), (0, 14, 70), (1, 16, 32)], 2.0), 8.6),
        (path([(1, 16, 32), (-14, 14, 16), (-30, 10, 4)], 1.6), 6.6),
        (path([(1, 16, 32), (17, 15, 15), (36, 12, 0)], 1.6), 5.9),
    ]
    radii = [np.full(len(points), radius) for points, radius in lines]
    return np.concatenate([points for points, _ in lines]), np.concatenate(radii)


def _trees(
    lungs: Mask, rng: np.random.Generator, roots: int, radius: float, airways: bool
) -> tuple[Points, Radii, Points, Radii]:
    """Trees of both lungs; with `airways` a bronchus runs beside the first generations."""
    start, heading = _roots(rng, roots)
    hilum = start.copy()
    thick = np.full(len(start), radius) * rng.uniform(0.8, 1.15, len(start))
    points, radii = [], []
    lumen: list[Points] = [np.zeros((0, 3))]
    bores: list[Radii] = [np.zeros(0)]
    for generation in range(_GENERATIONS):
        grown, heading = _grow(start, heading, hilum, rng)
        taper = np.linspace(1, 0.78, _STEPS)[:, None] * thick
        alive = np.ones(grown.shape[:2], dtype=bool)
        if generation:
            within = inside(lungs, grown.reshape(-1, 3)).reshape(alive.shape)
            alive = np.logical_and.accumulate(within, axis=0)
        points.append(grown[alive])
        radii.append(taper[alive])
        if airways and generation < 4:
            beside = _beside(grown, heading, taper)
            lumen.append(beside[alive])
            bores.append(0.72 * taper[alive])
        going = alive[-1]
        start, hilum = np.repeat(grown[-1][going], 2, 0), np.repeat(hilum[going], 2, 0)
        heading = _split(np.repeat(heading[going], 2, 0), rng)
        shares = rng.uniform(0.7, 0.92, len(start))
        thick = np.maximum(np.repeat(taper[-1][going], 2) * shares, 0.45)
    return (
        np.concatenate(points),
        np.concatenate(radii),
        np.concatenate(lumen),
        np.concatenate(bores),
    )


def _roots(rng: np.random.Generator, roots: int) -> tuple[Points, Points]:
    """Where lobar vessels leave the hila, and where to: fanned up, out and down."""
    starts, headings = [], []
    for side in (-1, 1):
        for number in range(roots):
            steep = np.pi * (number + 0.5) / roots - np.pi / 2 + rng.normal(0, 0.12)
            front = rng.normal(0, 0.65) + (0.5 if number % 2 else -0.5)
            headings.append((side * (np.cos(steep) + 0.35), front, np.sin(steep) * 1.15))
            middle = (side * _HILUM[0], _HILUM[1], _HILUM[2] + 14 * np.sin(steep))
            starts.append(middle + rng.normal(0, 3, 3))
    found = np.array(headings)
    return np.array(starts), found / np.linalg.norm(found, axis=1, keepdims=True)


def _grow(
    start: Points, heading: Points, hilum: Points, rng: np.random.Generator
) -> tuple[NDArray[np.float64], Points]:
    """One generation of branches (steps, n, 3), bending away from the hilum, and where it heads."""
    place, lengths = start.copy(), rng.uniform(0.75, 1.25, (len(start), 1)) * _STEP_MM
    grown = np.empty((_STEPS, len(start), 3))
    for step in range(_STEPS):
        away = place - hilum
        away /= np.linalg.norm(away, axis=1, keepdims=True) + 1.0
        heading = heading + 0.035 * away + rng.normal(0, 0.06, heading.shape)
        heading /= np.linalg.norm(heading, axis=1, keepdims=True)
        place = place + heading * lengths
        grown[step] = place
    return grown, heading


def _split(heading: Points, rng: np.random.Generator) -> Points:
    """Headings of pairs of children: to both sides of the parent's."""
    aside = np.cross(heading, rng.standard_normal(heading.shape))
    aside /= np.linalg.norm(aside, axis=1, keepdims=True) + 1e-9
    aside[1::2] = -aside[::2]
    spread = rng.uniform(0.3, 0.85, (len(heading), 1))
    found = heading + spread * aside
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def _beside(grown: NDArray[np.float64], heading: Points, radii: Radii) -> NDArray[np.float64]:
    """A line beside each branch, one vessel's and one airway's width away."""
    aside = np.cross(heading, np.array([0.0, 1.0, 0.25]))
    aside /= np.linalg.norm(aside, axis=1, keepdims=True) + 1e-9
    return np.asarray(grown + aside[None] * (radii[..., None] * 1.75 + 0.6))
