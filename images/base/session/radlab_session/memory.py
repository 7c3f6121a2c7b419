"""What the kernel killed for memory in this container, and whose notebook that was.

The control group counts the killed processes, and says how much memory all of them may have. A
kernel whose process is another one soon after the count went up was among them: Jupyter starts it
again by itself, which looks to its student as if the notebook had forgotten everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_EVENTS = ("memory.events", "memory/memory.oom_control")  # version 2, version 1
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
_NO_LIMIT_MB = 2**40
# Jupyter looks every 3 s whether a kernel lives.
SETTLES_SECONDS = 15.0
# A page that is opened later need not hear of it again.
NEWS_SECONDS = 600.0


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

    def __post_init__(self) -> None:
        self._seen = kills(self.root) or 0

    def look(self, restarted: Iterable[str], now: float) -> bool:
        """Look at the count; True where it went up. `restarted` are kernels with a new process."""
        found = kills(self.root) or 0
        risen = found > self._seen
        if risen:
            self._seen = self.count = found
            self.at, self.killed = now, set()
        if self.at is not None and now - self.at < SETTLES_SECONDS:
            self.killed |= set(restarted)
        return risen

    def settled(self, now: float) -> bool:
        """Whether the last event is whole, and still news."""
        return self.at is not None and SETTLES_SECONDS <= now - self.at < NEWS_SECONDS
