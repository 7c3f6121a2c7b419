"""Who starts now, who later and when: one pass over the places in order; pure.

Each place in turn takes what its groups own (or the pool) where that is free, else it is promised
the devices that are free first, from that moment on. A promise protects every device that the place
could use by then: somebody behind it may have one only where their limit ends before it, so
nobody's promised start is put off by somebody behind them. Room under a limit is promised alike
(room.py): to who waits for that room, and to who has it and waits for devices. Loans come after: an
idle device of another group goes to a borrower only when all members of its own group had their
turn. Ends are predicted (history.py), never later than limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hub_config.gpus.model import DeviceRow, Lease, LeaseRequest
from hub_config.gpus.rules import Offer, candidates
from hub_config.groups.rules import Group
from hub_config.queueing.history import History
from hub_config.queueing.model import Place, State
from hub_config.queueing.room import SLACK, Room
from hub_config.usage.model import Short


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that a decision reads, at one moment: open places in order, devices, active leases."""

    now: datetime
    places: Sequence[Place]
    rows: Sequence[DeviceRow]
    leases: Sequence[Lease]
    groups: Mapping[str, Group]
    room: Room
    history: History = field(default_factory=History)


@dataclass
class _Card:
    """A device while the plan is made.

    `free`: it can be taken now, until `gap` where a place before has a promise of it. `since`: from
    then on nothing that runs or is promised holds it.
    """

    row: DeviceRow
    free: bool
    since: datetime
    gap: datetime | None = None

    def promise(self, at: datetime, since: datetime) -> None:
        self.gap = at if self.gap is None else min(self.gap, at)
        self.since = max(self.since, since)


@dataclass(frozen=True)
class Turn:
    """What one place gets: `offer` with its devices, from `at` on (None: nobody can say).

    `now`: all is there, only the start itself may have to wait. `lack`: the limit that holds it
    back, until `room_at` as far as that is known; `behind`: its room is promised to a place before.
    `held`: its server's last session is not gone.
    """

    place: Place
    offer: Offer | None = None
    minutes: int = 0
    at: datetime | None = None
    now: bool = False
    lack: Short | None = None
    room_at: datetime | None = None
    behind: bool = False
    held: bool = False


class Planner:
    """One plan; `turns` is what it says of each waiting place, in order."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.room = replace(scene.room, held={})
        self.room.count(scene.leases, lambda lease: scene.history.end(lease, scene.now))
        self.cards = {row.uuid: self._card(row) for row in scene.rows}
        self.turns: dict[str, Turn] = {}
        self._offers: dict[tuple[object, ...], list[Offer]] = {}
        self._servers = {(lease.username, lease.server_name) for lease in scene.leases}

    def run(self) -> list[Turn]:
        """The turn of every waiting place, in order."""
        waiting = [place for place in self.scene.places if place.state is State.WAITING]
        for place in waiting:
            self.turns[place.id] = self._turn(place)
        for place in waiting:
            turn = self.turns[place.id]
            if not (turn.now or turn.held or turn.lack):
                self.turns[place.id] = self._borrow(turn)
        return list(self.turns.values())

    def offers(self, request: LeaseRequest) -> list[Offer]:
        """What may serve `request`: own devices, the pool, loans; without a GPU each group."""
        groups = [self.scene.groups[name] for name in request.groups if name in self.scene.groups]
        if not request.gpu_count:
            return [Offer(g.name, None, ()) for g in groups] or [Offer(None, None, ())]
        key = (request.groups, request.gpu_memory_mb)
        if key not in self._offers:
            rows, known = self.scene.rows, self.scene.groups
            self._offers[key] = candidates(rows, request, groups, known)
        return self._offers[key]

    def could_start(self, request: LeaseRequest) -> bool:
        """True where `request` could start after all that is planned, delaying nobody."""
        return self._taken(request, self.offers(request)) is not None

    def _card(self, row: DeviceRow) -> _Card:
        now = self.scene.now
        since = self.scene.history.end(row.lease, now) if row.lease else now
        return _Card(row, row.lease is None, since)

    def _turn(self, place: Place) -> Turn:
        request = place.request
        if (place.username, place.server_name) in self._servers:
            return Turn(place, held=True)
        offers = [offer for offer in self.offers(request) if offer.lender is None]
        taken = self._taken(request, offers)
        if taken is not None:
            return self._take(place, taken)
        lacks = [self._short(offer, request) for offer in self.offers(request)]
        if lacks and all(lacks):
            return self._promise_room(place, lacks[0])
        return self._promise(place, [o for o in offers if self._short(o, request) is None])

    def _short(self, offer: Offer, request: LeaseRequest) -> Short | None:
        """The limit that keeps `request` out of `offer`: it is reached, or its room is promised."""
        group = offer.group
        return self.room.lack(group, request) or self.room.kept(group, request)

    def _promise_room(self, place: Place, lack: Short | None) -> Turn:
        """The room that it waits for, in the group where that comes first."""
        request = place.request
        groups = dict.fromkeys(offer.group for offer in self.offers(request))
        if any(self.room.lack(group, request) is None for group in groups):
            return Turn(place, lack=lack, behind=True)
        ways = [(at, g) for g in groups if (at := self.room.opening(g, request)) is not None]
        if not ways:
            return Turn(place, lack=lack)
        at, group = min(ways, key=lambda way: way[0])
        self.room.claim(group, request, at)
        return Turn(place, lack=lack, room_at=at)

    def _borrow(self, turn: Turn) -> Turn:
        request = turn.place.request
        loans = [offer for offer in self.offers(request) if offer.lender is not None]
        taken = self._taken(request, loans)
        if taken is not None:
            return self._take(turn.place, taken)
        return turn if turn.at is not None or not loans else self._promise(turn.place, loans)

    def _taken(self, request: LeaseRequest, offers: Iterable[Offer]) -> Offer | None:
        """The first of `offers` that serves now, with the devices to take."""
        for offer in offers:
            if self._short(offer, request) is not None:
                continue
            minutes = self.room.minutes(offer.group, request)
            usable = tuple(row for row in offer.devices if self._usable(row, minutes))
            chosen = replace(offer, devices=usable).chosen(request.gpu_count)
            if chosen is not None:
                return chosen
        return None

    def _usable(self, row: DeviceRow, minutes: int) -> bool:
        card = self.cards[row.uuid]
        ends = self.scene.now + timedelta(minutes=minutes) + SLACK
        return card.free and (card.gap is None or ends <= card.gap)

    def _take(self, place: Place, offer: Offer) -> Turn:
        minutes = self.room.minutes(offer.group, place.request)
        until = self.scene.now + timedelta(minutes=self._likely(place, minutes))
        self.room.take(offer.group, place.request, minutes, until)
        for row in offer.devices:
            card = self.cards[row.uuid]
            card.free, card.since = False, max(card.since, until)
        return Turn(place, offer, minutes, self.scene.now, now=True)

    def _promise(self, place: Place, offers: Sequence[Offer]) -> Turn:
        """The devices that are free first, and protection of all that it could use by then."""
        wanted = place.request.gpu_count
        enough = [offer for offer in offers if len(offer.devices) >= wanted]
        if not enough:
            return Turn(place)
        ways = [(self._first(offer, wanted), offer) for offer in enough]
        devices, offer = min(ways, key=lambda way: self.cards[way[0][-1].uuid].since)
        moment = self.cards[devices[-1].uuid].since
        for row in {row.uuid: row for each in enough for row in each.devices}.values():
            card = self.cards[row.uuid]
            if card.since <= moment:
                card.promise(moment, moment)
        self.room.claim(offer.group, place.request, moment)
        minutes = self.room.minutes(offer.group, place.request)
        until = moment + timedelta(minutes=self._likely(place, minutes))
        for row in devices:
            self.cards[row.uuid].since = until
        return Turn(place, replace(offer, devices=tuple(devices)), minutes, moment)

    def _first(self, offer: Offer, wanted: int) -> list[DeviceRow]:
        """The `wanted` devices of `offer` that are free first, the last of them last."""

        def when(row: DeviceRow) -> tuple[datetime, bool, int, int, str]:
            return (self.cards[row.uuid].since, row.pool, row.memory_mb, row.index, row.uuid)

        return sorted(offer.devices, key=when)[:wanted]

    def _likely(self, place: Place, minutes: int) -> float:
        return min(minutes, self.scene.history.minutes(place.request))
