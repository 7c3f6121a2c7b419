"""What the kernel killed for memory in this container, and whose notebook that was.

The control group counts the killed processes, and says how much memory all of them may have. A
kernel whose process is another one soon after the count went up was among them: Jupyter starts it
again by itself, which looks to its student as if the notebook had forgotten everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_EVENTS = ("memory.events", "memory/memory.oom_control")  # version 2, version 1
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
_NO_LIMIT_MB = 2**40
# Jupyter looks every 3 s whether a kernel lives.
SETTLES_SECONDS = 15.0


def kills(root: Path = ROOT) -> int | None:
    """How many processes of this container were killed for memory; None where nobody counts."""
    for name in _EVENTS:
        try:
            lines = (root / name).read_text().splitlines()
        except OSError:
            continue
        counts = [line.split() for line in lines]
        return next((int(c[1]) for c in counts if len(c) == 2 and c[0] == "oom_kill"), None)
    return None


def limit_mb(root: Path = ROOT) -> int | None:
    """The memory that this container may have, in MB; None: as much as there is."""
    for name in _LIMITS:
        try:
            text = (root / name).read_text().strip()
        except OSError:
            continue
        limit = int(text) // 2**20 if text.isdigit() else _NO_LIMIT_MB
        return limit if limit < _NO_LIMIT_MB else None
    return None


@dataclass
class Watch:
    """Looks every few seconds; `count` and `killed` (ids of kernels) are of the last event."""

    root: Path = ROOT
    count: int = 0
    at: float | None = None
    killed: set[str] = field(default_factory=set)
    _seen: int = 0
    _pids: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._seen = kills(self.root) or 0

    def look(self, pids: Mapping[str, int], now: float) -> bool:
        """Look at count and kernels; True where a process was killed since the last look."""
        found = kills(self.root) or 0
        risen = found > self._seen
        if risen:
            self._seen = self.count = found
            self.at, self.killed = now, set()
        if self.at is not None and now - self.at < SETTLES_SECONDS:
            self.killed |= {one for one, pid in self._pids.items() if pids.get(one, pid) != pid}
        self._pids = dict(pids)
        return risen

    def settled(self, now: float) -> bool:
        """Whether kernels that died with the last event have been noticed."""
        return self.at is not None and now - self.at >= SETTLES_SECONDS
