"""A hard limit on a home, where its file system can set one: project quotas of ext4 and XFS.

Every file of a home bears the home's project, whose id is the inode of its folder, and the file
system refuses what would exceed the project's limit. Elsewhere homes are only measured. It is a
wall against accidents: who owns a file may give it another project (Linux, fs/ioctl.c), so the
measure of `homes_use` stays what counts.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import stat
import struct
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
_KINDS = {"ext4", "xfs"}
_OPTIONS = {"prjquota", "pquota"}

# linux/fs.h: struct fsxattr, its two calls, and "new files inherit the project".
_ATTRIBUTES = struct.Struct("IIIII8x")
_GET_ATTRIBUTES = 0x801C581F
_SET_ATTRIBUTES = 0x401C5820
_INHERIT = 0x200
# linux/quota.h: struct if_dqblk (blocks of 1024 bytes), QCMD(Q_SETQUOTA, PRJQUOTA), QIF_BLIMITS.
_QUOTA = struct.Struct("QQQQQQQQI4x")
_SET_QUOTA = (0x800008 << 8 | 2) - 2**32
_BLOCK_LIMITS = 1
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


def quota_device(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """The device of the file system that `folder` lies on, where it has project quotas."""
    best: tuple[int, str | None] = (-1, None)
    for line in mounts.read_text(errors="surrogateescape").splitlines():
        device, place, kind, options = line.split(" ")[:4]
        place = place.encode("latin-1", "surrogateescape").decode("unicode_escape")
        if folder.is_relative_to(place) and len(place) >= best[0]:
            able = kind in _KINDS and not _OPTIONS.isdisjoint(options.split(","))
            best = (len(place), device if able else None)
    return best[1]


def limit_home(folder: Path, limit_mb: int | None, device: str) -> None:
    """Let the files of `folder` take `limit_mb` at most; None: as much as there is. OSError."""
    project = project_id(folder)
    _set_quota(device, project, (limit_mb or 0) * 1024)
    give_project(folder, project)


def project_id(folder: Path) -> int:
    """The project of a home: one that no other folder of its file system has."""
    return folder.lstat().st_ino % (2**31 - 1) + 1


def give_project(folder: Path, project: int) -> None:
    """Let all that is in `folder`, and all that comes into it, bear `project`."""
    with _opened(os.fspath(folder)) as top:
        if project_of(top) != project:
            _mark_all(folder, project)
            # Last: a walk that was cut short is begun again.
            _mark(top, project)


def project_of(descriptor: int) -> int:
    """The project of an open file or folder."""
    return _attributes(descriptor)[3]


def _set_quota(device: str, project: int, kilobytes: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    wanted = _QUOTA.pack(kilobytes, 0, 0, 0, 0, 0, 0, 0, _BLOCK_LIMITS)
    if libc.quotactl(_SET_QUOTA, os.fsencode(device), ctypes.c_int(project), wanted):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), device)


def _mark_all(folder: Path, project: int) -> None:
    for _, folders, files, descriptor in os.fwalk(folder, follow_symlinks=False):
        for name in (*folders, *files):
            # What was removed meanwhile, or is a link or a socket, holds nothing.
            with contextlib.suppress(OSError), _opened(name, descriptor) as found:
                _mark(found, project)


def _mark(descriptor: int, project: int) -> None:
    kind = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        return
    flags, *rest = _attributes(descriptor)
    flags |= _INHERIT if stat.S_ISDIR(kind) else 0
    wanted = _ATTRIBUTES.pack(flags, rest[0], rest[1], project, rest[3])
    fcntl.ioctl(descriptor, _SET_ATTRIBUTES, wanted)


def _attributes(descriptor: int) -> tuple[int, ...]:
    answer = fcntl.ioctl(descriptor, _GET_ATTRIBUTES, bytes(_ATTRIBUTES.size))
    return _ATTRIBUTES.unpack(answer)


class _opened:
    """A file or folder, never through a link and never waiting for the other end of a pipe."""

    def __init__(self, name: str, within: int | None = None) -> None:
        self._descriptor = os.open(name, _OPEN, dir_fd=within)

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
