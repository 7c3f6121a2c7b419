"""Smooth random fields, the raw stuff of tissue: cheap, seeded, the same on every machine.

Cubic B-splines through coarse normal deviates; no Fourier transform and no matrix product, whose
last digits depend on the library and its number of threads.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]
Shape = tuple[int, int]


def smooth(rng: np.random.Generator, shape: Shape, rows: float, columns: float = 0) -> Field:
    """A field (shape) of mean 0 and about unit variance whose bumps are `rows` x `columns` pixels.

    `columns` is as `rows` where not given. The length is about a bump's full width at half height.
    """
    down, right = rows, columns or rows
    coarse = rng.standard_normal((int(shape[0] / down) + 4, int(shape[1] / right) + 4))
    # The sum of the squares of a cubic B-spline's weights is 0.48 on average along each axis.
    return np.asarray(_stretch(_stretch(coarse, shape[0], down).T, shape[1], right).T / 0.48)


def line(rng: np.random.Generator, length: int, scale: float) -> Field:
    """A smooth random curve (length,) of mean 0 and about unit variance."""
    coarse = rng.standard_normal((int(length / scale) + 4, 1))
    return np.asarray(_stretch(coarse, length, scale)[:, 0] / 0.69)


def cloud(rng: np.random.Generator, shape: Shape, scales: tuple[float, ...]) -> Field:
    """Smooth fields of several scales (pixels) in one, of about unit variance."""
    total = np.zeros(shape)
    for scale in scales:
        total += smooth(rng, shape, scale)
    return np.asarray(total / np.sqrt(len(scales)))


def ridges(field: Field, width: float) -> Field:
    """1 along the zero line of `field`, falling to 0 over `width`: a network of threads."""
    return np.asarray(np.exp(-((field / width) ** 2)))


def ramp(t: Field) -> Field:
    """0 below 0, 1 above 1, smooth between (Hermite)."""
    t = np.clip(t, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _stretch(coarse: Field, length: int, scale: float) -> Field:
    first, weights = _spline(length, scale)
    total = coarse[first] * weights[0][:, None]
    for k in range(1, 4):
        total += coarse[first + k] * weights[k][:, None]
    return np.asarray(total)


@lru_cache(maxsize=64)
def _spline(length: int, scale: float) -> tuple[NDArray[np.int64], tuple[Field, ...]]:
    place = np.arange(length) / scale
    first = np.floor(place).astype(np.int64)
    t = place - first
    return first, (
        (1 - t) ** 3 / 6,
        (3 * t**3 - 6 * t**2 + 4) / 6,
        (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
        t**3 / 6,
    )
