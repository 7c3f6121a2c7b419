"""Making images smaller or larger by area average, without a library beyond numpy.

Each output pixel is the mean of the input area that it covers, so that a shrunken film keeps its
mean and shows no aliasing (see Foley and van Dam, *Computer Graphics*, on box filtering).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]


def resize(image: FloatImage, rows: int, columns: int) -> FloatImage:
    """`image` (h, w) or (h, w, 3) as (rows, columns[, 3]) by area average."""
    return _along(_along(image, rows, 0), columns, 1)


def _along(image: FloatImage, wanted: int, axis: int) -> FloatImage:
    """Means over `wanted` equal stretches of `axis`, by differences of a running sum.

    No matrix product: it would start the threads of BLAS in each thread of a reader.
    """
    given = image.shape[axis]
    if given == wanted:
        return image
    total = np.zeros([n + (k == axis) for k, n in enumerate(image.shape)])
    np.cumsum(image, axis=axis, dtype=np.float64, out=_from(total, 1, axis))
    edges = np.linspace(0, given, wanted + 1)
    left = np.minimum(edges.astype(np.int64), given - 1)
    part = (edges - left).reshape([-1 if k == axis else 1 for k in range(image.ndim)])
    upto = np.take(total, left, axis) * (1 - part) + np.take(total, left + 1, axis) * part
    return np.asarray(np.diff(upto, axis=axis) * (wanted / given), dtype=np.float32)


def _from(array: NDArray[np.float64], start: int, axis: int) -> NDArray[np.float64]:
    return array[(slice(None),) * axis + (slice(start, None),)]


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
