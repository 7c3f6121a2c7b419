"""Smooth random fields in three dimensions, and ellipsoids: what heads and chests are made of.

Cubic splines through coarse normal deviates, as in `fields.py`: the same on every machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicom_synthetic.fields import _stretch

Volume = NDArray[np.float32]
Shape3 = tuple[int, int, int]


def smooth3(rng: np.random.Generator, shape: Shape3, scales: tuple[float, float, float]) -> Volume:
    """A field of mean 0 and about unit variance; a bump spans `scales` voxels along each axis."""
    coarse = rng.standard_normal([int(n / s) + 4 for n, s in zip(shape, scales, strict=True)])
    field = coarse
    for axis, (length, scale) in enumerate(zip(shape, scales, strict=True)):
        first = np.moveaxis(field, axis, 0)
        flat = first.reshape(len(first), -1)
        field = np.moveaxis(
            _stretch(flat, length, scale).reshape(length, *first.shape[1:]), 0, axis
        )
    # 0.69 is the root of the mean sum of squares of a cubic B-spline's weights along one axis.
    return np.ascontiguousarray(field / 0.69**3, dtype=np.float32)


def ellipsoid(
    axes: tuple[Volume, Volume, Volume],
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
) -> Volume:
    """Squared distance from `centre` in units of `radii`: below 1 inside. Axes are x, y, z."""
    parts = [((a - c) / r) ** 2 for a, c, r in zip(axes, centre, radii, strict=True)]
    return np.asarray(parts[0] + parts[1] + parts[2], dtype=np.float32)
