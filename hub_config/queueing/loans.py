"""Which loans are called back for whom, and which calls are taken back; pure.

A loan ends early only for a member of the lending group who waits and whom nothing else serves
within the notice: neither what is free, nor what ends by then, nor loans called back before. The
newest goes first, for it has had the least time to become somebody's afternoon. Only ends that are
firm count here (limits, not predictions), so that an owner waits for the notice at most. A loan is
what a group's device serves another group with, also where it came to its group only during that
session: a new owner waits no longer than a lender. A call that nobody needs any more is taken back,
and the session runs on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub_config.gpus.model import DeviceRow, Ended, Lease
from hub_config.gpus.rules import Offer
from hub_config.queueing.plan import Turn


@dataclass(frozen=True)
class Recall:
    """The loan `lease_id` is to end at `at`."""

    lease_id: str
    at: datetime


@dataclass(frozen=True)
class Calls:
    """Loans to call back, calls to take back, and whom a called loan will serve."""

    recalls: tuple[Recall, ...] = ()
    pardons: tuple[str, ...] = ()
    served: Mapping[str, datetime] | None = None


def calls(
    waiting: Iterable[tuple[Turn, Sequence[Offer]]],
    leases: Sequence[Lease],
    now: datetime,
    notice: timedelta,
    taken: Iterable[str] = (),
) -> Calls:
    """What to call back for `waiting`: who wants GPUs and has none, in order, with their offers.

    `taken` are devices that somebody gets now.
    """
    made = _Calls(leases, now, notice, taken)
    for turn, offers in waiting:
        made.serve(turn, offers)
    unneeded = [
        lease.id
        for lease in leases
        if lease.stop_why is Ended.RECALLED and lease.until > now and lease.id not in made.needed
    ]
    return Calls(tuple(made.recalls), tuple(unneeded), made.served)


class _Calls:
    """The search, place by place; a device serves one of them."""

    def __init__(
        self, leases: Sequence[Lease], now: datetime, notice: timedelta, taken: Iterable[str]
    ) -> None:
        self.now, self.by = now, now + notice
        self.promised = set(taken)
        self.recalls: list[Recall] = []
        self.needed: set[str] = set()
        self.served: dict[str, datetime] = {}
        self.newest = sorted(leases, key=lambda each: (each.granted_at, each.id), reverse=True)

    def serve(self, turn: Turn, offers: Sequence[Offer]) -> None:
        """Find devices within the notice: without a new call, or with as few as will do."""
        wanted = turn.place.request.gpu_count
        own = [offer for offer in offers if offer.lender is None]
        for with_loans in (False, True):
            for offer in own:
                rows = self._soon(offer) + (self._loans(offer) if with_loans else [])
                if len(rows) >= wanted:
                    return self._promise(turn, rows[:wanted])

    def _soon(self, offer: Offer) -> list[DeviceRow]:
        """What nobody has a promise of and is free within the notice anyway, first ends first."""
        open_ = [row for row in offer.devices if row.uuid not in self.promised]
        soon = [row for row in open_ if row.lease is None or row.lease.until <= self.by]
        return sorted(soon, key=lambda row: row.lease.until if row.lease else self.now)

    def _loans(self, offer: Offer) -> list[DeviceRow]:
        """What loans of the offer's group hold that were not called back yet, newest loan first."""
        lent = [
            row for row in offer.devices if row.uuid not in self.promised and _on_loan(row, offer)
        ]
        return [
            row
            for lease in self.newest
            if lease.until > self.by
            for row in lent
            if row.uuid in lease.device_uuids
        ]

    def _promise(self, turn: Turn, rows: Sequence[DeviceRow]) -> None:
        """Let `rows` serve the place; the loans among them are called, or stay called."""
        self.promised.update(row.uuid for row in rows)
        held = [row.lease for row in rows if row.lease is not None]
        called = [lease for lease in held if lease.until > self.by or _called(lease)]
        for lease in called:
            if lease.id not in self.needed and not _called(lease):
                self.recalls.append(Recall(lease.id, self.by))
            self.needed.add(lease.id)
        if called:
            self.served[turn.place.id] = max(min(lease.until, self.by) for lease in held)


def _on_loan(row: DeviceRow, offer: Offer) -> bool:
    """Whether the device is the offer's group's own and another group's session holds it.

    Whose it is now counts, not whose it was when the session began.
    """
    owned = row.group is not None and row.group == offer.group and not row.pool
    return owned and row.lease is not None and row.lease.group != row.group


def _called(lease: Lease) -> bool:
    return lease.stop_why is Ended.RECALLED
