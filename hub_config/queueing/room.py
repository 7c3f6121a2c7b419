"""What groups and persons hold, may hold, and have left of the hours of their week; pure.

A limit on what is held at once makes a place wait, and nobody behind it: who is over their own
limit takes nothing from others. Hours count as used when they are promised: a running session is
counted to its limit, so that no two sessions together can outlast what is left. What falls into the
next week is the next week's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hub_config.gpus.model import Lease, LeaseRequest
from hub_config.gpus.rules import MOST_MINUTES
from hub_config.usage import rules as usage
from hub_config.usage.model import Bounds, Held, Kind, Limits, Short

WEEK = timedelta(days=7)
# A session that is cut shorter than this by the hours of the week is not worth its start.
LEAST_MINUTES = 5
_NOTHING, _NO_LIMITS = Held(), Limits()

Whom = tuple[Kind, str]


@dataclass
class Room:
    """What is held and what is left; `take` counts what a plan hands out.

    `limits` of those who have any; `used_hours` are their GPU hours of this week up to `now`.
    """

    now: datetime
    limits: Mapping[Whom, Limits] = field(default_factory=dict)
    used_hours: Mapping[Whom, float] = field(default_factory=dict)
    held: dict[Whom, Held] = field(default_factory=dict)

    @property
    def week_ends(self) -> datetime:
        """When the hours of the week begin anew."""
        return usage.week_start(self.now) + WEEK

    def count(self, leases: Iterable[Lease]) -> None:
        """Count what `leases` hold, each to its end."""
        for lease in leases:
            self._add(lease.group, lease, lease.until)

    def take(self, group: str | None, request: LeaseRequest, minutes: int) -> None:
        """Count a session of `request` that begins now and lasts `minutes`."""
        self._add(group, request, self.now + timedelta(minutes=minutes))

    def lack(self, group: str | None, request: LeaseRequest) -> Short | None:
        """The first limit that leaves no room for `request` in `group` now; None: there is room."""
        for (kind, name), limits in self._binding(group, request.username):
            held = self._held((kind, name))
            short = usage.room(request, limits, held, kind=kind, name=name)
            if short is not None:
                return short
            hours = limits.gpu_hours_week
            left = self._left((kind, name), request.gpu_count)
            if hours is not None and left < LEAST_MINUTES:
                used = held.gpu_hours_week
                what = "gpu_hours_week"
                return Short(kind=kind, name=name, what=what, limit=hours, used=used, wanted=0)
        return None

    def minutes(self, group: str | None, request: LeaseRequest) -> int:
        """The minutes that a session of `request` gets: what it asks, or what limits leave."""
        allowed = self._allowed(request.minutes, group, request.username)
        left = self.minutes_left(group, request.username, request.gpu_count)
        return max(1, int(min(allowed, left)))

    def longest(self, lease: Lease) -> int:
        """How long `lease` may become, all its minutes."""
        return self._allowed(MOST_MINUTES, lease.group, lease.username)

    def minutes_left(self, group: str | None, username: str, gpu_count: int) -> float:
        """How long a session with `gpu_count` GPUs may be by the hours of the week."""
        lefts = (self._left(whom, gpu_count) for whom, _ in self._binding(group, username))
        return min(lefts, default=float("inf"))

    def _allowed(self, minutes: int, group: str | None, username: str) -> int:
        groups = {} if group is None else {group: self.limits.get((Kind.GROUP, group), _NO_LIMITS)}
        own = self.limits.get((Kind.PERSON, username), _NO_LIMITS)
        return usage.minutes_allowed(minutes, Bounds(person=own, groups=groups), group)

    def _left(self, whom: Whom, gpu_count: int) -> float:
        hours = self.limits[whom].gpu_hours_week
        if hours is None or not gpu_count:
            return float("inf")
        left = max(0.0, hours - self._held(whom).gpu_hours_week) * 60 / gpu_count
        this_week = (self.week_ends - self.now).total_seconds() / 60
        return left if left < this_week else this_week + hours * 60 / gpu_count

    def _held(self, whom: Whom) -> Held:
        """What `whom` holds; its hours are those used and those promised, of this week."""
        held = self.held.get(whom, _NOTHING)
        return replace(held, gpu_hours_week=held.gpu_hours_week + self.used_hours.get(whom, 0.0))

    def _binding(self, group: str | None, username: str) -> Iterator[tuple[Whom, Limits]]:
        return ((w, self.limits[w]) for w in _whose(group, username) if w in self.limits)

    def _add(self, group: str | None, what: LeaseRequest | Lease, until: datetime) -> None:
        hours = max(0.0, (min(until, self.week_ends) - self.now).total_seconds() / 3600)
        for whom, _ in self._binding(group, what.username):
            held = self.held.get(whom, _NOTHING)
            self.held[whom] = Held(
                gpus=held.gpus + what.gpu_count,
                cpus=held.cpus + what.cpus,
                memory_mb=held.memory_mb + what.memory_mb,
                servers=held.servers + 1,
                gpu_hours_week=held.gpu_hours_week + hours * what.gpu_count,
            )


def _whose(group: str | None, username: str) -> tuple[Whom, ...]:
    """Whose limits a session of `username` in `group` counts for: the person's, the group's."""
    person = (Kind.PERSON, username)
    return (person, (Kind.GROUP, group)) if group is not None else (person,)
