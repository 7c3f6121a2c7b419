"""How much a cache may take where this process runs: the container's memory, the disk's free room.

A file on a disk costs a container no memory: its pages are taken back when something else needs
them. A file on tmpfs (`/tmp` and `/dev/shm` of a session) is memory, and counts against the
container's limit until it is deleted. So the two are told apart, and each gets its own bound.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

FOLDER_VARIABLE = "RADLAB_CACHE"
_GROUP_FILES = (
    Path("/sys/fs/cgroup/memory.max"),  # version 2 of control groups
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # version 1
)
_UNLIMITED = 1 << 60  # version 1 writes a number near 2**63 where there is no limit
_IN_MEMORY = ("tmpfs", "ramfs")
_SHARE_OF_MEMORY = 4  # a cache on tmpfs takes at most this part of the container's memory
_KEPT_FREE = 256 << 20  # of a disk, so that notebooks can still be saved
_SHARE_KEPT_FREE = 20  # and this part of it


@dataclass(frozen=True)
class Place:
    """A folder for caches, and how many bytes the caches in it may take together."""

    folder: Path
    room: int
    in_memory: bool


def memory_limit() -> int:
    """Bytes of memory that this container may use, else those of the machine."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [machine]
    for path in _GROUP_FILES:
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < _UNLIMITED:
            limits.append(int(text))
    return min(limits)


def is_in_memory(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Whether files in `folder` are held in memory, on tmpfs."""
    place = folder.resolve()
    kinds: dict[Path, str] = {}
    for line in mounts.read_text().splitlines():
        _, point, kind, *_ = line.split(" ")
        kinds[Path(point.replace("\\040", " "))] = kind  # the last mount hides those before it
    nearest = next((path for path in (place, *place.parents) if path in kinds), None)
    return nearest is not None and kinds[nearest] in _IN_MEMORY


def free_for_caches(folder: Path) -> int:
    """Bytes that a disk has to spare, beside what is kept free for the student's own files."""
    disk = os.statvfs(folder)
    size, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    return max(0, free - max(min(_KEPT_FREE, size // 2), size // _SHARE_KEPT_FREE))


def taken_in(folder: Path) -> int:
    """Bytes of the disk that all files below `folder` take.

    What another process deletes or renames meanwhile takes none.
    """
    taken = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                taken += os.stat(os.path.join(place, name)).st_blocks * 512
    return taken


def place_for(folder: Path) -> Place | None:
    """`folder` as a place for caches, made where it is absent; None where it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            return None
        room = taken_in(folder) + free_for_caches(folder)
    except OSError:
        return None
    in_memory = is_in_memory(folder)
    if in_memory:
        room = min(room, memory_limit() // _SHARE_OF_MEMORY)
    return Place(folder, room, in_memory)


def find_place(wanted: str | os.PathLike[str] | None = None) -> Place | None:
    """Where caches go: `wanted`, else RADLAB_CACHE, else the home's disk, else /tmp.

    A folder without room is passed over; None where there is none at all.
    """
    named = wanted or os.environ.get(FOLDER_VARIABLE)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dicom_catalog"
    folders = [Path(named)] if named else [home, Path("/tmp/dicom_catalog")]
    places = (place_for(folder) for folder in folders)
    return next((place for place in places if place is not None and place.room > 0), None)
