"""One RadLab's stores, as the tests of the keeper use them, and leases of its students."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from hub_config import clock
from hub_config.containers.model import StartOrder
from hub_config.db import open_database
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.rules import Lease, LeaseRequest, container_name
from hub_config.groups.store import GroupStore
from hub_config.keeper.engine import Clients
from hub_config.keeper.locks import LeaseLocks
from hub_config.keeper.starting import Starter
from hub_config.queueing.store import QueueStore
from hub_config.settings import Settings


class Site:
    """The parts of one keeper, without its rounds and its socket."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = open_database(settings.radlab_database_url)
        self.ledger = Ledger(self.database)
        self.queue = QueueStore(self.database, settings)
        self.groups = GroupStore(self.database)
        self.locks = LeaseLocks()
        self.freed: list[float] = []

    def starter(self, clients: Clients | None = None) -> Starter:
        return Starter(
            self.settings,
            self.ledger,
            self.queue,
            lambda: {group.name: group.internet for group in self.groups.all()},
            clients or Clients(self.settings),
            self.locks,
            freed=lambda: self.freed.append(time.monotonic()),
        )

    def request(self, username: str, **changes: object) -> LeaseRequest:
        facts = {"cpus": 0.25, "memory_mb": 128, "minutes": 60, "image": "tiny"}
        return LeaseRequest(username=username, **(facts | changes))

    def grant(self, username: str, **changes: object) -> Lease:
        return self.ledger.grant(self.request(username, **changes), clock.now())

    def name(self, lease: Lease) -> str:
        return container_name(self.settings.instance, lease.id)

    def home(self, username: str) -> Path:
        return self.settings.path("homes", username)


def order(*arguments: str, fresh: bool = False, **environment: str) -> StartOrder:
    return StartOrder(environment=environment, arguments=list(arguments), fresh=fresh)


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    """Return when `what` holds; the test fails where it does not come to that."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
