"""The manifest of a version: what it is, a row a file, and one root hash for all.

The root hash covers paths and hashes of the images and derived objects, the card, and the table of
labels and splits in a canonical form. It does not cover the bytes of the index, in whose header
SQLite writes its own release number, nor what the version was made with: the same data, after the
same earlier versions, has the same root hash on two machines.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dicom_archive.errors import Damaged
from dicom_archive.objects import file_hash
from dicom_catalog.layout import INDEX_NAME

MANIFEST_NAME = "manifest.json"
TABLE_NAME = "series.csv"
FORMAT = 2
Origin = dict[str, Any]
Progress = Callable[[int, int], object]

# Written from the index, which is written from the table: what the root hash covers already.
_DERIVED_NAMES = (INDEX_NAME, TABLE_NAME)
# A label with more values than this is a measure or a name, and a count of each says nothing.
_MOST_VALUES = 50
_TOOLS = ("pydicom", "numpy", "highdicom", "pylibjpeg", "SimpleITK")


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces: one text for one value."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def root_hash(files: Mapping[str, str], table: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 over `files` (path: hash, the index left out) and the rows of the table."""
    total = hashlib.sha256()
    for path in sorted(files):
        if path not in _DERIVED_NAMES:
            total.update(f"{files[path]}  {path}\n".encode())
    for row in table:
        total.update(canonical(row) + b"\n")
    return total.hexdigest()


def read_table(folder: Path) -> list[dict[str, Any]]:
    """Image, split and labels of the version in `folder`, by UID, as its root hash covers them.

    Damaged where the index cannot be read.
    """
    address = f"file:{quote(str(folder / INDEX_NAME))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            labels = {row["instance_uid"]: dict(row) for row in _select(connection, "labels")}
            images = [dict(row) for row in _select(connection, "images")]
    except sqlite3.Error as error:
        raise Damaged(
            f"{folder / INDEX_NAME} cannot be read ({error}). Bring it back from a backup of the "
            "state folder, or withdraw the version."
        ) from error
    rows = []
    for image in images:
        known = labels.get(image["instance_uid"], {})
        known.pop("instance_uid", None)
        rows.append({**{key: image[key] for key in _TABLE_KEYS}, "labels": known})
    return sorted(rows, key=lambda row: str(row["instance_uid"]))


_TABLE_KEYS = ("path", "instance_uid", "patient_id", "split")


def table_row(image: Mapping[str, Any], split: str, labels: Mapping[str, Any]) -> dict[str, Any]:
    """One row of the table that the root hash covers; `labels` has a value for each column."""
    return {
        **{key: image[key] for key in _TABLE_KEYS if key != "split"},
        "split": split,
        "labels": labels,
    }


def _select(connection: sqlite3.Connection, table: str) -> sqlite3.Cursor:
    return connection.execute(f"SELECT * FROM {table} ORDER BY rowid")


def count_labels(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """How many images bear each value of each label that has few; `rows` as in `read_table`."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        for name, value in row["labels"].items():
            counts.setdefault(name, Counter())["" if value is None else str(value)] += 1
    return {name: dict(one) for name, one in counts.items() if len(one) <= _MOST_VALUES}


def count_splits(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Images and patients in each split."""
    images = Counter(str(row["split"]) for row in rows)
    patients = Counter(split for _, split in {(r["patient_id"], str(r["split"])) for r in rows})
    return {"images": dict(images), "patients": dict(patients)}


def made_with() -> dict[str, str]:
    """The releases of what writes a version, for whoever looks for a difference later."""
    from dicom_archive import __version__  # this module is imported by the package itself

    found = {"python": platform.python_version(), "dicom_archive": __version__}
    for name in _TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of the version in `folder`; Damaged where it cannot be read."""
    path = folder / MANIFEST_NAME
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found["files"], found["root"]
        return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(
            f"{path} is no manifest ({error}). Remove {folder} and publish that version again."
        ) from error


def find_damage(
    folder: Path, progress: Progress | None = None, besides: Sequence[str] = ()
) -> list[str]:
    """A sentence for each file of `folder` that is missing, changed or not in its manifest.

    Where all files are whole, the root hash is made again from them. `besides` may lie there, too.
    """
    manifest = read_manifest(folder)
    files = manifest["files"]
    damage = []
    for done, (name, known) in enumerate(sorted(files.items()), start=1):
        path = folder / name
        if not path.is_file():
            damage.append(f"{name} is missing")
        elif path.stat().st_size != known["bytes"]:
            damage.append(f"{name} has {path.stat().st_size} bytes instead of {known['bytes']}")
        elif file_hash(path) != known["sha256"]:
            damage.append(f"{name} has other bytes than were published")
        if progress is not None:
            progress(done, len(files))
    here = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    strange = sorted(here - set(files) - {MANIFEST_NAME, *besides})
    damage += [f"{name} was not published with this version" for name in strange]
    # The first manifests had another table under their root hash.
    if not damage and manifest.get("format") == FORMAT:
        hashes = {name: known["sha256"] for name, known in files.items()}
        if root_hash(hashes, read_table(folder)) != manifest["root"]:
            damage.append(f"{MANIFEST_NAME} has another root hash than its files and labels")
    return damage
