"""The keeper's socket: where it lies, and who may use it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hub_config.settings import Settings

SOCKET = ("run", "keeper.sock")
_LONGEST_ADDRESS = 107  # unix(7): sun_path, with its closing zero


def reachable_path(socket: Path, folder: int) -> str:
    """The address of a socket in the open `folder`; a long path by way of the open folder."""
    path = str(socket)
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        return path
    return f"/proc/self/fd/{folder}/{socket.name}"


def problems(settings: Settings) -> list[str]:
    """What is wrong with who may use it or put another there, as half sentences."""
    path = settings.path(*SOCKET)
    try:
        found = path.lstat()
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    wrong = []
    if not stat.S_ISSOCK(found.st_mode):
        wrong.append(f"{path} is no socket")
    if found.st_mode & stat.S_IRWXO:
        wrong.append(f"everybody may use {path}")
    for one in (path, path.parent, Path(settings.state).resolve()):
        if one.lstat().st_uid != 0:
            wrong.append(f"{one} does not belong to root")
    return wrong
