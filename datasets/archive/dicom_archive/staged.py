"""A version being filled: each file is written once, noted in a journal, and never kept in memory.

`staging/NAME@VERSION/` holds `tree/`, the version as it will be, and `journal`, a record a file. A
command that was killed goes on from its journal where it is started again with the same resume key;
a file that is not as the journal says (the power went) is taken anew.
"""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pydicom

from dicom_archive import derived
from dicom_archive.cards import Card
from dicom_archive.derived import Derived
from dicom_archive.errors import BadImage, UidConflict
from dicom_archive.instance import Instance, sound_labels
from dicom_archive.manifest import Origin
from dicom_archive.objects import Objects, file_hash, files_in
from dicom_archive.version import Earlier, Published, Taken, assemble
from dicom_catalog.annotations import Box, LabelMap

Commit = Callable[[Path, dict[str, Any], Sequence[str]], Published]

_JOURNAL = "journal"
_TREE = "tree"
# What a journal holds changes with the code: one of another release is not gone on from.
_FORMAT = 1


class Staged:
    """A version being filled: `add` each image and object, then `publish`."""

    def __init__(
        self, folder: Path, objects: Objects, earlier: Earlier, commit: Commit, resume: str | None
    ) -> None:
        """Go on in `folder` where its journal is of the key `resume`, else begin in it."""
        self._tree = folder / _TREE
        self._objects = objects
        self._earlier = earlier
        self._commit = commit
        self._taken: list[Taken] = []
        self._keys: set[str] = set()
        self._by_uid: dict[str, Taken] = {}
        self._patient_of: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self._go_on(folder, resume)

    def _go_on(self, folder: Path, resume: str | None) -> None:
        journal = folder / _JOURNAL
        kept = [one for one in _records(journal, resume) if _is_whole(self._tree, one)]
        for one in kept:
            self._note(one)
        paths = {one.path for one in kept}
        for path in list(files_in(self._tree)):
            if str(path.relative_to(self._tree)) not in paths:
                path.unlink()
        self._tree.mkdir(exist_ok=True)
        self._journal = journal.with_suffix(".new").open("wb", buffering=0)
        self._journal.write(pickle.dumps((_FORMAT, resume)))
        for one in kept:
            self._journal.write(pickle.dumps(one))
        os.replace(journal.with_suffix(".new"), journal)

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()

    def __len__(self) -> int:
        return len(self._images)

    @property
    def _images(self) -> list[Taken]:
        return [one for one in self._taken if isinstance(one.what, Instance)]

    def has(self, key: str) -> bool:
        """Whether the source that is called so was taken, also before a command was killed."""
        return key in self._keys

    @property
    def modalities(self) -> set[str]:
        """Modalities of the images so far."""
        return {str(one.what.row["modality"]) for one in self._images}

    @property
    def structures(self) -> set[str]:
        """Names of the segments and boxes so far."""
        marked = [one.what for one in self._taken if isinstance(one.what, Derived)]
        return {str(row["name"]) for one in marked for row in (*one.segments, *one.boxes)}

    def values(self, label: str) -> set[str]:
        """Values that a label takes in the images so far."""
        return {str(one.labels[label]) for one in self._images if label in one.labels}

    def add(self, instance: Instance, key: str = "") -> bool:
        """Write one image, `key` names where it came from; False where it is there already.

        UidConflict where another image has its UID, or its series is another patient's. The bytes
        are not kept in memory.
        """
        instance = replace(instance, labels=sound_labels(instance.labels))
        row = instance.row
        return self._take(instance, row, key, _pixel_hash(instance))

    def add_object(self, written: Derived, key: str = "") -> bool:
        """Write one SEG or SR with what it says in rows of the index; as `add`."""
        return self._take(written, written.row, key, "")

    def annotate(self, label_map: LabelMap | None, boxes: Sequence[Box] = ()) -> None:
        """Write a label map and boxes of images that were added as SEG and SR.

        BadImage where they name an image that was not. Labels of the images go into the SR, too.
        """
        maps = () if label_map is None else (label_map,)
        uids = {uid for one in maps for uid, _ in one.frames} | {box.instance_uid for box in boxes}
        missing = sorted(uids - set(self._by_uid))
        if missing:
            raise BadImage(f"what is marked names the image {missing[0]}, which was not added")
        headers = {uid: self._header(uid) for uid in sorted(uids)}
        labels = {uid: self._by_uid[uid].labels for uid in headers}
        for written in derived.write(maps, boxes, headers, labels):
            self.add_object(written)

    def _header(self, uid: str) -> pydicom.Dataset:
        return pydicom.dcmread(self._tree / self._by_uid[uid].path, stop_before_pixels=True)

    def publish(
        self,
        card: Card,
        origin: Origin,
        published: str,
        seed: int,
        to: Sequence[str] = ("everyone",),
    ) -> Published:
        """Draw splits, write card, index and manifest, and show the version to the groups `to`.

        `published` is the time, ISO 8601 in UTC; without groups it is a draft. Where name and
        version exist with the same root hash no file changes; with another, AlreadyPublished.
        BadCard where the card does not fit the images, SplitLeak as in `draw_splits`.
        """
        manifest = assemble(self._tree, self._taken, card, seed, self._earlier)
        manifest |= {"origin": origin, "published": published}
        return self._commit(self._tree, manifest, to)

    def _take(self, what: Instance | Derived, row: dict[str, Any], key: str, pixels: str) -> bool:
        digest = sha256(what.data).hexdigest()
        known = self._by_uid.get(what.uid)
        if known is not None:
            if known.sha256 != digest:
                raise UidConflict(
                    f"the UID {what.uid} is that of another file with other bytes; one of the two "
                    "is not what it says"
                )
            self._keys.add(key)
            return False
        self._require_one_patient(what, row)
        series = str(row["series_uid"])
        number = self._numbers.get(series, 0) + 1
        parts = (_safe(what.patient), row["study_uid"], series, f"{number:03d}.dcm")
        row["path"], row["sha256"] = "/".join(map(str, parts)), digest
        path = self._tree / row["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        self._objects.place(what.data, digest, path)
        size = len(what.data)
        one = Taken(key, row["path"], digest, size, replace(what, data=b""), pixels)
        self._journal.write(pickle.dumps(one))
        self._note(one)
        return True

    def _require_one_patient(self, what: Instance | Derived, row: dict[str, Any]) -> None:
        for kind in ("study", "series"):
            uid = str(row[f"{kind}_uid"])
            whose = self._patient_of.get(uid, what.patient)
            if whose != what.patient:
                raise UidConflict(
                    f"its {kind} {uid} is that of the patient '{whose}', and it says "
                    f"'{what.patient}'; one patient in two splits would be a leak"
                )

    def _note(self, one: Taken) -> None:
        row = one.row
        self._taken.append(one)
        self._keys.add(one.key)
        self._by_uid[one.what.uid] = one
        self._numbers[str(row["series_uid"])] = int(Path(one.path).stem)
        for kind in ("study_uid", "series_uid"):
            self._patient_of[str(row[kind])] = one.what.patient


def _records(journal: Path, resume: str | None) -> Iterator[Taken]:
    """The records of a journal of that key, up to one that was cut off; none of another key.

    Only this class writes it, into a folder that only its user may write.
    """
    if resume is None or not journal.is_file():
        return
    with journal.open("rb") as file:
        try:
            if pickle.load(file) != (_FORMAT, resume):
                return
            while True:
                yield pickle.load(file)
        except (EOFError, pickle.UnpicklingError, AttributeError, ImportError, TypeError):
            return


def _is_whole(tree: Path, one: Taken) -> bool:
    path = tree / one.path
    return path.is_file() and path.stat().st_size == one.bytes and file_hash(path) == one.sha256


def _pixel_hash(instance: Instance) -> str:
    """A hash that two images share where they show the same; empty where they show nothing.

    An image of one value throughout (an empty slice, a calibration) is nobody's.
    """
    row = instance.row
    begin, length = row["pixel_offset"], row["pixel_length"]
    pixels = memoryview(instance.data)[begin : begin + length]
    step = max(int(row["bits_allocated"]) // 8, 1)
    if pixels[step:] == pixels[: len(pixels) - step]:
        return ""
    shape = f"{row['rows']}x{row['columns']}x{row['samples']}/"
    return sha256(shape.encode() + pixels).hexdigest()


def _safe(patient: str) -> str:
    # A Patient ID is free text of up to 64 characters; a folder's name is not.
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", patient):
        return patient
    return "patient-" + sha256(patient.encode()).hexdigest()[:16]
