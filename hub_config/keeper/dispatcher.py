"""The queue's motor: lets as many places start at once as the host sustains.

A start counts from its lease to its JupyterLab's answer. One that takes unusually long does not
count any more: it waits for something, and others must not wait for it. Unusual is what takes much
longer than starts take here: where all are slow, all count, and they do not pile up.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from hub_config import clock
from hub_config.errors import RadLabError
from hub_config.gpus.rules import Lease
from hub_config.queueing.rules import under_way

DISPATCH_SECONDS = 1.0
_REMEMBERED = 20
log = logging.getLogger("radlab.keeper")


class Starting(Protocol):
    """A place that was given its lease (`queueing.model.Place` is one)."""

    @property
    def id(self) -> str:
        """The place's id."""

    @property
    def lease_id(self) -> str | None:
        """Its lease."""


class Line(Protocol):
    """The queue, as far as it is moved here (`queueing.store.QueueStore` is one)."""

    @property
    def starts_at_once(self) -> int:
        """How many servers start at the same time at most."""

    def open(self) -> Sequence[object]:
        """Every place that waits or starts."""

    def dispatch(
        self, now: datetime, starts_free: int, *, seconds_a_start: float | None
    ) -> Sequence[Starting]:
        """Give leases to the places whose turn it is, `starts_free` at most; those places."""


class Leases(Protocol):
    """The ledger, as far as it is read here."""

    def active(self) -> list[Lease]:
        """Every lease that is not released."""


class Pace:
    """How long a start takes here, by the last ones."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=_REMEMBERED)

    def took(self, seconds: float) -> None:
        """One more start has ended well, after `seconds`."""
        self._last.append(seconds)

    @property
    def seconds(self) -> float | None:
        """The mean of the last starts; None before the first."""
        last = list(self._last)
        return sum(last) / len(last) if last else None


class Dispatcher:
    """Gives places their leases; `round` is made when `wake` is set, and each second."""

    def __init__(
        self,
        line: Line,
        leases: Leases,
        pace: Pace,
        requirements: Sequence[Callable[[], None]] = (),
    ) -> None:
        """`requirements` raise a refusal while no container may start."""
        self.line = line
        self.leases = leases
        self.pace = pace
        self.requirements = requirements
        self.wake = threading.Event()

    def round(self) -> None:
        """Look at the queue once; raises why nothing can start, after it was looked at."""
        now = clock.now()
        if not self.line.open():
            return
        hindered = self._hindered()
        pace = self.pace.seconds
        most, active = self.line.starts_at_once, self.leases.active()
        free = 0 if hindered else starts_free(most, active, now, seconds_a_start=pace)
        for place in self.line.dispatch(now, free, seconds_a_start=pace):
            log.info("place %s starts under lease %s", place.id, place.lease_id)
        if hindered:
            raise hindered

    def _hindered(self) -> RadLabError | None:
        for requirement in self.requirements:
            try:
                requirement()
            except RadLabError as error:
                return error
        return None


def starts_free(
    most: int, active: Iterable[Lease], now: datetime, *, seconds_a_start: float | None = None
) -> int:
    """How many more servers may start now, beside those that do, where `most` start at once.

    `seconds_a_start` is what starts take here; None: not known yet.
    """
    return max(0, most - len(under_way(active, now, seconds_a_start or 0)))
