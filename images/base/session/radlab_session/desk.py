"""Lays a course module on the student's desk: a copy of it in the home, the student's own.

A module version lies read-only under `/modules/<id>/<version>/`. Its copy is `~/<id>/`; where that
exists already with another version, or is a folder of the student's own, the copy is
`~/<id>-<version>/`. A copy is made once and never written again, so no work is lost. Where the
home takes no copy (it is full), the read-only module itself is opened.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

MODULES = Path("/modules")
VERSION_FILE = ".radlab-version"


@dataclass(frozen=True)
class Desk:
    """The folder to open, its first notebook, and what the student should be told."""

    folder: Path | None
    notebook: Path | None
    notice: str | None = None


def lay(module: str, version: str, language: str, home: Path, modules: Path = MODULES) -> Desk:
    """The desk for `module` at `version`; `notice` is `module_missing` or `module_read_only`."""
    if not module:
        return Desk(None, None)
    source = modules / module / version
    plain = all(re.fullmatch(r"[\w.+-]+", part) and part.strip(".") for part in (module, version))
    if not plain or not source.is_dir():
        return Desk(None, None, "module_missing")
    try:
        folder = _own_copy(source, module, version, home)
    except OSError:
        return Desk(source, _notebook(source, language), "module_read_only")
    return Desk(folder, _notebook(folder, language))


def _own_copy(source: Path, module: str, version: str, home: Path) -> Path:
    for target in (home / module, home / f"{module}-{version}"):
        if not target.exists():
            _copy(source, target, version)
            return target
        if _version(target) == version:
            return target
    return home / f"{module}-{version}"


def _version(folder: Path) -> str | None:
    try:
        return (folder / VERSION_FILE).read_text().strip()
    except OSError:
        return None


def _copy(source: Path, target: Path, version: str) -> None:
    # Under another name first: a copy that a full disk cut short must not look like a whole one.
    draft = target.with_name(f".radlab-draft-{os.getpid()}")
    # A container's PIDs repeat: a start that was killed may have left a draft of this very name.
    shutil.rmtree(draft, ignore_errors=True)
    try:
        shutil.copytree(source, draft, symlinks=True)
        _make_writable(draft)
        (draft / VERSION_FILE).write_text(f"{version}\n")
        draft.rename(target)
    except OSError:  # shutil.Error, which copytree raises, is one
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _make_writable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o700 if path.is_dir() else 0o600))


def _notebook(folder: Path, language: str) -> Path | None:
    """The first notebook in that language (`lesson.zh.ipynb`), else the first of all."""
    found = sorted(folder.glob("*.ipynb"))
    spoken = [path for path in found if path.name.endswith(f".{language[:2]}.ipynb")]
    return next(iter(spoken or found), None)
