"""What to do where ledger and Docker disagree; pure.

A lease is written before its container is created, so a young lease without a container is a
start under way, and an old one, or one that had started, has lost its container. A container is
ours by its label; where its lease is over, nobody holds what it uses, and it goes. Where its lease
is active, ending it is for the spawner and the bell, who know why; the keeper does it where they
could not: the Hub forgot the server, its user was deleted, a start was never waited for to its
end, or a removal failed. That Docker does not answer says nothing about its containers: then
nothing is decided at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from hub_config.gpus.rules import Ended, container_name

# A lease is granted when its turn has come, and whoever waits for it asks within a second that its
# container be started; the Hub, started again after a crash, within half a minute. A start that is
# under way is never judged here: the keeper knows of it.
START_TAKES = timedelta(seconds=45)
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
    def ready_at(self) -> datetime | None:
        """When what it was started for answered."""

    @property
    def until(self) -> datetime:
        """When it ends: its time is up, or it was told to end earlier."""

    @property
    def until_why(self) -> Ended:
        """Why it ends then."""


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
    *,
    since: datetime | None = None,
    handled: Collection[str] = (),
) -> Disagreement:
    """Where `leases` (active, read first) and `containers` (read after them) disagree.

    In that order a container missing from the list is really missing. A container whose lease
    is not among `leases` may be newer than the list: ask the ledger again before removing it.
    `still` is what `still_since` says of `containers`. Before `since` this keeper was not there to
    be asked. `handled` are leases that are being started or stopped now: nothing is said of them.
    """
    leases = [lease for lease in leases if lease.id not in handled]
    containers = [one for one in containers if one.lease_id not in handled]
    by_name = {container.name: container for container in containers}
    active = {lease.id for lease in leases}
    lost: list[str] = []
    overstays: list[Overstay] = []
    for lease in leases:
        # Also what was granted in the future: the clock was set back since.
        forgotten = abs(now - max(lease.granted_at, since or lease.granted_at)) > START_TAKES
        if lease.started_at is None and not forgotten:
            continue
        container = by_name.get(container_name(instance, lease.id))
        if container is None:
            lost.append(lease.id)
        elif why := _why_end(lease, still.get(container.id), forgotten, now):
            overstays.append(Overstay(container, why))
    strays = [container for container in containers if container.lease_id not in active]
    return Disagreement(tuple(lost), tuple(strays), tuple(overstays))


def _why_end(
    lease: Holding, still: datetime | None, forgotten: bool, now: datetime
) -> Ended | None:
    if now - lease.until > BELL_TAKES:
        return lease.until_why
    if still is not None and abs(now - still) > STILL_TAKES:
        return Ended.CONTAINER_GONE
    if forgotten and lease.ready_at is None:
        return Ended.CONTAINER_GONE
    return None
