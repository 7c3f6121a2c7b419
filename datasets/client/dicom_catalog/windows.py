"""Window and level: how stored values become grey on a screen. Pure functions of arrays.

The three functions of PS3.3 C.11.2.1.2 and C.11.2.1.3, with the output scaled to 0..1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]


def linear(values: FloatImage, center: float, width: float) -> FloatImage:
    """LINEAR of PS3.3 C.11.2.1.2.1: the default; width is at least 1, the half pixel is the
    standard's own."""
    if width <= 1:
        return np.asarray(values > center - 0.5, dtype=np.float32)
    scaled = (values - np.float32(center - 0.5)) / np.float32(width - 1) + np.float32(0.5)
    return np.clip(scaled, 0, 1, out=scaled)


def linear_exact(values: FloatImage, center: float, width: float) -> FloatImage:
    """LINEAR_EXACT of PS3.3 C.11.2.1.3.2: without the half pixel; width is above 0."""
    scaled = (values - np.float32(center)) / np.float32(width) + np.float32(0.5)
    return np.clip(scaled, 0, 1, out=scaled)


def sigmoid(values: FloatImage, center: float, width: float) -> FloatImage:
    """SIGMOID of PS3.3 C.11.2.1.3.1; width is above 0."""
    power = np.clip(-4 * (values - np.float32(center)) / np.float32(width), -80, 80)
    return np.asarray(1 / (1 + np.exp(power)), dtype=np.float32)


FUNCTIONS = {"LINEAR": linear, "LINEAR_EXACT": linear_exact, "SIGMOID": sigmoid}


def apply_window(
    values: FloatImage,
    center: float,
    width: float,
    *,
    function: str = "LINEAR",
    inverted: bool = False,
) -> FloatImage:
    """Grey 0 (black) to 1 (white), float32 in the shape of `values`.

    `inverted` is for MONOCHROME1, in which the lowest value is shown white (PS3.3 C.7.6.3.1.2).
    """
    if not width > 0:
        raise ValueError(f"A window's width is above 0, not {width}.")
    grey = FUNCTIONS[function](values, center, width)
    return np.subtract(1, grey, out=grey) if inverted else grey
