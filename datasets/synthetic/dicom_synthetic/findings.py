"""What is in the lungs of a synthetic chest, or seems to be: the opacity and what mimics it.

The opacity is the finding to learn. The others are there in films with and without it, equally
often, so that no single bright spot decides: nipples, a vessel seen end-on, a healed rib fracture,
a calcified granuloma, an ECG electrode. Sizes in mm, attenuation as a line integral without unit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from dicom_synthetic.body import LUNG, WATER, Body
from dicom_synthetic.bones import rib_curve
from dicom_synthetic.splat import Points, View

Mark = Callable[[View, np.random.Generator], Points]


@dataclass(frozen=True)
class Opacity:
    """A rounded opacity: where it lies in the patient (mm), how large and how dense it is."""

    place: tuple[float, float, float]
    diameter_mm: float
    density: float
    outline: tuple[float, ...]
    edge_mm: float

    @property
    def contrast(self) -> float:
        """Attenuation that it adds in its middle: a line integral, exactly as it is drawn."""
        return self.diameter_mm * self.density * (1 - LUNG) * WATER


def draw_opacity(rng: np.random.Generator, places: Points, smallest: float) -> Opacity:
    """An opacity at one of `places` (n, 3), of at least `smallest` mm."""
    place = places[rng.integers(len(places))]
    diameter = smallest + min(float(rng.gamma(2.0, 4.5)), 18.0)
    return Opacity(
        place=(float(place[0]), float(place[1]), float(place[2])),
        diameter_mm=round(diameter, 2),
        density=round(float(rng.uniform(0.85, 1.05)), 3),
        outline=tuple(rng.normal(0, 0.025, 8)),
        edge_mm=round(float(rng.uniform(0.8, 2.4)), 2),
    )


@dataclass(frozen=True)
class Painted:
    """An opacity on the detector: line integrals and outline (size, size), middle in pixels.

    `inside` is where a ray crosses the body of the opacity; its soft rim lies outside.
    """

    added: Points
    inside: NDArray[np.bool_]
    row: float
    column: float


def paint_opacity(view: View, opacity: Opacity) -> Painted:
    """What the opacity adds to the film, and where."""
    row, column, larger = _project(view, opacity.place)
    radius = opacity.diameter_mm / 2 * larger / view.spacing
    edge = opacity.edge_mm * larger / view.spacing
    away, angle = _polar(view, row, column)
    reach = away / (radius * (1 + _wave(opacity.outline, angle)))
    return Painted(opacity.contrast * _dome(reach, edge / radius), reach < 1, row, column)


def _dome(reach: Points, edge: float) -> Points:
    # The chord of a sphere, its rim softened over `edge` radii; exactly 1 in the middle.
    chord = np.sqrt(np.maximum(1 - reach**2, 0))
    rim = np.exp(-((np.maximum(reach - 1, 0) / edge) ** 2)) * edge * 0.7
    return np.where(reach < 1, np.maximum(chord, rim), rim)


def _wave(outline: tuple[float, ...], angle: Points) -> Points:
    total = np.zeros_like(angle)
    for k in range(len(outline) // 2):
        total += outline[2 * k] * np.cos((k + 2) * angle)
        total += outline[2 * k + 1] * np.sin((k + 2) * angle)
    return total


def _project(view: View, place: tuple[float, float, float]) -> tuple[float, float, float]:
    row, column, larger = view.on_detector(np.array([place]))
    return float(row[0]), float(column[0]), float(larger[0])


def _polar(view: View, row: float, column: float) -> tuple[Points, Points]:
    line = np.arange(view.size)
    down, right = line[:, None] - row, line[None, :] - column
    return np.hypot(down, right), np.arctan2(down, right)


def _spot(view: View, place: tuple[float, float, float], diameter: float) -> tuple[Points, Points]:
    row, column, larger = _project(view, place)
    away, angle = _polar(view, row, column)
    return away / (diameter / 2 * larger / view.spacing), angle


def nipples(body: Body, rng: np.random.Generator) -> Mark:
    """One or both nipples: small discs, sharper at the lower outer rim, where air meets skin."""
    both = rng.random() < 0.6
    sides = (-1, 1) if both else (int(rng.choice([-1, 1])),)
    across, low = rng.uniform(78, 96), rng.uniform(48, 84)
    diameter, strength = rng.uniform(8, 12), rng.uniform(0.10, 0.20)

    def mark(view: View, _: np.random.Generator) -> Points:
        total = np.zeros((view.size, view.size))
        for side in sides:
            reach, angle = _spot(view, (side * across, -body.half_depth, low), diameter)
            rim = 0.75 + 0.25 * np.cos(angle - (np.pi / 4 if side > 0 else 3 * np.pi / 4))
            total += strength * rim * expit((1 - reach) * 9)
        return total

    return mark


def vessel_end_on(rng: np.random.Generator) -> Mark:
    """A vessel along the beam beside the hilum: a small dense disc, its bronchus a ring beside."""
    side = int(rng.choice([-1, 1]))
    place = (side * rng.uniform(46, 62), 0.0, rng.uniform(-26, 22))
    diameter, strength = rng.uniform(5.5, 8.5), rng.uniform(0.18, 0.32)

    def mark(view: View, _: np.random.Generator) -> Points:
        reach, _angle = _spot(view, place, diameter)
        beside = (place[0] + side * diameter, place[1], place[2] - 2)
        ring, _angle = _spot(view, beside, diameter)
        disc = strength * expit((1 - reach) * 8)
        wall = strength * 0.5 * np.exp(-(((ring - 1) / 0.22) ** 2))
        return np.asarray(disc + wall)

    return mark


def callus(body: Body, rng: np.random.Generator) -> Mark:
    """A healed fracture: a rib that is thicker over a centimetre or two."""
    curve = rib_curve(body, int(rng.integers(4, 9)), int(rng.choice([-1, 1])))
    middle = curve[int(rng.integers(70, 150))]
    place = (float(middle[0]), float(middle[1]), float(middle[2]))
    long, high, strength = rng.uniform(13, 20), rng.uniform(10, 13), rng.uniform(0.16, 0.3)
    slope = rng.uniform(-0.2, 0.5)

    def mark(view: View, _: np.random.Generator) -> Points:
        row, column, larger = _project(view, place)
        line = np.arange(view.size)
        down, right = line[:, None] - row, line[None, :] - column
        down = down - slope * np.sign(place[0]) * right
        scale = larger / view.spacing
        away = (right / (long / 2 * scale)) ** 2 + (down / (high / 2 * scale)) ** 2
        return np.asarray(strength * np.exp(-away))

    return mark


def granuloma(rng: np.random.Generator, places: Points) -> Mark:
    """A small calcified nodule: old, harmless, brighter than any opacity of its size."""
    place = places[rng.integers(len(places))]
    spot = (float(place[0]), float(place[1]), float(place[2]))
    diameter, strength = rng.uniform(3.5, 6.0), rng.uniform(0.35, 0.7)

    def mark(view: View, _: np.random.Generator) -> Points:
        reach, _angle = _spot(view, spot, diameter)
        return np.asarray(strength * expit((1 - reach) * 7))

    return mark


def electrodes(body: Body, rng: np.random.Generator) -> Mark:
    """ECG electrodes on the skin: a metal stud in a fainter disc, with its lead."""
    count = int(rng.integers(1, 4))
    spots = [
        (float(rng.uniform(-120, 120)), -body.half_depth - 4, float(rng.uniform(-90, 80)))
        for _ in range(count)
    ]
    bend = rng.uniform(-0.25, 0.25, count)

    def mark(view: View, _: np.random.Generator) -> Points:
        total = np.zeros((view.size, view.size))
        for spot, curve in zip(spots, bend, strict=True):
            stud, _angle = _spot(view, spot, 4.2)
            disc, _angle = _spot(view, spot, 15.0)
            total += 1.6 * expit((1 - stud) * 5) + 0.07 * expit((1 - disc) * 14)
            total += 0.35 * _lead(view, spot, curve)
        return total

    return mark


def _lead(view: View, spot: tuple[float, float, float], bend: float) -> Points:
    row, column, _ = _project(view, spot)
    down = np.arange(view.size)[:, None] - row
    line = column + bend * down + 9 * bend * np.sin(down / 17)
    away = np.arange(view.size)[None, :] - line
    return np.asarray(np.exp(-((away / 0.55) ** 2)) * (down > 0))
