"""The grid of a chest CT and how tubes are drawn on it.

x runs to the patient's left, y to the back, z to the head, in millimetres from the middle of the
chest (PS3.3 C.7.6.2.1.1). Arrays run (slice, row, column), slices from the feet upwards.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicom_synthetic.volumes import Volume

SLICES, SIZE = 84, 256
PIXEL_MM, SLICE_MM = 1.4, 3.0
SHAPE = (SLICES, SIZE, SIZE)
FIRST_Z = -(SLICES - 1) / 2 * SLICE_MM
_CORNER = -(SIZE - 1) / 2 * PIXEL_MM
VOXEL_ML = PIXEL_MM**2 * SLICE_MM / 1000

Points = NDArray[np.float64]  # (n, 3): x, y, z in mm
Mask = NDArray[np.bool_]
Place = tuple[float, float, float]
Crop = tuple[slice, slice, slice]
Axes = tuple[Volume, Volume, Volume]

X: Volume = (_CORNER + np.arange(SIZE, dtype=np.float32) * PIXEL_MM).astype(np.float32)
Z: Volume = (FIRST_Z + np.arange(SLICES, dtype=np.float32) * SLICE_MM).astype(np.float32)
AXES: Axes = (X[None, None, :], X[None, :, None], Z[:, None, None])


def crop(centre: Place, half: Place) -> Crop:
    """The part of the grid within `half` (x, y, z) of `centre`, cut at the grid's edges."""
    spans = []
    for middle, reach, first, step, length in zip(
        centre[::-1],
        half[::-1],
        (FIRST_Z, _CORNER, _CORNER),
        (SLICE_MM, PIXEL_MM, PIXEL_MM),
        SHAPE,
        strict=True,
    ):
        low = int(np.floor((middle - reach - first) / step))
        high = int(np.ceil((middle + reach - first) / step)) + 1
        spans.append(slice(min(max(low, 0), length - 1), min(max(high, 1), length)))
    return spans[0], spans[1], spans[2]


def axes_of(part: Crop) -> Axes:
    """x, y, z of a part of the grid, by broadcasting."""
    return X[None, None, part[2]], X[None, part[1], None], Z[part[0], None, None]


def voxels(points: Points) -> NDArray[np.float64]:
    """Slice, row and column (n, 3), with fractions, of points."""
    first, step = (FIRST_Z, _CORNER, _CORNER), (SLICE_MM, PIXEL_MM, PIXEL_MM)
    return np.asarray((points[:, ::-1] - np.array(first)) / np.array(step))


def inside(mask: Mask, points: Points) -> Mask:
    """Whether points (n, 3) lie in a mask of the grid; beyond the grid they do not."""
    place = np.rint(voxels(points)).astype(np.int64)
    within = ((place >= 0) & (place < np.array(SHAPE))).all(1)
    place[~within] = 0
    return np.asarray(mask[place[:, 0], place[:, 1], place[:, 2]] & within)


def tubes(points: Points, radii: NDArray[np.float64], tall: float = 1.0) -> Volume:
    """How much of each voxel balls at `points` with `radii` (mm) fill: 0 to 1, SHAPE.

    `tall` stretches the balls along z. Where balls overlap the fuller counts. A ball thinner than a
    voxel fills a part of it, so that fine vessels fade instead of breaking up.
    """
    filled = np.zeros(SHAPE, dtype=np.float32)
    classes = np.ceil(radii / 1.5).astype(int)
    for size in np.unique(classes):
        chosen = classes == size
        _stamp(filled, points[chosen], radii[chosen], size * 1.5, tall)
    return filled


def _stamp(
    filled: Volume, points: Points, radii: NDArray[np.float64], reach: float, tall: float
) -> None:
    across = int(np.ceil(reach / PIXEL_MM + 0.5))
    along = int(np.ceil(reach * tall / SLICE_MM + 0.5))
    steps = np.mgrid[-along : along + 1, -across : across + 1, -across : across + 1]
    offsets = steps.reshape(3, -1).T
    exact = voxels(points)
    nearest = np.rint(exact).astype(np.int64)
    rest = (nearest - exact).astype(np.float32)
    scale = np.array([SLICE_MM / tall, PIXEL_MM, PIXEL_MM], dtype=np.float32)
    apart = (rest[:, None, :] + offsets[None].astype(np.float32)) * scale
    distance = np.sqrt((apart**2).sum(2))
    thin = np.minimum(1.0, radii / 0.9)[:, None].astype(np.float32)
    part = thin * np.clip((radii[:, None].astype(np.float32) - distance) / 1.6 + 0.5, 0, 1)
    place = nearest[:, None, :] + offsets[None]
    kept = (part > 0) & ((place >= 0) & (place < np.array(SHAPE))).all(2)
    flat = np.ravel_multi_index(tuple(place[kept].T), SHAPE)
    np.maximum.at(filled.reshape(-1), flat, part[kept].astype(np.float32))


def blend(values: Volume, part: Volume, other: float | Volume) -> None:
    """Fill `part` (0 to 1) of each voxel of `values` with the value `other`, in place."""
    touched = np.flatnonzero(part)
    flat, share = values.reshape(-1), part.reshape(-1)[touched]
    new = other.reshape(-1)[touched] if isinstance(other, np.ndarray) else other
    flat[touched] += share * (new - flat[touched])


def path(corners: list[Place], step: float = 1.4) -> Points:
    """A smooth line through `corners` (Catmull-Rom), a point every `step` mm or so."""
    given = np.array([corners[0], *corners, corners[-1]], dtype=float)
    pieces = []
    for a, b, c, d in zip(given, given[1:], given[2:], given[3:], strict=False):
        count = max(2, int(np.linalg.norm(c - b) / step))
        t = np.linspace(0, 1, count, endpoint=False)[:, None]
        pieces.append(
            0.5
            * (
                2 * b
                + (c - a) * t
                + (2 * a - 5 * b + 4 * c - d) * t**2
                + (3 * b - 3 * c + d - a) * t**3
            )
        )
    return np.concatenate([*pieces, given[-1:]])
