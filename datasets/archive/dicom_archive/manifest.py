"""The manifest of a version: a SHA-256 and a size for each file, and one root hash for all.

The root hash covers paths and hashes of the images, the card, and the table of labels and splits
in a canonical form. It does not cover the bytes of the index, in whose header SQLite writes its own
release number: the same data has the same root hash on two machines.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from dicom_archive.errors import Damaged
from dicom_catalog.index import INDEX_NAME

MANIFEST_NAME = "manifest.json"
Origin = dict[str, Any]
Progress = Callable[[int, int], object]


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces: one text for one value."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def root_hash(files: Mapping[str, str], table: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 over `files` (path: hash, the index left out) and the rows of the table."""
    total = hashlib.sha256()
    for path in sorted(files):
        if path != INDEX_NAME:
            total.update(f"{files[path]}  {path}\n".encode())
    for row in table:
        total.update(canonical(row) + b"\n")
    return total.hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def find_damage(folder: Path, progress: Progress | None = None) -> list[str]:
    """A sentence for each file of `folder` that is missing, changed or not in its manifest."""
    files = read_manifest(folder)["files"]
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
    strange = sorted(here - set(files) - {MANIFEST_NAME})
    return damage + [f"{name} was not published with this version" for name in strange]
