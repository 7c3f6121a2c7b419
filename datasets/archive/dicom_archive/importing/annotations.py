"""Which label files a source holds, and what they say of which image.

A file is known by what stands in it: COCO by its three lists, Pascal VOC by its root, a table of
boxes by its columns. Any other CSV file is a table of labels, one row an image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from dicom_archive.errors import BadLabels
from dicom_archive.importing.coco import is_coco, read_coco
from dicom_archive.importing.marks import Marks
from dicom_archive.importing.tables import is_box_table, read_boxes
from dicom_archive.importing.voc import is_voc, read_voc
from dicom_archive.labels import Key


@dataclass
class Annotations:
    """What is marked, by the names under which label files know images."""

    files: set[Path] = field(default_factory=set)
    tables: list[Path] = field(default_factory=list)
    marks: dict[str, Marks] = field(default_factory=dict)
    formats: set[str] = field(default_factory=set)

    def take(self, path: Path) -> bool:
        """Read `path` where it is a label file; BadLabels where it is a broken one."""
        if is_voc(path):
            name, marks = read_voc(path)
            # Copied annotations often name another file: their own name counts too.
            found, kind = {name: marks, path.stem: marks}, "voc"
        elif is_coco(path):
            found, kind = read_coco(path), "coco"
        elif is_box_table(path):
            found, kind = read_boxes(path), "csv"
        elif path.suffix.lower() == ".csv":
            self.tables.append(path)
            return False
        else:
            return False
        for name, marks in found.items():
            self._add(name, marks)
        self.formats.add(kind)
        self.files.add(path)
        return True

    def _add(self, name: str, marks: Marks) -> None:
        before = self.marks.get(name, Marks())
        if before is not marks:
            marks = Marks(before.rectangles + marks.rectangles, before.shapes + marks.shapes)
        self.marks[name] = marks

    def by_path(self, keys: Sequence[Key]) -> tuple[dict[str, Marks], list[str]]:
        """The marks of each image by its path, and the names that no image bears."""
        plain = {PurePosixPath(name).name: name for name in self.marks}
        called = Counter(PurePosixPath(key.path).name for key in keys)
        found: dict[str, Marks] = {}
        used: set[str] = set()
        for key in keys:
            for text in key.of_image():
                name = text if text in self.marks else plain.get(text)
                # Two files of one name in two folders: only a path or a UID tells them apart.
                certain = text in (key.uid, key.path) or called[PurePosixPath(key.path).name] == 1
                if name is not None and certain:
                    found[key.path] = self.marks[name]
                    used |= {name, PurePosixPath(name).stem}
                    break
        unused = sorted(name for name in set(self.marks) - used if _stem(name) not in used)
        return found, unused


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def gather(others: Iterable[Path], given: Path | None, masks: bool = False) -> Annotations:
    """The label files among `others`, or those of `given`, a file or a folder, alone.

    Raises BadLabels where `given` holds none (and no `masks` either), or a file is broken.
    """
    annotations = Annotations()
    if given is None:
        for path in others:
            annotations.take(path)
        return annotations
    if not given.exists():
        raise BadLabels(f"There is no {given}. --marks names a file or a folder of labels.")
    paths = sorted(given.rglob("*")) if given.is_dir() else [given]
    for path in paths:
        if path.is_file():
            annotations.take(path)
    annotations.tables = []
    for path in others:
        if path.suffix.lower() == ".csv" and not is_box_table(path):
            annotations.tables.append(path)
    if not annotations.marks and not masks:
        raise BadLabels(
            f"{given} is nothing that marks images: neither masks called like these, nor "
            "COCO, nor Pascal VOC, nor a table of boxes (columns file, name, left, top, right, "
            "bottom)."
        )
    return annotations
