"""Sessions that end early, and their rules: nobody uses them, or their GPU hours are used up.

A session is idle from its last real use on (`sampling` says what that is). After `idle_minutes`
it is told when it will end, `idle_grace_minutes` later; real use, or a click on "keep it running",
takes that back. What nobody looked at lately is not known to be idle: while samples are missing,
nothing is told. The GPU hours of a week that run out end a session when they do, and never
earlier than its student can be warned; more hours, or Monday, take that back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from hub_config import clock
from hub_config.gpus.model import Ended, Lease
from hub_config.settings import Settings
from hub_config.usage.model import LeaseUsage

CULL_SECONDS = 30
# Twelve rounds of samples: shorter would call a hung engine an idle class.
SEEN_LATELY = timedelta(minutes=2)
# Not worth taking a word back for.
_A_LITTLE = timedelta(minutes=1)


class Leases(Protocol):
    """The ledger, as far as it is needed here."""

    def active(self) -> list[Lease]:
        """Every lease that is not released."""

    def stop_early(self, lease_id: str, at: datetime, why: Ended) -> Lease:
        """End it at that time, or earlier where it was told to."""

    def let_run(self, lease_id: str, why: Ended) -> Lease:
        """Take an early end for that reason back."""


class Uses(Protocol):
    """The records of use, as far as they are read here."""

    def of(self, lease_ids: Collection[str]) -> Mapping[str, LeaseUsage]:
        """What is known of those leases."""


@dataclass(frozen=True)
class Stop:
    """End that lease at that time."""

    lease_id: str
    at: datetime
    why: Ended


@dataclass(frozen=True)
class Run:
    """Let that lease run on, as far as that reason goes."""

    lease_id: str
    why: Ended


def last_use(lease: Lease, usage: LeaseUsage | None) -> datetime:
    """When it was used last; its start is use."""
    begun = lease.ready_at or lease.started_at or lease.granted_at
    busy = usage.busy_at if usage else None
    return max(begun, busy) if busy else begun


def judge_idle(
    lease: Lease, usage: LeaseUsage | None, now: datetime, after: timedelta, grace: timedelta
) -> Stop | Run | None:
    """What real use, or none of it, means for that lease; `after` 0: idle sessions are kept."""
    told = lease.stop_why is Ended.IDLE
    idle = bool(after) and now - last_use(lease, usage) >= after
    if told:
        return None if idle else Run(lease.id, Ended.IDLE)
    if not idle or lease.ready_at is None or not _seen_lately(usage, now):
        return None
    at = now + grace
    return Stop(lease.id, at, Ended.IDLE) if at < lease.until else None


def judge_hours(
    lease: Lease, runs_out: datetime | None, now: datetime, warning: timedelta
) -> Stop | Run | None:
    """What it means for that lease that its GPU hours run out then (None: not in its time).

    It is told `warning` before, not earlier: until then others may end, and the hours last longer.
    """
    if lease.stop_why is Ended.HOURS_USED and lease.stop_at is not None:
        last_longer = runs_out is None or runs_out > min(lease.ends_at, lease.stop_at + _A_LITTLE)
        return Run(lease.id, Ended.HOURS_USED) if last_longer else None
    if runs_out is None or runs_out >= lease.ends_at or runs_out > now + warning:
        return None
    at = max(runs_out, now + warning)
    return Stop(lease.id, at, Ended.HOURS_USED) if at < lease.until else None


class Culler:
    """Makes the round; `runs_out` says, by lease, when the GPU hours of its week run out."""

    def __init__(
        self,
        settings: Settings,
        leases: Leases,
        uses: Uses,
        runs_out: Callable[[datetime], Mapping[str, datetime]],
    ) -> None:
        self._settings = settings
        self._leases = leases
        self._uses = uses
        self._runs_out = runs_out

    def round(self) -> None:
        """Tell idle sessions, and those without GPU hours, when they end; and take it back."""
        leases = self._leases.active()
        used = self._uses.of([lease.id for lease in leases])
        now = clock.now()
        runs_out = self._runs_out(now)
        for lease in leases:
            for found in self._judge(lease, used.get(lease.id), runs_out.get(lease.id), now):
                self._do(found)

    def _judge(
        self, lease: Lease, usage: LeaseUsage | None, runs_out: datetime | None, now: datetime
    ) -> Iterable[Stop | Run]:
        settings = self._settings
        after = timedelta(minutes=settings.idle_minutes)
        grace = timedelta(minutes=settings.idle_grace_minutes)
        warning = timedelta(minutes=settings.warn_minutes)
        found = (
            judge_idle(lease, usage, now, after, grace),
            judge_hours(lease, runs_out, now, warning),
        )
        return [each for each in found if each is not None]

    def _do(self, found: Stop | Run) -> None:
        if isinstance(found, Stop):
            self._leases.stop_early(found.lease_id, found.at, found.why)
        else:
            self._leases.let_run(found.lease_id, found.why)


def _seen_lately(usage: LeaseUsage | None, now: datetime) -> bool:
    return usage is not None and (
        usage.sampled_at is not None and now - usage.sampled_at < SEEN_LATELY
    )
