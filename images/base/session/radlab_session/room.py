"""How much room a home has, asked the one way that quotas cannot deceive: by writing."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

# What Jupyter writes before a notebook opens (settings, history, a signature) fits in this.
NEEDED_BYTES = 256 * 1024


def is_full(home: Path) -> bool:
    """True where `home` takes no file of 256 KiB: full, over quota, or not writable."""
    probe = home / f".radlab-room-{os.getpid()}"
    try:
        probe.write_bytes(b"\0" * NEEDED_BYTES)
    except OSError:
        return True
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
    return False


def free_bytes(home: Path) -> int | None:
    """Bytes that the file system of `home` still has for this user; None where it cannot tell."""
    try:
        found = os.statvfs(home)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
