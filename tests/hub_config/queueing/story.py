"""A RadLab with its own clock, and the verbs in which the tests of the queue tell stories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Device, Ended, Lease, LeaseRequest
from hub_config.gpus.store import DeviceStore
from hub_config.groups.store import GroupStore
from hub_config.offers.host import Host
from hub_config.queueing.model import Outlook, Place, State
from hub_config.queueing.store import QueueStore
from hub_config.settings import Settings
from hub_config.usage.store import QuotaStore

MONDAY_NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
GB = 1024


def wanted(username: str, **changes: Any) -> LeaseRequest:
    """A request for one GPU of the group `aa` for an hour, changed as asked."""
    fields: dict[str, Any] = {
        "username": username,
        "groups": ("aa",),
        "gpu_count": 1,
        "cpus": 1,
        "memory_mb": GB,
        "minutes": 60,
        "image": "radlab/imaging:1",
    }
    return LeaseRequest(**{**fields, **changes})


@dataclass
class Site:
    """The stores of one RadLab and its clock, with the verbs that the tests tell stories in."""

    engine: Engine
    settings: Settings
    now: datetime = MONDAY_NOON
    host: Host = field(default_factory=lambda: Host(cpus=8, memory_mb=64 * GB))

    def __post_init__(self) -> None:
        self.queue = QueueStore(self.engine, self.settings, self.host)
        self.ledger = Ledger(self.engine)
        self.devices = DeviceStore(self.engine)
        self.groups = GroupStore(self.engine)
        self.quotas = QuotaStore(self.engine)

    def cards(self, *owners: str | None, gb: Sequence[int] | int = 24, pool: int = 0) -> None:
        """Groups where missing, and one card for each of `owners`, then `pool` for everybody."""
        sizes = [gb] * (len(owners) + pool) if isinstance(gb, int) else list(gb)
        names = [f"GPU-{index}" for index in range(len(sizes))]
        cards = [Device(name, i, "Card", sizes[i] * GB) for i, name in enumerate(names)]
        self.devices.record(cards, self.now)
        for name in {owner for owner in owners if owner} - set(self.groups.names()):
            self.groups.create(name, by="ada")
        for index, owner in enumerate(owners):
            self.devices.assign(str(index), owner, "ada")
        for index in range(len(owners), len(sizes)):
            self.devices.assign(str(index), None, "ada", pool=True)

    def enter(self, username: str, server_name: str = "", **changes: Any) -> Place:
        request = wanted(username, **changes)
        options = {key: str(value) for key, value in changes.items()}
        return self.queue.enter(
            username, server_name, request.groups, request, options, username, self.now
        )

    def dispatch(self, starts_free: int = 99) -> list[str]:
        """Who starts now."""
        return [place.username for place in self.queue.dispatch(self.now, starts_free)]

    def start_all(self) -> None:
        """Dispatch, and let every server that starts answer at once."""
        for place in self.queue.dispatch(self.now, 99):
            assert place.lease_id
            self.arrive(place.lease_id)

    def arrive(self, lease_id: str) -> None:
        self.ledger.started(lease_id, "c0ffee", self.now)
        self.ledger.ready(lease_id, self.now)
        self.queue.arrived(lease_id, self.now)

    def run(self, username: str, **changes: Any) -> Lease:
        """Enter and run at once."""
        self.enter(username, **changes)
        self.start_all()
        return self.lease(username)

    def lease(self, username: str) -> Lease:
        return next(each for each in self.ledger.active() if each.username == username)

    def release(self, username: str, why: Ended = Ended.STOPPED) -> None:
        self.ledger.release(self.lease(username).id, why, self.now)

    def later(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)

    def place(self, username: str) -> Place:
        found = self.queue.of(username, "")
        assert found is not None
        return found

    def waiting(self) -> list[str]:
        """Who waits, in order."""
        return [p.username for p in self.queue.open() if p.state is State.WAITING]

    def outlook(self, username: str, **told: Any) -> Outlook:
        board = self.queue.board(self.now, **told)
        return next(each.outlook for each in board if each.place.username == username)
