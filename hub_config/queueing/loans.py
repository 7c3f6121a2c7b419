"""Which loans are called back for whom, and which calls are taken back; pure.

A loan ends early only for a member of the lending group who waits and whom nothing else serves
within the notice: neither what is free, nor what ends by then, nor loans called back before. The
newest goes first, for it has had the least time to become somebody's afternoon. Only ends that are
firm count here (limits, not predictions), so that an owner waits for the notice at most. A call
that nobody needs any more is taken back, and the session runs on.
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
) -> Calls:
    """What to call back for `waiting`: who wants GPUs and has none, in order, with their offers."""
    made = _Calls(leases, now, notice)
    for turn, offers in waiting:
        made.serve(turn, offers)
    unneeded = [
        lease.id
        for lease in leases
        if lease.stop_why is Ended.RECALLED and lease.until > now and lease.id not in made.needed
    ]
    return Calls(tuple(made.recalls), tuple(unneeded), made.served)


class _Calls:
    def __init__(self, leases: Sequence[Lease], now: datetime, notice: timedelta) -> None:
        self.now, self.by = now, now + notice
        self.promised: set[str] = set()
        self.recalls: list[Recall] = []
        self.needed: set[str] = set()
        self.served: dict[str, datetime] = {}
        # What a lease held of every device when this began; a recalled one ends at `by`.
        self.newest = sorted(leases, key=lambda each: (each.granted_at, each.id), reverse=True)

    def serve(self, turn: Turn, offers: Sequence[Offer]) -> None:
        """Find the first offer that serves within the notice, with as few loans as will do."""
        wanted = turn.place.request.gpu_count
        for offer in (each for each in offers if each.lender is None):
            soon = [row for row in offer.devices if self._comes(row)]
            soon.sort(key=lambda row: _called(row.lease))
            loans = self._loans(offer)
            found = soon + [row for lease in loans for row in _of(lease, offer)]
            if len(found) >= wanted:
                return self._promise(turn, found[:wanted])

    def _comes(self, row: DeviceRow) -> bool:
        """True where nobody has a promise of it and it is free within the notice anyway."""
        if row.uuid in self.promised:
            return False
        return row.lease is None or row.lease.until <= self.by

    def _loans(self, offer: Offer) -> list[Lease]:
        """The loans of the offer's group that are not called back yet, newest first."""
        return [
            lease
            for lease in self.newest
            if lease.lender == offer.group and lease.lender and lease.until > self.by
            and not any(uuid in self.promised for uuid in lease.device_uuids)
        ]  # fmt: skip

    def _promise(self, turn: Turn, rows: Sequence[DeviceRow]) -> None:
        for row in rows:
            self.promised.add(row.uuid)
            lease = row.lease
            if lease is None or not (lease.until > self.by or _called(lease)):
                continue
            self.served[turn.place.id] = min(lease.until, self.by)
            if lease.id not in self.needed and not _called(lease):
                self.recalls.append(Recall(lease.id, self.by))
            self.needed.add(lease.id)


def _called(lease: Lease | None) -> bool:
    return lease is not None and lease.stop_why is Ended.RECALLED


def _of(lease: Lease, offer: Offer) -> list[DeviceRow]:
    """The devices of `offer` that `lease` holds."""
    return [row for row in offer.devices if row.uuid in lease.device_uuids]
