"""The viewer's picture without a browser: one slice with its window, masks and boxes, in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicom_catalog import resample
from dicom_catalog.viewing.stacks import Stack
from dicom_catalog.windows import apply_window

# The viewer's own colours (paint.js), bright enough on grey and apart for the colour-blind.
COLOURS = ((255, 176, 0), (86, 180, 233), (255, 92, 138), (61, 220, 151), (199, 146, 234),
           (240, 228, 66), (255, 133, 82), (127, 219, 255))  # fmt: skip
OPACITY = 0.35
LONGEST = 640  # pixels: what a page shows of it


def still(
    stack: Stack, place: int, center: float, width: float, *, marks: bool = True
) -> NDArray[np.float32]:
    """One slice as red, green, blue 0..1, (h, w, 3), pixels square, at most 640 long.

    Without `marks` its masks and boxes are left out.
    """
    values = stack.slice(place)
    slope, intercept = stack.scale()
    rescaled = values.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    grey = apply_window(
        np.nan_to_num(rescaled), center, max(width, 1e-6), function=stack.function,
        inverted=stack.inverted,
    )  # fmt: skip
    picture = grey if stack.colour else np.repeat(grey[..., None], 3, axis=2)
    if not marks:
        return _square(picture, stack.spacing)
    overlays = stack.overlays()
    masks, boxes = overlays["masks"], overlays["boxes"]
    names = list(dict.fromkeys([*masks, *(box["name"] for box in boxes)]))
    _paint_masks(picture, stack.marks(0, place), len(masks))
    for box in boxes:
        if box["first"] <= place <= box["last"]:
            _paint_box(picture, box, COLOURS[names.index(box["name"]) % len(COLOURS)])
    return _square(picture, stack.spacing)


def _paint_masks(picture: NDArray[np.float32], marks: NDArray[Any] | None, count: int) -> None:
    if marks is None:
        return
    for bit in range(count):
        inside = np.asarray(marks & (1 << bit), dtype=bool)
        shade = np.array(COLOURS[bit % len(COLOURS)], dtype=np.float32) / 255
        picture[inside] += np.float32(OPACITY) * (shade - picture[inside])
        edge = inside & ~_inner(inside)
        picture[edge] = shade


def _inner(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(inside, 1)
    core = padded[1:-1, :-2] & padded[1:-1, 2:] & padded[:-2, 1:-1] & padded[2:, 1:-1]
    return np.asarray(core)


def _paint_box(
    picture: NDArray[np.float32], box: dict[str, Any], colour: tuple[int, int, int]
) -> None:
    height, width = picture.shape[:2]
    shade = np.array(colour, dtype=np.float32) / 255
    top, bottom = (int(np.clip(box[side], 0, height - 1)) for side in ("top", "bottom"))
    left, right = (int(np.clip(box[side], 0, width - 1)) for side in ("left", "right"))
    picture[[top, bottom], left : right + 1] = shade
    picture[top : bottom + 1, [left, right]] = shade


def _square(picture: NDArray[np.float32], spacing: list[float] | None) -> NDArray[np.float32]:
    """Pixels made square by repeating lines, then shrunk to the longest side that a page shows."""
    if spacing is not None:
        row, column = spacing[1], spacing[2]
        height = max(1, round(len(picture) * max(1.0, row / column)))
        width = max(1, round(picture.shape[1] * max(1.0, column / row)))
        rows = np.arange(height) * len(picture) // height
        columns = np.arange(width) * picture.shape[1] // width
        picture = picture[rows][:, columns]
    if max(picture.shape[:2]) > LONGEST:
        picture = resample.shrink(picture, LONGEST)
    return picture
