"""Begins a page anew: the notebook as it was given out, and the student's own beside it.

The student's notebook becomes `<name>.backup-<time>.ipynb` in the same folder, and a fresh copy of
the published one takes its place. Which one that is says the notebook itself (its metadata name
module, version and language), so that a renamed one can be reset too; else its folder does.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from radlab_session.desk import BACKUP, METADATA, MODULES, VERSION_FILE, plain

MOST_BYTES = 64 * 1024 * 1024
_TRIES = 100


class NotReset(Exception):
    """The page stays as it is; `code` says why: `no_page`, `not_published` or `no_room`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Reset:
    """What became of a page; both are names in its folder."""

    page: str
    backup: str


def reset(path: Path, home: Path, now: datetime, modules: Path = MODULES) -> Reset:
    """Lay the published notebook where `path` is, and keep what was there; NotReset.

    Nothing is changed before the fresh copy is written whole: a full home costs no work.
    """
    if not path.is_file() or not path.resolve().is_relative_to(home.resolve()):
        raise NotReset("no_page")
    source = _published(path, modules)
    if source is None:
        raise NotReset("not_published")
    draft = path.with_name(f".radlab-draft-{os.getpid()}.ipynb")
    try:
        shutil.copyfile(source, draft)
        backup = _keep(path, now)
        # In one step: at no moment is there no page.
        os.replace(draft, path)
    except OSError as error:
        raise NotReset("no_room") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return Reset(path.name, backup.name)


def _keep(path: Path, now: datetime) -> Path:
    """A second name for what is there, which stays when the first one is given to another file."""
    stem = path.name.removesuffix(".ipynb")
    moment = f"{now:%Y%m%d-%H%M%S}"
    for number in range(1, _TRIES):
        again = "" if number == 1 else f"-{number}"
        backup = path.with_name(f"{stem}{BACKUP}{moment}{again}.ipynb")
        try:
            os.link(path, backup)
        except FileExistsError:
            continue
        except PermissionError:
            # Some file systems know no second names.
            shutil.copy2(path, backup)
        return backup
    raise FileExistsError(path)


def _published(path: Path, modules: Path) -> Path | None:
    """The published notebook that `path` came from."""
    for module, version, names in _origins(path):
        if plain(module) and plain(version):
            found = [modules / module / version / name for name in names]
            there = next((one for one in found if one.is_file()), None)
            if there is not None:
                return there
    return None


def _origins(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Where the page may have come from, the surest first: module, version, names."""
    said = _json(path).get("metadata")
    said = said.get("radlab") if isinstance(said, Mapping) else None
    said = said if isinstance(said, Mapping) else {}
    spoken = "lesson.zh.ipynb" if said.get("language") == "zh_CN" else "lesson.ipynb"
    yield str(said.get("module", "")), str(said.get("version", "")), [spoken]
    facts = _json(path.with_name(METADATA))
    with contextlib.suppress(OSError):
        version = path.with_name(VERSION_FILE).read_text().strip()
        yield str(facts.get("id", "")), version, [path.name, "lesson.ipynb"]


def _json(path: Path) -> Mapping[str, Any]:
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            return {}
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
