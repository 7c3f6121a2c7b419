"""COCO: one JSON file for all images, boxes as [x, y, width, height], shapes as polygons or runs.

Source: "Data format" of cocodataset.org, and `pycocotools/_mask.pyx` for the compressed runs. What
the catalog has no place for (area, polygons, attributes) travels with each box and is given back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicom_archive.errors import BadLabels
from dicom_archive.importing.marks import Marks, Rectangle, Shape
from dicom_catalog.annotations import Box

_OWN = ("bbox", "category_id", "image_id")


@dataclass(frozen=True)
class GivenBack:
    """What `write_coco` needs of one image: its id, file name, size and boxes."""

    file: str
    rows: int
    columns: int
    boxes: Sequence[Box]


def is_coco(path: Path) -> bool:
    """Whether the file is a COCO annotation of objects."""
    if path.suffix.lower() != ".json":
        return False
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    keys = ("images", "annotations", "categories")
    return isinstance(found, dict) and all(isinstance(found.get(key), list) for key in keys)


def read_coco(path: Path) -> dict[str, Marks]:
    """What is marked on each image, by its file name; BadLabels where the file is broken.

    An image without an annotation has empty marks: nothing was found on it.
    """
    try:
        found = json.loads(path.read_bytes())
        names = {one["id"]: str(one["name"]) for one in found["categories"]}
        files = {one["id"]: str(one["file_name"]) for one in found["images"]}
        marked: dict[Any, list[Mapping[str, Any]]] = {number: [] for number in files}
        for one in found["annotations"]:
            marked[one["image_id"]].append(one)
        return {files[number]: _marks(ones, names) for number, ones in marked.items()}
    except (OSError, ValueError, RecursionError) as error:
        raise BadLabels(f"{path.name} cannot be read as COCO ({error}).") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise BadLabels(
            f"{path.name} is no COCO file of objects: {error} is missing or names nothing."
        ) from error


def _marks(found: Iterable[Mapping[str, Any]], names: Mapping[Any, str]) -> Marks:
    rectangles, shapes = [], []
    for one in found:
        name, label = names[one["category_id"]], str(one["id"])
        x, y, width, height = map(float, one["bbox"])
        more = {key: value for key, value in one.items() if key not in _OWN}
        # x + width - x is not always width again in floating point: kept where it is not.
        if (x + width) - x != width or (y + height) - y != height:
            more["bbox"] = one["bbox"]
        rectangles.append(Rectangle(name, x, y, x + width, y + height, label, more))
        shape = _shape(one.get("segmentation"), name, label)
        if shape is not None:
            shapes.append(shape)
    return Marks(tuple(rectangles), tuple(shapes))


def _shape(given: Any, name: str, label: str) -> Shape | None:
    if not given:
        return None
    if isinstance(given, Mapping):
        counts = given["counts"]
        runs = expanded_runs(counts) if isinstance(counts, str) else tuple(map(int, counts))
        rows, columns = map(int, given["size"])
        return Shape(name, label, counts=runs, size=(rows, columns))
    return Shape(name, label, polygons=tuple(tuple(map(float, one)) for one in given))


def expanded_runs(text: str) -> tuple[int, ...]:
    """COCO's compressed runs as numbers: five bits a character, from the third run on differences
    to the run before the last (`rleFrString` of pycocotools)."""
    runs: list[int] = []
    place = 0
    while place < len(text):
        value = shift = 0
        more = True
        while more:
            if place == len(text):
                raise ValueError("a compressed mask ends within a number")
            bits = ord(text[place]) - 48
            value |= (bits & 31) << shift
            more, shift, place = bool(bits & 32), shift + 5, place + 1
            if not more and bits & 16:
                value |= -1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return tuple(runs)


def write_coco(images: Sequence[GivenBack], names: Sequence[str]) -> dict[str, Any]:
    """The COCO annotation of `images`, categories numbered in the order of `names`."""
    numbers = {name: number for number, name in enumerate(names, start=1)}
    rows: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(images, start=1):
        rows.append(
            {"id": number, "file_name": image.file, "width": image.columns, "height": image.rows}
        )
        for box in image.boxes:
            annotations.append(_annotation(box, number, numbers[box.name], len(annotations) + 1))
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    return {"images": rows, "annotations": annotations, "categories": categories}


def _annotation(box: Box, image: int, category: int, number: int) -> dict[str, Any]:
    more = dict(box.more)
    left, top, right, bottom = more.pop("edges", (box.left, box.top, box.right, box.bottom))
    made = {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": [left, top, right - left, bottom - top],
        "area": (right - left) * (bottom - top),
        "iscrowd": 0,
    }
    return {**made, **more}
