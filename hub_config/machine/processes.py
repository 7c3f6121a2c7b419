"""Processes: one by its number and the moment it began (a number alone is given away again),
and programs that run to their end with nobody to answer them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict


class Identity(TypedDict):
    """Which process, beyond doubt."""

    pid: int
    began: int


def identity(pid: int) -> Identity:
    """The identity of a process that runs now."""
    return {"pid": pid, "began": _began(pid) or 0}


def lives(process: Identity) -> bool:
    """Whether that very process still runs (one that nobody waited for does not count)."""
    return _began(process["pid"]) == process["began"]


def end(process: Identity, grace: float) -> None:
    """SIGTERM, and SIGKILL after `grace` seconds; returns when it is gone."""
    if not lives(process):
        return
    os.kill(process["pid"], signal.SIGTERM)
    if not wait_gone(process, grace):
        os.kill(process["pid"], signal.SIGKILL)
        wait_gone(process, 5)


def wait_gone(process: Identity, seconds: float) -> bool:
    """Wait until it is gone; False where it still runs after `seconds`."""
    deadline = time.monotonic() + seconds
    while lives(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _began(pid: int) -> int | None:
    """Clock ticks after boot at which it began; None where it is gone or a zombie."""
    try:
        # proc(5): the name, in parentheses, may hold anything; fields are counted after it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def run_unattended(
    command: Sequence[str], environment: Mapping[str, str], cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program that finds nothing to read; what it and its errors say is in `stdout`."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
