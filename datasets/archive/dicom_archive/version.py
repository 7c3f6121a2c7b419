"""From files that were put down to a version: splits, card, index, and the manifest over them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from dicom_archive.cards import Card
from dicom_archive.derived import Derived
from dicom_archive.diff import compare_files, hashes_by_uid
from dicom_archive.errors import BadCard, SplitLeak
from dicom_archive.indexing import write_index
from dicom_archive.instance import Instance
from dicom_archive.manifest import (
    FORMAT,
    TABLE_NAME,
    canonical,
    count_labels,
    count_splits,
    made_with,
    read_manifest,
    root_hash,
    table_row,
)
from dicom_archive.objects import file_hash, write_file
from dicom_archive.splits import SHARES, draw_splits, leaks
from dicom_catalog.catalog import CARD_NAME
from dicom_catalog.layout import INDEX_NAME


@dataclass(frozen=True)
class Published:
    """A version that is there: `new` is False where it was there before with the same bytes."""

    name: str
    version: str
    folder: Path
    images: int
    patients: int
    root: str
    new: bool


@dataclass(frozen=True)
class Taken:
    """One file of a version: where it came from and lies, its hash, and what it is.

    `what` is without its bytes. `pixels` is a hash of what an image shows, or empty.
    """

    key: str
    path: str
    sha256: str
    bytes: int
    what: Instance | Derived
    pixels: str = ""

    @property
    def row(self) -> dict[str, Any]:
        """The row of `images` or `objects` in the index."""
        return self.what.row

    @property
    def labels(self) -> Mapping[str, Any]:
        """The labels of an image; a SEG or SR has none of its own."""
        return self.what.labels if isinstance(self.what, Instance) else {}


@dataclass(frozen=True)
class Earlier:
    """What came before: the folder of the version before this one, and every patient's split."""

    parent: Path | None = None
    splits: Mapping[str, str] = field(default_factory=dict)


def assemble(
    tree: Path, taken: Sequence[Taken], card: Card, seed: int, earlier: Earlier
) -> dict[str, Any]:
    """Write card, index and table of series into `tree`; the manifest, which is not written yet.

    BadCard where the card's target does not fit the images, SplitLeak as in `draw_splits`.
    """
    images = sorted((t for t in taken if isinstance(t.what, Instance)), key=_in_order)
    objects = sorted((t for t in taken if isinstance(t.what, Derived)), key=_in_order)
    joined = _joined(images)
    splits = draw_splits(_strata(images, objects, card), seed, earlier.splits, joined)
    _require_no_leak(images, splits)
    instances = [one.what for one in images if isinstance(one.what, Instance)]
    columns = _columns(instances, card)
    write_file(tree / CARD_NAME, canonical(card.model_dump()) + b"\n")
    marked = [one.what for one in objects if isinstance(one.what, Derived)]
    write_index(tree, instances, marked, splits, columns)
    files = _files(tree, taken)
    rows = _table(instances, splits, columns)
    return {
        "format": FORMAT,
        "dataset": card.name,
        "version": card.version,
        "root": root_hash({path: one["sha256"] for path, one in files.items()}, rows),
        **_since(earlier.parent, files),
        "licence": card.licence,
        "citation": card.citation,
        "images": len(images),
        "objects": len(objects),
        "patients": len(splits),
        "series": len({one.row["series_uid"] for one in images}),
        "splits": {
            **count_splits(rows),
            "seed": seed,
            "shares": SHARES,
            "kept": sum(patient in earlier.splits for patient in splits),
            "joined": joined,
        },
        "labels": count_labels(rows),
        "structures": _count_structures(marked),
        "made_with": made_with(),
        "files": files,
    }


def _in_order(one: Taken) -> tuple[str, int]:
    path = PurePosixPath(one.path)
    return str(path.parent), int(path.stem)


def _joined(images: Iterable[Taken]) -> list[list[str]]:
    """Patients who share an image, bit for bit, as sorted lists."""
    whose: dict[str, set[str]] = {}
    for one in images:
        if one.pixels:
            whose.setdefault(one.pixels, set()).add(one.what.patient)
    return sorted(map(list, {tuple(sorted(who)) for who in whose.values() if len(who) > 1}))


def _require_no_leak(images: Sequence[Taken], splits: Mapping[str, str]) -> None:
    shown = ((one.pixels, splits[one.what.patient]) for one in images if one.pixels)
    if leaks(shown):
        raise SplitLeak("An image is in more than one split under two patients' names.")


def _strata(images: Sequence[Taken], objects: Sequence[Taken], card: Card) -> dict[str, str]:
    """What the splits are balanced by: a patient's classes, else what is marked on their images."""
    known: dict[str, set[str]] = {one.what.patient: set() for one in images}
    if card.target is not None:
        for one in images:
            label = one.labels.get(card.target.column)
            if label not in card.target.classes:
                raise BadCard(f"The card's target has no class '{label}' of image {one.what.uid}.")
            known[one.what.patient].add(str(label))
    else:
        for one in objects:
            assert isinstance(one.what, Derived)
            names = {str(row["name"]) for row in (*one.what.segments, *one.what.boxes)}
            known.setdefault(one.what.patient, set()).update(names)
    return {patient: "+".join(sorted(labels)) for patient, labels in known.items()}


def _columns(instances: Sequence[Instance], card: Card) -> list[str]:
    target = card.target.column if card.target is not None else None
    columns = sorted({name for one in instances for name in one.labels})
    return sorted(columns, key=lambda name: name != target)


def _table(
    instances: Sequence[Instance], splits: Mapping[str, str], columns: Sequence[str]
) -> list[dict[str, Any]]:
    rows = [
        table_row(one.row, splits[one.patient], {name: one.labels.get(name) for name in columns})
        for one in instances
    ]
    return sorted(rows, key=lambda row: str(row["instance_uid"]))


def _files(tree: Path, taken: Sequence[Taken]) -> dict[str, dict[str, Any]]:
    files: dict[str, dict[str, Any]] = {
        one.path: {"sha256": one.sha256, "bytes": one.bytes, "uid": one.what.uid} for one in taken
    }
    for name in (CARD_NAME, INDEX_NAME, TABLE_NAME):
        path = tree / name
        os.chmod(path, 0o444)
        files[name] = {"sha256": file_hash(path), "bytes": path.stat().st_size}
    return files


def _since(parent: Path | None, files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The version before this one, and how the images and objects differ from its own."""
    if parent is None:
        return {"parent": None, "difference": None}
    now = {str(one["uid"]): str(one["sha256"]) for one in files.values() if "uid" in one}
    difference = compare_files(hashes_by_uid(parent), now)
    root = read_manifest(parent)["root"]
    return {
        "parent": {"version": parent.name, "root": root},
        "difference": difference.as_json(),
    }


def _count_structures(objects: Sequence[Derived]) -> dict[str, dict[str, int]]:
    """By name, how many SEG have such a segment, and how many boxes there are."""
    return {
        "segments": dict(Counter(str(row["name"]) for one in objects for row in one.segments)),
        "boxes": dict(Counter(str(row["name"]) for one in objects for row in one.boxes)),
    }
