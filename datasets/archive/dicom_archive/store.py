"""Publishing: an immutable version appears whole or not at all.

Files are written to a staging folder on the same disk, fsynced, and the folder is renamed to
`<name>/<version>` in one step; then nothing of it can be written any more (files 0444, folders
0555). One process at a time publishes a dataset; what a killed one left is removed by the next.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from dicom_archive.cards import Card, checked_name, checked_version
from dicom_archive.errors import (
    AlreadyPublished,
    BadCard,
    NotPublished,
    PublishingElsewhere,
    in_sentences,
    no_room,
)
from dicom_archive.instance import Instance
from dicom_archive.manifest import MANIFEST_NAME, Origin, canonical, read_manifest, root_hash
from dicom_archive.splits import draw_splits, leaks
from dicom_catalog import Catalog
from dicom_catalog.catalog import CARD_NAME
from dicom_catalog.errors import CatalogError
from dicom_catalog.index import IMAGE_COLUMNS, INDEX_NAME, SCHEMA_VERSION


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


class Store:
    """The folder of published datasets and, on the same disk, the folder of those being made."""

    def __init__(self, visible: Path, staging: Path) -> None:
        self.visible = visible
        self.staging = staging

    def check_room(self, megabytes: float) -> None:
        """NoRoom where the disk has less than that left, before any work is done."""
        with in_sentences(self.staging):
            self.staging.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.staging).free < megabytes * 1e6:
            raise no_room(self.staging)

    def folder(self, name: str, version: str) -> Path:
        """Where this version lies, or would lie."""
        return self.visible / checked_name(name) / checked_version(version)

    def versions(self, name: str) -> list[str]:
        """Published versions, the oldest first; NotPublished where there is no such dataset."""
        try:
            return Catalog(self.visible).versions(name)
        except CatalogError as error:
            raise NotPublished(str(error)) from error

    def find(self, name: str) -> Path:
        """The folder of `name` or `name@version`; NotPublished names the nearest."""
        plain, _, version = name.partition("@")
        known = self.versions(plain)
        if version and version not in known:
            raise NotPublished(f"{plain} has no version {version}. There is: {', '.join(known)}.")
        return self.visible / plain / (version or known[-1])

    def published(self, name: str, version: str) -> Published | None:
        """What is there under this name and version, or None."""
        folder = self.folder(name, version)
        if not (folder / MANIFEST_NAME).is_file():
            return None
        found = read_manifest(folder)
        return Published(
            name, version, folder, found["images"], found["patients"], found["root"], False
        )

    @contextmanager
    def staged(self, name: str, version: str) -> Iterator[Staged]:
        """An empty version to fill; removed on every way out but `Staged.publish`."""
        final = self.folder(name, version)
        with in_sentences(self.staging):
            self.staging.mkdir(parents=True, exist_ok=True)
            if not self.visible.is_dir():
                self.visible.mkdir(parents=True)
                os.chmod(self.visible, 0o755)  # students read it, whatever the umask
            with _only_one(self.staging, name):
                for left in self.staging.glob(f"{name}@*"):
                    _remove(left)
                folder = self.staging / f"{name}@{version}"
                folder.mkdir()
                try:
                    yield Staged(folder, final)
                finally:
                    _remove(folder)


class Staged:
    """A version being filled: `add` each image, then `publish`."""

    def __init__(self, folder: Path, final: Path) -> None:
        self._folder = folder
        self._final = final
        self._instances: list[Instance] = []
        self._files: dict[str, dict[str, Any]] = {}
        self._series: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._instances)

    @property
    def modalities(self) -> set[str]:
        """Modalities of the images so far."""
        return {str(one.row["modality"]) for one in self._instances}

    def values(self, label: str) -> set[str]:
        """Values that a label takes in the images so far."""
        return {str(one.labels[label]) for one in self._instances if label in one.labels}

    def add(self, instance: Instance) -> None:
        """Write one image; its bytes are not kept in memory."""
        row = instance.row
        number = self._series.get(row["series_uid"], 0) + 1
        self._series[row["series_uid"]] = number
        parts = (_safe(row["patient_id"]), row["study_uid"], row["series_uid"], f"{number:03d}.dcm")
        row["path"] = "/".join(map(str, parts))
        self._write(row["path"], instance.data)
        self._instances.append(Instance(b"", row, instance.labels))

    def publish(self, card: Card, origin: Origin, published: str, seed: int) -> Published:
        """Draw splits, write card, index and manifest, and make the version visible.

        `published` is the time, ISO 8601 in UTC. Where name and version exist with the same root
        hash nothing changes; with another one, AlreadyPublished.
        """
        rows = self._rows(card, seed)
        columns = sorted({name for one in self._instances for name in one.labels})
        columns.sort(key=lambda name: card.target is None or name != card.target.column)
        self._write(CARD_NAME, canonical(card.model_dump()) + b"\n")
        self._write_index(rows, columns)
        hashes = {path: known["sha256"] for path, known in self._files.items()}
        root = root_hash(hashes, rows)
        there = self._there(root)
        if there is not None:
            return there
        patients = len({row["patient_id"] for row in rows})
        manifest = {
            "dataset": card.name,
            "version": card.version,
            "root": root,
            "images": len(rows),
            "patients": patients,
            "split_seed": seed,
            "published": published,
            "origin": origin,
            "files": self._files,
        }
        self._write(MANIFEST_NAME, json.dumps(manifest, indent=1, sort_keys=True).encode())
        self._make_visible()
        return Published(card.name, card.version, self._final, len(rows), patients, root, True)

    def _rows(self, card: Card, seed: int) -> list[dict[str, Any]]:
        target = card.target
        if target is None:
            raise BadCard("A card without a target is not published yet.")
        strata: dict[str, set[str]] = {}
        for one in self._instances:
            label = one.labels.get(target.column)
            if label not in target.classes:
                raise BadCard(f"The card's target has no class '{label}' of image {one.uid}.")
            strata.setdefault(one.patient, set()).add(str(label))
        texts = {patient: "+".join(sorted(labels)) for patient, labels in strata.items()}
        splits = draw_splits(texts, seed)
        rows = [
            {**one.row, "split": splits[one.patient], "labels": one.labels}
            for one in sorted(self._instances, key=lambda one: str(one.row["path"]))
        ]
        leaking = leaks([(row["patient_id"], row["split"]) for row in rows])
        if leaking:
            raise BadCard(f"Patients in more than one split: {', '.join(leaking)}.")
        return rows

    def _write_index(self, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
        path = self._folder / INDEX_NAME
        fields = ", ".join(f'"{name}" {kind}' for name, kind in IMAGE_COLUMNS.items())
        marks = ", ".join("?" * len(IMAGE_COLUMNS))
        named = "".join(f', "{name}"' for name in columns)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute(f"CREATE TABLE images ({fields})")
            connection.execute(f"CREATE TABLE labels (instance_uid TEXT PRIMARY KEY{named})")
            connection.executemany(
                f"INSERT INTO images VALUES ({marks})",
                [[row[name] for name in IMAGE_COLUMNS] for row in rows],
            )
            connection.executemany(
                f"INSERT INTO labels VALUES ({', '.join('?' * (len(columns) + 1))})",
                [
                    [row["instance_uid"], *(row["labels"].get(name) for name in columns)]
                    for row in rows
                ],
            )
        self._note(INDEX_NAME, path.read_bytes())
        _sync(path)

    def _write(self, name: str, data: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if name != MANIFEST_NAME:
            self._note(name, data)

    def _note(self, name: str, data: bytes) -> None:
        self._files[name] = {"sha256": sha256(data).hexdigest(), "bytes": len(data)}

    def _there(self, root: str) -> Published | None:
        name, version = self._final.parent.name, self._final.name
        if not self._final.exists():
            return None
        found = read_manifest(self._final)
        if found["root"] != root:
            raise AlreadyPublished(
                f"{name}@{version} is published already, with other images or labels, and a "
                "version never changes. Publish under the next version: --version "
                f"{_next(version)}."
            )
        return Published(
            name, version, self._final, found["images"], found["patients"], root, False
        )

    def _make_visible(self) -> None:
        for folder, _, files in os.walk(self._folder, topdown=False):
            for file in files:
                os.chmod(Path(folder, file), 0o444)
            _sync(Path(folder))
            if Path(folder) != self._folder:
                os.chmod(folder, 0o555)
        parent = self._final.parent
        parent.mkdir(exist_ok=True)
        os.chmod(parent, 0o755)
        os.rename(self._folder, self._final)
        # Only now: a folder that may not be written may not be moved either.
        os.chmod(self._final, 0o555)
        _sync(parent)


def _safe(patient: str) -> str:
    # A Patient ID is free text of up to 64 characters; a folder's name is not.
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", patient):
        return patient
    return "patient-" + sha256(patient.encode()).hexdigest()[:16]


def _next(version: str) -> str:
    first, second, _ = version.split(".")
    return f"{first}.{int(second) + 1}.0"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    for inner, _, _ in os.walk(folder):
        os.chmod(inner, 0o755)
    shutil.rmtree(folder)


@contextmanager
def _only_one(staging: Path, name: str) -> Iterator[None]:
    handle = os.open(staging / f".{name}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PublishingElsewhere(
                f"Another command is publishing {name} now. Wait until it has ended."
            ) from None
        yield
    finally:
        os.close(handle)
