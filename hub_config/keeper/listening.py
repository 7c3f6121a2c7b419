"""The keeper's Unix socket: for root and for the group of the system user, for nobody else.

It appears whole: bound under another name, given its owner and mode, and moved into place, over
what an earlier keeper left. It lies in `run/`, which is root's, in a state folder where others may
not move what is root's (`machine.state`).
"""

from __future__ import annotations

import grp
import os
import pwd
import socket
from pathlib import Path

from hub_config.containers.client import SOCKET, reachable_path
from hub_config.settings import Settings

_BACKLOG = 512


def listen(settings: Settings) -> socket.socket:
    """A listening socket at `run/keeper.sock`."""
    path = settings.path(*SOCKET)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _bind(listening, reachable_path(draft, folder))
        os.chown(draft, -1, _group(settings))
        os.chmod(draft, 0o660)
        listening.listen(_BACKLOG)
        draft.replace(path)
    finally:
        os.close(folder)
    return listening


def _bind(listening: socket.socket, address: str) -> None:
    before = os.umask(0o177)  # nobody connects before it has its owner
    try:
        listening.bind(address)
    finally:
        os.umask(before)


def _group(settings: Settings) -> int:
    """The group of the system user; root's own where there is no such user."""
    try:
        return pwd.getpwnam(settings.system_user).pw_gid
    except KeyError:
        return os.getegid()


def problems(settings: Settings) -> list[str]:
    """What is wrong with who may use the socket, as half sentences; empty where nothing is."""
    path = settings.path(*SOCKET)
    try:
        found = path.lstat()
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    wrong = []
    if found.st_uid != 0 or Path(path.parent).stat().st_uid != 0:
        wrong.append(f"{path} does not belong to root")
    if found.st_mode & 0o007:
        wrong.append(f"everybody may use {path}")
    return wrong


def group_name(number: int) -> str:
    """The name of a group, or its number where it has none."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
