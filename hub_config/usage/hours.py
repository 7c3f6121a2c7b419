"""GPU-hours of a week: how many were used, and when a limit on them will be used up.

A week begins on Monday 00:00 UTC. A GPU counts from the moment its container started, of an active
lease up to now. A limit binds everybody of a group together, or one person.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from hub_config.gpus.model import Ended, Lease
from hub_config.usage.model import Kind, Limits

_WEEK = timedelta(days=7)


class Session(Protocol):
    """A session, as far as its hours go (`gpus.model.Lease` is one)."""

    @property
    def gpu_count(self) -> int:
        """How many GPUs it holds."""

    @property
    def started_at(self) -> datetime | None:
        """When its container started."""

    @property
    def released_at(self) -> datetime | None:
        """When it was over."""


def week_start(now: datetime) -> datetime:
    """Monday 00:00 UTC of the week of `now`."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())


def gpu_hours(leases: Iterable[Session], since: datetime, now: datetime) -> float:
    """The GPU-hours of `leases` between `since` and `now`; of active ones those up to now."""
    return sum(lease.gpu_count * hours_of(lease, since, now) for lease in leases)


def hours_of(lease: Session, since: datetime, now: datetime) -> float:
    """The hours that the container of `lease` ran between `since` and `now`."""
    if lease.started_at is None:
        return 0.0
    begin = max(lease.started_at, since)
    end = min(lease.released_at or now, now)
    return max(0.0, (end - begin).total_seconds() / 3600)


def those_of(leases: Iterable[Lease], kind: Kind, names: Collection[str]) -> list[Lease]:
    """The leases that count for these people or groups."""
    if kind is Kind.PERSON:
        return [lease for lease in leases if lease.username in names]
    return [lease for lease in leases if lease.group in names]


def hours_end(leases: Sequence[Lease], limit: float | None, now: datetime) -> datetime | None:
    """When the weekly GPU-hours `limit` will be used up, as `leases` run on; None: not by then.

    `leases` are those of one person or one group since the week began; each active one counts
    until it ends, and every Monday counting begins anew. `now` where they are used up already,
    though nothing runs. An early end that was because of these hours does not count as one: this
    says when it is to be, so the answer must not hang on it.
    """
    if limit is None:
        return None
    left = limit - gpu_hours(leases, week_start(now), now)
    running = [lease for lease in leases if lease.active and lease.gpu_count and lease.started_at]
    moment = now
    while True:
        if left <= 0:
            return moment
        running = [lease for lease in running if _end(lease) > moment]
        if not running:
            return None
        monday = week_start(moment) + _WEEK
        step_end = min(monday, *map(_end, running))
        rate = sum(lease.gpu_count for lease in running)
        used = rate * (step_end - moment).total_seconds() / 3600
        if used >= left and step_end > moment + timedelta(hours=left / rate):
            return moment + timedelta(hours=left / rate)
        left = limit if step_end == monday else left - used
        moment = step_end


def _end(lease: Lease) -> datetime:
    return lease.ends_at if lease.stop_why is Ended.HOURS_USED else lease.until


def hours_ends(
    leases: Sequence[Lease], limits: Mapping[tuple[Kind, str], Limits], now: datetime
) -> dict[str, datetime]:
    """When weekly hours will be used up, by lease: of active ones with a GPU, where at all.

    `leases` are all since the week began, `limits` all that are set.
    """
    ends: dict[str, datetime] = {}
    for (kind, name), its in limits.items():
        own = those_of(leases, kind, [name])
        end = hours_end(own, its.gpu_hours_week, now)
        if end is not None:
            running = (lease for lease in own if lease.active and lease.gpu_count)
            ends |= {lease.id: min(end, ends.get(lease.id, end)) for lease in running}
    return ends
