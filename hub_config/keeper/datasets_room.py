"""A group's folder of dataset versions holds what everyone sees, before its container mounts it.

The archive links a version for everyone into every group's folder and one for a group into that
group's own; what it could not know is a group that came later. Its folder is made here, at the
start of a session, of hard links under the archive's own lock: a version that is published while
the session runs then appears in it without a restart, also one for this group alone.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger("radlab.keeper")

_WITHDRAWN = "withdrawn.json"


def complete(everyone: Path, room: Path) -> None:
    """Link into `room`, a folder beside `everyone`, each version there that it lacks.

    A start does not fail for want of it: what cannot be linked is logged, and missing.
    """
    if room == everyone or not everyone.is_dir():
        return
    try:
        if not room.is_dir() or _lacking(everyone, room):
            with _locked(everyone.parent):
                _make_open(room)
                for version in _lacking(everyone, room):
                    _show(version, everyone, room)
    except OSError as error:
        log.warning("The dataset folder %s could not be completed: %s", room, error)


def _lacking(everyone: Path, room: Path) -> list[Path]:
    """Versions that everyone sees and `room` does not, or not as withdrawn."""
    return [
        version
        for version in sorted(everyone.glob("[!.]*/[!.]*"))
        if not (there := room / version.relative_to(everyone)).is_dir()
        or ((version / _WITHDRAWN).exists() and not (there / _WITHDRAWN).exists())
    ]


def _show(version: Path, everyone: Path, room: Path) -> None:
    final = room / version.relative_to(everyone)
    if final.is_dir():
        os.link(version / _WITHDRAWN, final / _WITHDRAWN)
        return
    _make_open(final.parent)
    draft = room.parent / f".new-{room.name}-{final.parent.name}@{final.name}"
    shutil.copytree(version, draft, copy_function=os.link)  # modes of folders come with it
    os.chmod(draft, 0o755)  # a folder that may not be written may not be renamed
    os.rename(draft, final)
    os.chmod(final, 0o555)


def _make_open(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir()
        os.chmod(folder, 0o755)  # students read it, whatever the umask


@contextmanager
def _locked(visible: Path) -> Iterator[None]:
    flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(visible / ".lock", flags, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for left in visible.glob(".new-*"):  # of a process that was killed
            shutil.rmtree(left)
        yield
    finally:
        os.close(handle)
