"""The keeper's Unix socket: for root and for the group of the system user, for nobody else.

It appears whole: bound under another name, given its owner and mode, and moved into place, over
what an earlier keeper left. It lies in `run/`, which is root's, in a state folder where others may
not move what is root's (`machine.state`).
"""

from __future__ import annotations

import os
import pwd
import socket

from hub_config.containers.door import SOCKET, reachable_path
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
