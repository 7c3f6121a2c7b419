"""One at a time for each lease: a start, a stop and the round that settles what was left behind.

A stop does not wait for a start to succeed: the start looks, between two things that it asks of
the engine, whether it is to end.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hub_config.containers.refusals import StartStopped


@dataclass
class _Door:
    lock: threading.Lock = field(default_factory=threading.Lock)
    here: int = 0
    stops: int = 0


class Held:
    """A lease that this thread alone handles now."""

    def __init__(self, door: _Door) -> None:
        self._door = door

    def check(self) -> None:
        """StartStopped where somebody waits to stop the lease's container."""
        if self._door.stops:
            raise StartStopped(
                "The server was stopped while it was starting.", do="Start it again."
            )


class LeaseLocks:
    """Who handles which lease now."""

    def __init__(self) -> None:
        self._doors: dict[str, _Door] = {}
        self._guard = threading.Lock()

    @contextmanager
    def start(self, lease_id: str) -> Iterator[Held]:
        """Handle the lease once nobody else does."""
        with self._at(lease_id) as door, door.lock:
            yield Held(door)

    @contextmanager
    def stop(self, lease_id: str) -> Iterator[Held]:
        """Handle the lease as soon as a start that does has noticed, and ended."""
        with self._at(lease_id) as door:
            with self._guard:
                door.stops += 1
            try:
                door.lock.acquire()
            finally:
                with self._guard:
                    door.stops -= 1
            try:
                yield Held(door)
            finally:
                door.lock.release()

    @contextmanager
    def settle(self, lease_id: str) -> Iterator[bool]:
        """Handle the lease where nobody else does now; False where somebody does."""
        with self._at(lease_id) as door:
            alone = door.lock.acquire(blocking=False)
            try:
                yield alone
            finally:
                if alone:
                    door.lock.release()

    def handled(self) -> frozenset[str]:
        """The leases that somebody handles or waits for."""
        with self._guard:
            return frozenset(self._doors)

    @contextmanager
    def _at(self, lease_id: str) -> Iterator[_Door]:
        with self._guard:
            door = self._doors.setdefault(lease_id, _Door())
            door.here += 1
        try:
            yield door
        finally:
            with self._guard:
                door.here -= 1
                if not door.here:
                    del self._doors[lease_id]
