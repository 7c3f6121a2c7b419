"""Pascal VOC: one XML file an image, boxes by pixels counted from 1, last ones included.

Source: the annotation guide and devkit of the PASCAL Visual Object Classes challenge, 2012.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from dicom_archive.errors import BadLabels
from dicom_archive.importing.marks import Marks, Rectangle
from dicom_catalog.annotations import Box

LARGEST = 16 * 2**20
_FLAGS = ("pose", "truncated", "difficult", "occluded")


def is_voc(path: Path) -> bool:
    """Whether the file is a VOC annotation, by its first bytes."""
    if path.suffix.lower() != ".xml":
        return False
    with path.open("rb") as file:
        return b"<annotation" in file.read(400)


def read_voc(path: Path) -> tuple[str, Marks]:
    """The image's file name and what is marked on it; BadLabels where the file is broken."""
    data = path.read_bytes()
    # Entities are how XML makes gigabytes of a kilobyte; VOC has none.
    if len(data) > LARGEST or b"<!ENTITY" in data or b"<!DOCTYPE" in data:
        raise BadLabels(f"{path.name} is no Pascal VOC annotation: it is too long or has entities.")
    try:
        root = ElementTree.fromstring(data)
        name = (root.findtext("filename") or "").strip() or path.stem
        found = [_rectangle(one, number) for number, one in enumerate(root.iterfind("object"))]
    except (ElementTree.ParseError, ValueError, TypeError) as error:
        raise BadLabels(f"{path.name} is no Pascal VOC annotation ({error}).") from error
    return name, Marks(tuple(found))


def _rectangle(element: Element, number: int) -> Rectangle:
    box = element.find("bndbox")
    if box is None:
        raise ValueError("an object has no bndbox")
    left, top, right, bottom = (
        float(box.findtext(key) or "") for key in ("xmin", "ymin", "xmax", "ymax")
    )
    more = {key: text for key in _FLAGS if (text := element.findtext(key)) is not None}
    # A pixel n counted from 1 spans the edges n - 1 to n.
    return Rectangle(
        (element.findtext("name") or "").strip(), left - 1, top - 1, right, bottom,
        object=str(number + 1), more=more,
    )  # fmt: skip


def write_voc(file: str, rows: int, columns: int, samples: int, boxes: Sequence[Box]) -> bytes:
    """The VOC annotation of one image; the inverse of `read_voc`."""
    root = Element("annotation")
    _text(root, "folder", str(Path(file).parent.name))
    _text(root, "filename", Path(file).name)
    size = _text(root, "size")
    for key, value in (("width", columns), ("height", rows), ("depth", samples)):
        _text(size, key, str(value))
    _text(root, "segmented", "0")
    for box in boxes:
        one = _text(root, "object")
        _text(one, "name", box.name)
        for key in _FLAGS:
            if key in box.more:
                _text(one, key, str(box.more[key]))
        left, top, right, bottom = box.more.get("edges") or (
            box.left, box.top, box.right, box.bottom,
        )  # fmt: skip
        place = _text(one, "bndbox")
        edges = {"xmin": left + 1, "ymin": top + 1, "xmax": right, "ymax": bottom}
        for key, edge in edges.items():
            _text(place, key, f"{edge:.10g}")
    ElementTree.indent(root, "\t")
    return bytes(ElementTree.tostring(root, encoding="utf-8")) + b"\n"


def _text(parent: Element, name: str, text: str | None = None) -> Element:
    made = ElementTree.SubElement(parent, name)
    made.text = text
    return made
