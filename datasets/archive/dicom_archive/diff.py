"""What changed between two versions: files by their UID, labels, splits, and the card.

A path says in which order files were added; who a file is says its UID, so a difference is by UID.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dicom_archive.errors import Damaged
from dicom_archive.manifest import read_manifest, read_table
from dicom_catalog.catalog import CARD_NAME
from dicom_catalog.layout import INDEX_NAME


@dataclass(frozen=True)
class FileDifference:
    """UIDs of the files that one version has and the other not, and of those with other bytes."""

    added: list[str]
    removed: list[str]
    changed: list[str]
    same: int

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Difference:
    """All that differs between an older and a newer version.

    `labels` and `card` give (what, older value, newer value); `splits` patients who are in both and
    changed their split, which no version published here lets happen.
    """

    files: FileDifference
    patients_added: list[str]
    patients_removed: list[str]
    labels: list[tuple[str, str, Any, Any]]
    splits: list[tuple[str, str, str]]
    card: list[tuple[str, Any, Any]]

    @property
    def empty(self) -> bool:
        """Whether the two say and hold the same, but for the version's number."""
        files = self.files
        return not (
            *files.added,
            *files.removed,
            *files.changed,
            *self.labels,
            *self.splits,
            *self.card,
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)


def compare_files(old: Mapping[str, str], new: Mapping[str, str]) -> FileDifference:
    """The difference of two sets of files, given as UID: SHA-256."""
    both = old.keys() & new.keys()
    changed = sorted(uid for uid in both if old[uid] != new[uid])
    return FileDifference(
        added=sorted(new.keys() - old.keys()),
        removed=sorted(old.keys() - new.keys()),
        changed=changed,
        same=len(both) - len(changed),
    )


def hashes_by_uid(folder: Path) -> dict[str, str]:
    """UID: SHA-256 of each image and object of the version in `folder`; Damaged."""
    files = read_manifest(folder)["files"]
    named = {str(one["uid"]): str(one["sha256"]) for one in files.values() if "uid" in one}
    if named:
        return named
    # The first manifests did not name UIDs; their index does.
    return {
        str(row["instance_uid"]): str(files[row["path"]]["sha256"]) for row in read_table(folder)
    }


def splits_of(folder: Path) -> dict[str, str]:
    """The split of each patient of the version in `folder`; Damaged."""
    address = f"file:{quote(str(folder / INDEX_NAME))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            found = connection.execute("SELECT DISTINCT patient_id, split FROM images").fetchall()
            return dict(found)
    except sqlite3.Error as error:
        raise Damaged(
            f"{folder / INDEX_NAME} cannot be read ({error}), and only it knows which patient was "
            "in which split. Bring it back from a backup of the state folder."
        ) from error


def compare(older: Path, newer: Path) -> Difference:
    """What changed from the version in `older` to that in `newer`; Damaged."""
    before, after = splits_of(older), splits_of(newer)
    return Difference(
        files=compare_files(hashes_by_uid(older), hashes_by_uid(newer)),
        patients_added=sorted(after.keys() - before.keys()),
        patients_removed=sorted(before.keys() - after.keys()),
        labels=_labels(older, newer),
        splits=[
            (who, before[who], after[who])
            for who in sorted(before.keys() & after.keys())
            if before[who] != after[who]
        ],
        card=_fields(_card(older), _card(newer)),
    )


def _labels(older: Path, newer: Path) -> list[tuple[str, str, Any, Any]]:
    before = {str(row["instance_uid"]): row["labels"] for row in read_table(older)}
    changed = []
    for row in read_table(newer):
        uid = str(row["instance_uid"])
        if uid in before:
            fields = _fields(before[uid], row["labels"])
            changed += [(uid, name, old, new) for name, old, new in fields]
    return changed


def _fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    return [
        (name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _card(folder: Path) -> dict[str, Any]:
    path = folder / CARD_NAME
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Damaged(f"{path} is no card ({error}).") from error
    card.pop("version", None)
    return card
