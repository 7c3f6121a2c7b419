"""Making images smaller or larger by area average, without a library beyond numpy.

Each output pixel is the mean of the input area that it covers, so that a shrunken film keeps its
mean and shows no aliasing (see Foley and van Dam, *Computer Graphics*, on box filtering).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]


@lru_cache(maxsize=64)
def area_weights(given: int, wanted: int) -> FloatImage:
    """Matrix (wanted, given) whose row k averages the input cells under output cell k."""
    edges = np.linspace(0, given, wanted + 1)
    cells = np.arange(given)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    weights = np.clip(overlap, 0, None)
    result: FloatImage = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    result.setflags(write=False)
    return result


def resize(image: FloatImage, rows: int, columns: int) -> FloatImage:
    """`image` (h, w) or (h, w, 3) as (rows, columns[, 3]) by area average."""
    if image.shape[:2] == (rows, columns):
        return image
    down = area_weights(image.shape[0], rows)
    across = area_weights(image.shape[1], columns)
    if image.ndim == 2:
        return np.asarray(down @ image @ across.T, dtype=np.float32)
    planes = [down @ image[..., k] @ across.T for k in range(image.shape[2])]
    return np.asarray(np.stack(planes, axis=-1), dtype=np.float32)


def shrink(image: FloatImage, size: int) -> FloatImage:
    """`image` with its longer side of `size` pixels and its shape kept."""
    rows, columns = image.shape[:2]
    scale = size / max(rows, columns)
    return resize(image, max(1, round(rows * scale)), max(1, round(columns * scale)))


def centre(image: FloatImage, size: int) -> FloatImage:
    """`image`, no side above `size`, in the middle of a square of zeros: (size, size[, 3])."""
    rows, columns = image.shape[:2]
    if rows == columns == size:
        return image
    square = np.zeros((size, size, *image.shape[2:]), dtype=np.float32)
    top, left = (size - rows) // 2, (size - columns) // 2
    square[top : top + rows, left : left + columns] = image
    return square
