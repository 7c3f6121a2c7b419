"""What a label file says of one image, before the image has a UID: rectangles, shapes and masks.

Every format becomes `Marks`; `drawn` turns them into the label maps and boxes of an instance. Two
shapes of one kind that share a pixel go to two label maps, so nothing is lost where they overlap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicom_archive.errors import BadImage
from dicom_catalog.annotations import Box, LabelMap, Segment

Frames = tuple[tuple[str, int], ...]
MOST_VALUES = 20


@dataclass(frozen=True)
class Rectangle:
    """A box by pixel edges: 0 is the left edge of the first column."""

    name: str
    left: float
    top: float
    right: float
    bottom: float
    object: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Shape:
    """One object's pixels, drawn when the size of its image is known.

    `polygons` are flat lists x, y, x, y ... in pixels (COCO's), `counts` the runs of a COCO mask
    and `size` its (rows, columns).
    """

    name: str
    object: str
    polygons: tuple[tuple[float, ...], ...] = ()
    counts: tuple[int, ...] = ()
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Marks:
    """All that is marked on one image, besides the masks that lie in files of their own."""

    rectangles: tuple[Rectangle, ...] = ()
    shapes: tuple[Shape, ...] = ()


@dataclass(frozen=True)
class Naming:
    """What the values of a mask mean, as the teacher says.

    `structures` names values (1: "liver"), or all that is marked where it holds only the key 0;
    `objects` says that each value is one object of the kind named so.
    """

    structures: Mapping[int, str] = field(default_factory=dict)
    objects: str = ""


def label_map(values: NDArray[Any], frames: Frames, naming: Naming) -> LabelMap:
    """The label map of mask `values` (frames, rows, columns); BadImage where they mean nothing.

    Values stay as they are, except where all that is marked is one structure: that becomes 1.
    """
    numbers = [int(value) for value in np.unique(values) if value != 0]
    if numbers and (min(numbers) < 0 or max(numbers) > 0xFFFF):
        raise BadImage(f"the values of its mask run from {min(numbers)} to {max(numbers)}")
    if naming.objects:
        segment = Segment(1, naming.objects)
        return LabelMap(frames, _small(values, numbers), (segment,), objects=True)
    named = _named(numbers, naming)
    if list(named) == [0]:
        found = (values != 0).astype(np.uint8)
        return LabelMap(frames, found, (Segment(1, named[0]),))
    segments = tuple(Segment(number, name) for number, name in sorted(named.items()))
    return LabelMap(frames, _small(values, numbers), segments)


def _small(values: NDArray[Any], numbers: Sequence[int]) -> NDArray[Any]:
    return values.astype(np.uint8 if max(numbers, default=0) < 256 else np.uint16)


def _named(numbers: Sequence[int], naming: Naming) -> Mapping[int, str]:
    if naming.structures:
        strange = [number for number in numbers if number not in naming.structures]
        if strange and list(naming.structures) != [0]:
            raise BadImage(
                f"its mask has the value {strange[0]}, which --structure does not name "
                f"({', '.join(f'{k}={v}' for k, v in naming.structures.items())})"
            )
        return naming.structures
    if len(numbers) <= 1:
        return {0: "marked"}
    if len(numbers) > MOST_VALUES:
        raise BadImage(
            f"its mask has {len(numbers)} values: say --objects NAME where each is one object, "
            "or --structure NUMBER=NAME for each"
        )
    return {number: f"structure-{number}" for number in numbers}


def drawn(
    marks: Marks, uid: str, rows: int, columns: int, *, frame: int = 0
) -> tuple[list[LabelMap], list[Box]]:
    """Label maps and boxes of one image frame; BadImage where a mark lies outside the image."""
    boxes = [_box(one, uid, rows, columns, frame) for one in marks.rectangles]
    maps = []
    for name in sorted({shape.name for shape in marks.shapes}):
        shapes = [shape for shape in marks.shapes if shape.name == name]
        for layer in _layers(shapes, rows, columns):
            values = layer.astype(np.uint16 if layer.max() > 255 else np.uint8)[None]
            maps.append(LabelMap(((uid, frame),), values, (Segment(1, name),), objects=True))
    return maps, boxes


def _box(one: Rectangle, uid: str, rows: int, columns: int, frame: int) -> Box:
    slack = 1.0  # some tools draw to the edge of the pixel after the last
    inside = one.left >= -slack and one.top >= -slack
    inside = inside and one.right <= columns + slack and one.bottom <= rows + slack
    if not (inside and one.right > one.left and one.bottom > one.top):
        raise BadImage(
            f"its box of '{one.name}' ({one.left:g}, {one.top:g}, {one.right:g}, {one.bottom:g}) "
            f"is not inside the {columns} x {rows} pixels"
        )
    edges = (max(one.left, 0.0), max(one.top, 0.0), min(one.right, columns), min(one.bottom, rows))
    more = dict(one.more)
    if edges != (one.left, one.top, one.right, one.bottom):
        more["edges"] = [one.left, one.top, one.right, one.bottom]
    left, top, right, bottom = map(float, edges)
    return Box(uid, one.name, left, top, right, bottom, frame, object=one.object, more=more)


def _layers(shapes: Sequence[Shape], rows: int, columns: int) -> list[NDArray[Any]]:
    """Shapes numbered 1.. over all layers, each in the first layer where it covers nothing."""
    layers: list[NDArray[Any]] = []
    for number, shape in enumerate(shapes, start=1):
        mask = shape_mask(shape, rows, columns)
        free = next((layer for layer in layers if not layer[mask].any()), None)
        if free is None:
            free = np.zeros((rows, columns), np.uint32)
            layers.append(free)
        free[mask] = number
    return layers


def shape_mask(shape: Shape, rows: int, columns: int) -> NDArray[np.bool_]:
    """Where a shape is: bool (rows, columns)."""
    if shape.counts:
        if shape.size != (rows, columns):
            raise BadImage(
                f"its mask of '{shape.name}' has {shape.size[0]} rows and {shape.size[1]} columns, "
                f"the image {rows} and {columns}"
            )
        return runs_mask(shape.counts, rows, columns)
    return polygons_mask(shape.polygons, rows, columns)


def runs_mask(counts: Sequence[int], rows: int, columns: int) -> NDArray[np.bool_]:
    """COCO's run lengths (background first, down the columns) as a mask."""
    if sum(counts) != rows * columns:
        raise BadImage(f"the runs of its mask cover {sum(counts)} of {rows * columns} pixels")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(columns, rows).T


def mask_runs(mask: NDArray[np.bool_]) -> list[int]:
    """The inverse of `runs_mask`."""
    flat = np.asarray(mask, bool).T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *runs] if flat.size and flat[0] else list(runs)


def polygons_mask(
    polygons: Sequence[Sequence[float]], rows: int, columns: int
) -> NDArray[np.bool_]:
    """Pixels whose middle lies inside a polygon, by the even-odd rule, each polygon for itself."""
    mask = np.zeros((rows, columns), bool)
    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2:
            raise BadImage(f"a polygon of {len(polygon)} numbers; three corners are six")
        points = np.asarray(polygon, float).reshape(-1, 2)
        mask |= _filled(points, rows, columns)
    return mask


def _filled(points: NDArray[Any], rows: int, columns: int) -> NDArray[np.bool_]:
    inside = np.zeros((rows, columns), bool)
    x, y = points[:, 0], points[:, 1]
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    first = max(int(np.floor(y.min())), 0)
    for row in range(first, min(int(np.ceil(y.max())) + 1, rows)):
        middle = row + 0.5
        crosses = (y <= middle) != (next_y <= middle)
        if not crosses.any():
            continue
        along = (middle - y[crosses]) / (next_y[crosses] - y[crosses])
        places = np.sort(x[crosses] + along * (next_x[crosses] - x[crosses]))
        for left, right in zip(places[::2], places[1::2], strict=True):
            begin, end = np.ceil(left - 0.5), np.ceil(right - 0.5)
            inside[row, max(int(begin), 0) : max(int(end), 0)] = True
    return inside
