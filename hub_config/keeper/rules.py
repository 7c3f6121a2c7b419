"""What to do where ledger and Docker disagree; pure.

A lease is written before its container is created, so a young lease without a container is a
start under way, and an old one, or one that had started, has lost its container. A container is
ours by its label; where its lease is over, nobody holds what it uses, and it goes. That Docker
does not answer says nothing about its containers: then nothing is decided at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

START_TAKES = timedelta(seconds=60)


class Holding(Protocol):
    """An active lease, as far as it matters here (`hub_config.gpus.rules.Lease` is one)."""

    @property
    def id(self) -> str:
        """The lease's id, which is also the end of its container's name."""

    @property
    def granted_at(self) -> datetime:
        """When it was written."""

    @property
    def started_at(self) -> datetime | None:
        """When its container was first seen running."""


@dataclass(frozen=True)
class Standing:
    """A container with our label, running or not."""

    id: str
    name: str
    lease_id: str


@dataclass(frozen=True)
class Disagreement:
    """Leases whose container is gone, and containers whose lease is not active."""

    lost: tuple[str, ...]
    strays: tuple[Standing, ...]


def container_name(instance: str, lease_id: str) -> str:
    """The name that Docker lets exist once."""
    return f"{instance}-{lease_id}"


def compare(
    instance: str, leases: Iterable[Holding], containers: Iterable[Standing], now: datetime
) -> Disagreement:
    """Where `leases` (active, read first) and `containers` (read after them) disagree.

    In that order a container missing from the list is really missing. A container whose lease
    is not among `leases` may be newer than the list: ask the ledger again before removing it.
    """
    leases = list(leases)
    containers = list(containers)
    names = {container.name for container in containers}
    active = {lease.id for lease in leases}
    lost = [
        lease.id
        for lease in leases
        if container_name(instance, lease.id) not in names and _should_stand(lease, now)
    ]
    strays = [container for container in containers if container.lease_id not in active]
    return Disagreement(tuple(lost), tuple(strays))


def _should_stand(lease: Holding, now: datetime) -> bool:
    return lease.started_at is not None or now - lease.granted_at > START_TAKES
