"""Tables of boxes: a CSV file with several rows an image, and a table with a row an image.

A table of boxes is known by its columns: a file, a name, and four that say where.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dicom_archive.errors import BadLabels
from dicom_archive.importing.marks import Marks, Rectangle

# Four columns that are a box, and whether the last two are a size.
BOXES = (
    (("left", "top", "right", "bottom"), False),
    (("xmin", "ymin", "xmax", "ymax"), False),
    (("x_min", "y_min", "x_max", "y_max"), False),
    (("x1", "y1", "x2", "y2"), False),
    (("x", "y", "width", "height"), True),
    (("x", "y", "w", "h"), True),
)
FILES = ("file", "filename", "file_name", "image", "image_id", "path", "source_file")
NAMES = ("name", "class", "label", "category", "finding")


def is_box_table(path: Path) -> bool:
    """Whether a CSV file has the columns of a table of boxes."""
    if path.suffix.lower() != ".csv":
        return False
    try:
        columns = pd.read_csv(path, nrows=0, encoding="utf-8-sig").columns
    except (OSError, ValueError):
        return False
    return _columns([str(name) for name in columns]) is not None


def _columns(names: Iterable[str]) -> tuple[str, str, tuple[str, ...], bool] | None:
    here = {name.strip().lower(): name for name in names}
    file = next((here[name] for name in FILES if name in here), None)
    name = next((here[name] for name in NAMES if name in here), None)
    for edges, sized in BOXES:
        if file and name and all(edge in here for edge in edges):
            return file, name, tuple(here[edge] for edge in edges), sized
    return None


def read_boxes(path: Path) -> dict[str, Marks]:
    """What is marked on each image, by what names it; a row without edges says: nothing is there.

    Edges are pixel edges, as in `Box`. All other columns travel with the box. BadLabels names the
    row that is no box.
    """
    try:
        # As texts: a column of names such as 007 is given back as it came.
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise BadLabels(f"{path.name} cannot be read as a CSV table: {error}.") from error
    found = _columns([str(name) for name in table.columns])
    if found is None:
        raise BadLabels(
            f"{path.name} is no table of boxes. It needs a column for the file ({FILES[0]}), the "
            f"name ({NAMES[0]}) and the edges ({', '.join(BOXES[0][0])})."
        )
    file, name, edges, sized = found
    rows: dict[str, list[Rectangle]] = {}
    for number, row in enumerate(table.to_dict("records"), start=2):
        cells = {str(key): str(value).strip() for key, value in row.items()}
        boxes = rows.setdefault(cells.pop(file), [])
        if all(cells[edge] == "" for edge in edges):
            continue
        try:
            boxes.append(_rectangle(cells, name, edges, sized, str(number - 1)))
        except ValueError as error:
            raise BadLabels(f"{path.name}, line {number}: {error}.") from error
    return {key: Marks(tuple(boxes)) for key, boxes in rows.items()}


def _rectangle(
    cells: Mapping[str, str], name: str, edges: tuple[str, ...], sized: bool, number: str
) -> Rectangle:
    left, top, right, bottom = (float(cells[edge]) for edge in edges)
    if sized:
        right, bottom = left + right, top + bottom
    if not cells[name]:
        raise ValueError(f"it has no '{name}'")
    more = {key: text for key, text in cells.items() if key not in (name, *edges) and text}
    return Rectangle(cells[name], left, top, right, bottom, number, more)


def box_rows(file: str, boxes: Iterable[Any]) -> list[dict[str, Any]]:
    """The rows of one image's boxes for a table; one without edges where there is none."""
    rows = []
    for box in boxes:
        more = dict(box.more)
        left, top, right, bottom = more.pop("edges", (box.left, box.top, box.right, box.bottom))
        place = {"left": left, "top": top, "right": right, "bottom": bottom}
        rows.append({"file": file, "name": box.name, **place, **more})
    return rows or [{"file": file, "name": ""}]
