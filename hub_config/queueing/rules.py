"""The order of the queue, who starts now, and what everybody who waits is told; pure.

**Order.** Higher priority first, then `rank_at`: the moment of entering, and for who wants a GPU
ten minutes more for each GPU hour that they had in that group in the last seven days, an hour at
most. So those who had little go before those who had much, and yet waiting is bounded: whoever
enters an hour after you is behind you. The rank is fixed on entering and kept in the database: the
order is the same after any restart, and no two ranks are equal. A clock that steps back gives
nobody an earlier rank: a new place enters after the newest open one, whatever the clock says.

**Who starts.** `plan.py` walks the places in this order. What would serve somebody before you by
the time that they are promised is not given to you, unless your limit ends before that time.
Starts themselves are rationed (`starts_free`), strictly in order among those who could start.
Loans, and when they are called back: `loans.py`. Limits: `room.py`.

**What is told.** The plan's own moments, put through the rationing: a server is there some seconds
after its start, and as many start at once as the site lets.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hub_config.gpus.model import Ended, Lease
from hub_config.gpus.rules import Offer
from hub_config.queueing.history import History, Past, learnt
from hub_config.queueing.loans import Calls, Recall, calls
from hub_config.queueing.model import (
    Choice,
    Extension,
    NoExtension,
    Outlook,
    Place,
    Reason,
    State,
)
from hub_config.queueing.plan import Planner, Scene, Turn
from hub_config.queueing.room import Room
from hub_config.usage.model import Kind, Short
from hub_config.usage.rules import those_of

# This module is the door to the slice's rules; callers need no other.
__all__ = [
    "ATTEMPTS",
    "Decision",
    "History",
    "Past",
    "Recall",
    "Room",
    "Scene",
    "Start",
    "decide",
    "entry",
    "extension",
    "handicap",
    "in_order",
    "learnt",
    "rank",
    "under_way",
]

# How often a start may fail before its place does.
ATTEMPTS = 3
HANDICAP_PER_HOUR = timedelta(minutes=10)
MOST_HANDICAP = timedelta(minutes=60)
HANDICAP_LOOKS_BACK = timedelta(days=7)
# A start that takes longer, and much longer than starts take here, waits for something; others do
# not wait for it.
LONG_START = timedelta(seconds=30)
_MUCH_LONGER = 3
_TICK = timedelta(microseconds=1)
_MB_PER_GB = 1024


@dataclass(frozen=True)
class Start:
    """A place that gets its lease now."""

    place: Place
    offer: Offer
    minutes: int


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to be done now, and what each open place is told, by its id and in order."""

    starts: tuple[Start, ...]
    recalls: tuple[Recall, ...]
    pardons: tuple[str, ...]
    outlooks: Mapping[str, Outlook] = field(default_factory=dict)


def in_order(places: Iterable[Place]) -> list[Place]:
    """`places`, first in line first."""
    return sorted(places, key=lambda place: (-place.priority, place.rank_at, place.id))


def handicap(gpu_hours: float) -> timedelta:
    """By how much later somebody ranks who had `gpu_hours` lately."""
    return min(HANDICAP_PER_HOUR * max(0.0, gpu_hours), MOST_HANDICAP)


def entry(now: datetime, open_places: Sequence[Place]) -> datetime:
    """The moment of entering: `now`, or just after the newest open place where that is later."""
    newest = max((place.entered_at for place in open_places), default=None)
    return now if newest is None or now > newest else newest + _TICK


def rank(entered_at: datetime, gpu_hours: float, open_places: Sequence[Place]) -> datetime:
    """The rank of somebody who enters then and had `gpu_hours` lately; nobody else has it."""
    wanted, taken = entered_at + handicap(gpu_hours), {place.rank_at for place in open_places}
    while wanted in taken:
        wanted += _TICK
    return wanted


def under_way(leases: Iterable[Lease], now: datetime, start_seconds: float) -> list[Lease]:
    """The leases whose servers are starting, and count as such where starts take that long."""
    long = max(LONG_START, _MUCH_LONGER * timedelta(seconds=start_seconds))
    return [lease for lease in leases if lease.ready_at is None and now - lease.granted_at < long]


def extension(lease: Lease, scene: Scene, step: int) -> Extension:
    """By how much `lease` may be extended: `step` minutes, or what limits leave of them.

    Not where somebody waits who could use its GPU, nor where it was told to end before its time
    for another reason than that it was idle.
    """
    if lease.until_why not in (Ended.TIME_UP, Ended.IDLE):
        return Extension(0, NoExtension.EARLY)
    planner = Planner(scene)
    waiting = [turn for turn in planner.run() if not (turn.now or turn.lack)]
    if any(_wants(planner, turn, set(lease.device_uuids)) for turn in waiting):
        return Extension(0, NoExtension.WAITED_FOR)
    left = planner.room.longest(lease) - lease.minutes - lease.extended_minutes
    if left < 1:
        return Extension(0, NoExtension.LONGEST)
    hours = planner.room.minutes_left(lease.group, lease.username, lease.gpu_count)
    if hours < 1:
        return Extension(0, NoExtension.HOURS)
    return Extension(int(min(step, left, hours)))


def _wants(planner: Planner, turn: Turn, held: set[str]) -> bool:
    """True where the place waits for one of the devices `held`: its own group's, or the pool's."""
    offers = planner.offers(turn.place.request)
    return any(row.uuid in held for o in offers if o.lender is None for row in o.devices)


def decide(
    scene: Scene,
    starts_free: int,
    *,
    notice: timedelta,
    offered: Mapping[str, Sequence[Choice]] | None = None,
    paused: bool = False,
) -> Decision:
    """What happens now in `scene`, and what each open place is told.

    `starts_free` servers may begin to start now. `offered` are, by place, other things that its
    owner could start; those that could start at once become its alternatives.
    """
    planner = Planner(scene)
    turns = planner.run()
    ready = [turn for turn in turns if turn.now][: max(0, starts_free)]
    blocked = [
        (turn, planner.offers(turn.place.request))
        for turn in turns
        if not (turn.now or turn.held or turn.lack) and turn.place.request.gpu_count
    ]
    taken = [row.uuid for turn in turns if turn.now and turn.offer for row in turn.offer.devices]
    called = calls(blocked, scene.leases, scene.now, notice, taken)
    telling = _Telling(scene, planner, called, starts_free, offered or {}, paused)
    return Decision(
        starts=tuple(Start(t.place, t.offer, t.minutes) for t in ready if t.offer),
        recalls=called.recalls,
        pardons=called.pardons,
        outlooks=telling.outlooks(turns),
    )


class _Telling:
    """What places are told of a plan."""

    def __init__(
        self,
        scene: Scene,
        planner: Planner,
        called: Calls,
        starts_free: int,
        offered: Mapping[str, Sequence[Choice]],
        paused: bool,
    ) -> None:
        self.scene, self.planner, self.called = scene, planner, called
        self.starts_free, self.offered, self.paused = starts_free, offered, paused
        self.seconds = timedelta(seconds=scene.history.start_seconds)
        self.under_way = under_way(scene.leases, scene.now, scene.history.start_seconds)

    def outlooks(self, turns: Sequence[Turn]) -> dict[str, Outlook]:
        """What each open place is told, by id, in order."""
        expected = self._expected(turns)
        told = {turn.place.id: turn for turn in turns}
        answer: dict[str, Outlook] = {}
        for place in self.scene.places:
            if place.state is State.STARTING:
                answer[place.id] = self._starting(place, len(turns))
        for position, turn in enumerate(told.values(), 1):
            reason, values = self._why(turn)
            answer[turn.place.id] = Outlook(
                position=position,
                waiting=len(turns),
                expected_at=expected.get(turn.place.id),
                reason=Reason.PAUSED if self.paused else reason,
                reason_values={} if self.paused else values,
                alternatives=() if self.paused else self._alternatives(turn),
            )
        return answer

    def _expected(self, turns: Sequence[Turn]) -> dict[str, datetime]:
        """When each server answers, as many starting at once as may, in order."""
        now = self.scene.now
        slots = [now] * max(0, self.starts_free)
        slots += [max(now, lease.granted_at + self.seconds) for lease in self.under_way]
        slots = slots or [now + self.seconds]
        heapq.heapify(slots)
        moments = [(self._from(turn), order, turn) for order, turn in enumerate(turns)]
        answer = {}
        for at, _, turn in sorted((m for m in moments if m[0] is not None), key=lambda m: m[:2]):
            ready = max(at, heapq.heappop(slots)) + self.seconds
            heapq.heappush(slots, ready)
            answer[turn.place.id] = ready
        return answer

    def _from(self, turn: Turn) -> Any:
        """From when on nothing but the rationing holds the place back; None: unknown."""
        served = (self.called.served or {}).get(turn.place.id)
        known = [moment for moment in (turn.at, served) if moment is not None]
        if turn.lack is not None:
            return turn.room_at or self._room_at(turn.lack)
        return min(known, default=None)

    def _starting(self, place: Place, waiting: int) -> Outlook:
        lease = next((one for one in self.scene.leases if one.id == place.lease_id), None)
        begun = lease.granted_at if lease else self.scene.now
        return Outlook(
            position=0,
            waiting=waiting,
            expected_at=max(begun + self.seconds, self.scene.now),
            reason=Reason.STARTING,
            reason_values={},
        )

    def _why(self, turn: Turn) -> tuple[Reason, dict[str, Any]]:
        if turn.held:
            return Reason.ENDING, {}
        if turn.behind and turn.place.request.gpu_count:
            return Reason.BEHIND, self._cards(turn)
        if turn.lack is not None:
            return self._lacking(turn.lack)
        if turn.now:
            return Reason.STARTS, {"used": len(self.under_way)}
        served = (self.called.served or {}).get(turn.place.id)
        if served is not None:
            return Reason.RECALLING, {"group": self._group(turn), "next_free_at": served}
        return self._busy(turn)

    def _busy(self, turn: Turn) -> tuple[Reason, dict[str, Any]]:
        values = self._cards(turn)
        behind = values["total"] - values["used"] >= turn.place.request.gpu_count
        return (Reason.BEHIND if behind else Reason.BUSY), values

    def _cards(self, turn: Turn) -> dict[str, Any]:
        """The cards that would serve the place, and when the next of them is free."""
        offers = self.planner.offers(turn.place.request)
        mine = [offer for offer in offers if offer.lender is None] or offers
        rows = {row.uuid: row for offer in mine for row in offer.devices}.values()
        ends = [self.scene.history.end(row.lease, self.scene.now) for row in rows if row.lease]
        return {
            "group": self._group(turn),
            "total": len(rows),
            "used": len(ends),
            "next_free_at": min(ends, default=None),
        }

    def _lacking(self, lack: Short) -> tuple[Reason, dict[str, Any]]:
        scale = _MB_PER_GB if lack.what == "memory_mb" else 1
        values = {
            "what": lack.what,
            "used": lack.used / scale,
            "limit": lack.limit / scale,
            "next_free_at": self._room_at(lack),
        }
        if lack.kind is Kind.PERSON:
            return Reason.QUOTA_PERSON, values
        return Reason.QUOTA_GROUP, {**values, "group": lack.name}

    def _room_at(self, lack: Short) -> datetime | None:
        """When a session of whom the limit binds ends, or the week does."""
        ends = [
            self.scene.history.end(lease, self.scene.now)
            for lease in those_of(self.scene.leases, lack.kind, [lack.name])
        ]
        if lack.what == "gpu_hours_week":
            ends.append(self.scene.room.week_ends)
        return min(ends, default=None)

    def _group(self, turn: Turn) -> str | None:
        if turn.offer is not None:
            return turn.offer.group
        return next(iter(turn.place.request.groups), None)

    def _alternatives(self, turn: Turn) -> tuple[Mapping[str, Any], ...]:
        if turn.now:
            return ()
        return tuple(
            choice.options
            for choice in self.offered.get(turn.place.id, ())
            if self.planner.could_start(replace(choice.request, username=turn.place.username))
        )
