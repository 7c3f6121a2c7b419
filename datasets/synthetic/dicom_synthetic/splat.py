"""Projecting clouds of weighted points onto the detector: bones, vessels and airways.

Each point stands for a small volume (mm^3) times a change of attenuation (1/mm). Summed on the
detector plane and divided by the area of a pixel (mm^2) that is a line integral, so that a rib
seen along its length or at its cortex is bright for the reason that it is on a real film.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """Where source and detector are, and how the patient stands; lengths in mm.

    Patient axes: x to the patient's left (right on the film), y to the back, z to the feet. The
    X-rays run from the back to the front (PA): the source is at +y, the detector at -y.
    """

    size: int
    spacing: float
    source_to_detector: float
    patient_to_detector: float
    yaw: float
    roll: float
    shift: tuple[float, float]

    def magnification(self, y: Points | float) -> Points | float:
        """How much larger than life a structure at depth `y` is on the detector."""
        return self.source_to_detector / (self.source_to_detector - self.patient_to_detector - y)

    def on_detector(self, points: Points) -> tuple[Points, Points, Points]:
        """Row and column (pixels, float) of points (n, 3), and their magnification."""
        x, y, z = points[:, 0], points[:, 1], points[:, 2]
        sin, cos = np.sin(self.yaw), np.cos(self.yaw)
        x, y = x * cos + y * sin, y * cos - x * sin
        larger = np.asarray(self.magnification(y))
        sin, cos = np.sin(self.roll), np.cos(self.roll)
        u = (x * cos - z * sin + self.shift[0]) * larger
        v = (x * sin + z * cos + self.shift[1]) * larger
        middle = (self.size - 1) / 2
        return v / self.spacing + middle, u / self.spacing + middle, larger

    def grid(self) -> tuple[Points, Points]:
        """Patient coordinates x and z (size, size) of each pixel's ray at depth y = 0."""
        line = (np.arange(self.size) - (self.size - 1) / 2) * self.spacing
        larger = self.magnification(0.0)
        u, v = line[None, :] / larger - self.shift[0], line[:, None] / larger - self.shift[1]
        sin, cos = np.sin(self.roll), np.cos(self.roll)
        return u * cos + v * sin, v * cos - u * sin


def splat(view: View, points: Points, weights: Points) -> Points:
    """Line integrals (size, size) of `points` (n, 3) with `weights` (mm^3 times 1/mm)."""
    row, column, larger = view.on_detector(points)
    size = view.size
    top, left = np.floor(row), np.floor(column)
    down, right = row - top, column - left
    mass = weights * larger**2 / view.spacing**2
    image = np.zeros((size + 1) * (size + 1))
    inside = (top >= 0) & (left >= 0) & (top < size) & (left < size)
    place = (top[inside] * (size + 1) + left[inside]).astype(np.int64)
    down, right, mass = down[inside], right[inside], mass[inside]
    for step, part in (
        (0, (1 - down) * (1 - right)),
        (1, (1 - down) * right),
        (size + 1, down * (1 - right)),
        (size + 2, down * right),
    ):
        image += np.bincount(place + step, mass * part, minlength=len(image) + size + 2)[
            : len(image)
        ]
    return image.reshape(size + 1, size + 1)[:size, :size]


def tube(
    curve: Points,
    across: Points,
    along: Points,
    *,
    radii: tuple[float, float],
    shell: float,
    shell_mu: float,
    core_mu: float,
    sides: int = 18,
) -> tuple[Points, Points]:
    """Points and weights of a bent bone: a dense shell around a spongy core.

    `curve` (n, 3) is its axis; `across` and `along` (n, 3) are unit vectors of its cross-section,
    whose half axes are `radii` (mm); `shell` is the thickness of its cortex (mm).
    """
    step = np.linalg.norm(np.gradient(curve, axis=0), axis=1)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    first, second = radii
    # Ramanujan's first approximation to the circumference of an ellipse.
    h = 3 * (first + second) - np.sqrt((3 * first + second) * (first + 3 * second))
    rings = [(1.0, np.pi * h * shell * shell_mu / sides)]
    area = np.pi * first * second * core_mu / sides
    rings += [(0.35, area * 0.3), (0.75, area * 0.7)]
    points, weights = [], []
    for reach, weight in rings:
        ring = (
            curve[:, None]
            + across[:, None] * (reach * first * np.cos(angle))[None, :, None]
            + along[:, None] * (reach * second * np.sin(angle))[None, :, None]
        )
        points.append(ring.reshape(-1, 3))
        weights.append(np.repeat(weight * step, sides))
    return np.concatenate(points), np.concatenate(weights)
