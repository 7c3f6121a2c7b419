"""What groups and persons hold, may hold, and have left of the hours of their week; pure.

A limit on what is held at once makes a place wait, and nobody behind it of another group: who is
over their own limit takes nothing from others. Those behind it whom the same limit binds would
take what it waits for, piece by piece and for ever: a place that wants two GPUs would starve while
places that want one keep coming. So the first place in line whom a limit binds is promised room
(`claim`): from the moment that it is expected to start, what it wants is its own. Somebody behind
it gets room that it does not need then, or room that they have left by then (`kept`). One promise
for each limit is enough: who was first is served, and then the next is first.

Hours count as used when they are promised: a running session is
counted to its limit, so that no two sessions together can outlast what is left. What falls into the
next week is the next week's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hub_config.gpus.model import Lease, LeaseRequest
from hub_config.gpus.rules import MOST_MINUTES
from hub_config.usage import rules as usage
from hub_config.usage.model import Bounds, Held, Kind, Limits, Short

WEEK = timedelta(days=7)
# Minutes run from the start of the container, and a container needs a moment to stop: whoever fills
# a gap has to be gone, not only over.
SLACK = timedelta(minutes=2)
# A session that is cut shorter than this by the hours of the week is not worth its start.
LEAST_MINUTES = 5
_NOTHING, _NO_LIMITS = Held(), Limits()

Whom = tuple[Kind, str]
Wanted = LeaseRequest | Lease


@dataclass
class _Claim:
    """What a limit leaves others, from `at` on, beside the server `whose` it is promised to."""

    whose: tuple[str, str]
    at: datetime
    spare: Held


@dataclass
class Room:
    """What is held and what is left; `take` counts what a plan hands out.

    `limits` of those who have any; `used_hours` are their GPU hours of this week up to `now`.
    """

    now: datetime
    limits: Mapping[Whom, Limits] = field(default_factory=dict)
    used_hours: Mapping[Whom, float] = field(default_factory=dict)
    held: dict[Whom, Held] = field(default_factory=dict)
    _ends: dict[Whom, list[tuple[datetime, Wanted]]] = field(default_factory=dict, init=False)
    _claims: dict[Whom, _Claim] = field(default_factory=dict, init=False)

    @property
    def week_ends(self) -> datetime:
        """When the hours of the week begin anew."""
        return usage.week_start(self.now) + WEEK

    def count(self, leases: Iterable[Lease], end: Callable[[Lease], datetime]) -> None:
        """Count what `leases` hold: their hours to the limit, the rest until `end` says."""
        for lease in leases:
            self._add(lease.group, lease, lease.until, end(lease))

    def take(
        self, group: str | None, request: LeaseRequest, minutes: int, likely_end: datetime
    ) -> None:
        """Count a session of `request` that begins now and lasts `minutes` at most."""
        until = self.now + timedelta(minutes=minutes)
        for whom, _ in self._binding(group, request.username):
            claim = self._claims.get(whom)
            if claim is not None and claim.whose == _server(request):
                del self._claims[whom]
            elif claim is not None and until + SLACK > claim.at:
                claim.spare = _plus(claim.spare, request, -1)
        self._add(group, request, until, likely_end)

    def kept(self, group: str | None, request: LeaseRequest) -> Short | None:
        """The first limit whose room is promised to a place before; None: none is in the way."""
        until = self.now + timedelta(minutes=self.minutes(group, request)) + SLACK
        for (kind, name), limits in self._binding(group, request.username):
            claim = self._claims.get((kind, name))
            if claim is None or claim.whose == _server(request) or until <= claim.at:
                continue
            taken = {what: limit - getattr(claim.spare, what) for what, limit in _at_once(limits)}
            short = usage.room(request, limits, Held(**taken), kind=kind, name=name)
            if short is not None:
                return short
        return None

    def opening(self, group: str | None, request: LeaseRequest) -> datetime | None:
        """When what runs leaves room for `request`, for all that is known; None: not this week."""
        moment = self.now
        for whom, limits in self._binding(group, request.username):
            if self._left(whom, request.gpu_count) < LEAST_MINUTES:
                return None
            held, ends = self._held(whom), sorted(self._ends.get(whom, ()), key=_when)
            while usage.room(request, limits, held, kind=whom[0], name=whom[1]) is not None:
                if not ends:
                    return None
                end, what = ends.pop(0)
                moment, held = max(moment, end), _plus(held, what, -1)
        return moment

    def claim(self, group: str | None, request: LeaseRequest, at: datetime) -> None:
        """Promise room for `request` from `at` on, where no place before has such a promise."""
        for whom, limits in self._binding(group, request.username):
            if whom in self._claims:
                continue
            spare = _plus(Held(**dict(_at_once(limits))), request, -1)
            for end, what in self._ends.get(whom, ()):
                spare = _plus(spare, what, -1) if end > at else spare
            self._claims[whom] = _Claim(_server(request), at, spare)

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

    def _add(self, group: str | None, what: Wanted, until: datetime, likely_end: datetime) -> None:
        hours = max(0.0, (min(until, self.week_ends) - self.now).total_seconds() / 3600)
        for whom, _ in self._binding(group, what.username):
            held = _plus(self.held.get(whom, _NOTHING), what, 1)
            promised = held.gpu_hours_week + hours * what.gpu_count
            self.held[whom] = replace(held, gpu_hours_week=promised)
            self._ends.setdefault(whom, []).append((likely_end, what))


def _plus(held: Held, what: Wanted, sign: int) -> Held:
    """`held` with one session of `what` more (or less), but for its hours."""
    return replace(
        held,
        gpus=held.gpus + sign * what.gpu_count,
        cpus=held.cpus + sign * what.cpus,
        memory_mb=held.memory_mb + sign * what.memory_mb,
        servers=held.servers + sign,
    )


def _at_once(limits: Limits) -> Iterator[tuple[str, Any]]:
    """The limits on what is held at once, where there are any."""
    for what in ("gpus", "cpus", "memory_mb", "servers"):
        limit = getattr(limits, what)
        if limit is not None:
            yield what, limit


def _when(end: tuple[datetime, Wanted]) -> datetime:
    return end[0]


def _server(request: LeaseRequest) -> tuple[str, str]:
    return (request.username, request.server_name)


def _whose(group: str | None, username: str) -> tuple[Whom, ...]:
    """Whose limits a session of `username` in `group` counts for: the person's, the group's."""
    person = (Kind.PERSON, username)
    return (person, (Kind.GROUP, group)) if group is not None else (person,)
