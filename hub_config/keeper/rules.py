"""What to do where ledger and Docker disagree; pure.

A lease is written before its container is created, so a young lease without a container is a
start under way, and an old one, or one that had started, has lost its container. A container is
ours by its label; where its lease is over, nobody holds what it uses, and it goes. Where its lease
is active, ending it is for the spawner and the bell, who know why; the keeper does it where they
could not: the Hub forgot the server, its user was deleted, or a removal failed. That Docker does
not answer says nothing about its containers: then nothing is decided at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from hub_config.gpus.rules import Ended, container_name

# The Hub gives a start 180 s (`start_timeout`), and the spawner then waits for what it asked of
# the engine last, up to 60 s; a lease released before that could lose its GPUs to somebody else
# while its container is still being made.
START_TAKES = timedelta(seconds=240)
# Whoever stops a server removes its container at once, and the Hub looks every 30 s itself.
STILL_TAKES = timedelta(seconds=30)
# The bell rings every few seconds, and a whole class needs about one minute to be stopped.
BELL_TAKES = timedelta(minutes=2)


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

    @property
    def ends_at(self) -> datetime:
        """When its time is up."""


@dataclass(frozen=True)
class Standing:
    """A container with our label, running or not."""

    id: str
    name: str
    lease_id: str
    running: bool


@dataclass(frozen=True)
class Overstay:
    """A container whose active lease must end with it, and why."""

    container: Standing
    why: Ended


@dataclass(frozen=True)
class Disagreement:
    """Leases without container, containers without active lease, and pairs that must both end."""

    lost: tuple[str, ...]
    strays: tuple[Standing, ...]
    overstays: tuple[Overstay, ...]


def still_since(
    before: Mapping[str, datetime], containers: Iterable[Standing], now: datetime
) -> dict[str, datetime]:
    """When each container that does not run was first seen so, by id; `before` is the last round's.

    A container that runs again, or is gone, is forgotten.
    """
    return {each.id: before.get(each.id, now) for each in containers if not each.running}


def compare(
    instance: str,
    leases: Iterable[Holding],
    containers: Iterable[Standing],
    still: Mapping[str, datetime],
    now: datetime,
) -> Disagreement:
    """Where `leases` (active, read first) and `containers` (read after them) disagree.

    In that order a container missing from the list is really missing. A container whose lease
    is not among `leases` may be newer than the list: ask the ledger again before removing it.
    `still` is what `still_since` says of `containers`.
    """
    leases = list(leases)
    containers = list(containers)
    by_name = {container.name: container for container in containers}
    active = {lease.id for lease in leases}
    lost: list[str] = []
    overstays: list[Overstay] = []
    for lease in leases:
        if not _should_stand(lease, now):
            continue
        container = by_name.get(container_name(instance, lease.id))
        if container is None:
            lost.append(lease.id)
        elif why := _why_end(lease, still.get(container.id), now):
            overstays.append(Overstay(container, why))
    strays = [container for container in containers if container.lease_id not in active]
    return Disagreement(tuple(lost), tuple(strays), tuple(overstays))


def _should_stand(lease: Holding, now: datetime) -> bool:
    return lease.started_at is not None or now - lease.granted_at > START_TAKES


def _why_end(lease: Holding, still: datetime | None, now: datetime) -> Ended | None:
    if now - lease.ends_at > BELL_TAKES:
        return Ended.TIME_UP
    if still is not None and now - still > STILL_TAKES:
        return Ended.CONTAINER_GONE
    return None
