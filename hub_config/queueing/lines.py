"""The queue as people read it: who runs, who starts, who waits, one line each; pure.

The columns are those of the queues of teaching platforms: creator, task, state, time left, created,
order. A line tells of its owner's session or place only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub_config.gpus.model import Lease, LeaseRequest
from hub_config.queueing.model import Outlook, Standing


@dataclass(frozen=True, kw_only=True)
class Line:
    """A running session (`until` it ends) or a place in line (`expected` when it is there).

    `id` is the lease's or the place's. `position` counts from 1 among those that wait, and is 0 for
    the others; `order` counts all lines. `groups` are all that it is of or may come to be of;
    `group` is the one that is shown.
    """

    id: str
    username: str
    server_name: str
    state: str
    position: int
    task: str
    group: str | None
    groups: tuple[str, ...]
    gpu_count: int
    created: datetime
    until: datetime | None
    expected: datetime | None
    order: int
    outlook: Outlook | None = None


def lines(standings: Iterable[Standing], leases: Sequence[Lease]) -> list[Line]:
    """Running sessions first, oldest first, then the queue in its order."""
    standings = list(standings)
    starting = {standing.place.lease_id for standing in standings}
    running = [lease for lease in leases if lease.id not in starting]
    made = [_of_lease(lease, order) for order, lease in enumerate(running, 1)]
    return made + [_of_place(each, order) for order, each in enumerate(standings, len(made) + 1)]


def _of_lease(lease: Lease, order: int) -> Line:
    return Line(
        id=lease.id,
        username=lease.username,
        server_name=lease.server_name,
        state="running",
        position=0,
        task=_task(lease),
        group=lease.group,
        groups=(lease.group,) if lease.group else (),
        gpu_count=lease.gpu_count,
        created=lease.granted_at,
        until=lease.until,
        expected=None,
        order=order,
    )


def _of_place(standing: Standing, order: int) -> Line:
    place, outlook = standing.place, standing.outlook
    return Line(
        id=place.id,
        username=place.username,
        server_name=place.server_name,
        state=place.state.value,
        position=outlook.position,
        task=_task(place.request),
        group=next(iter(place.request.groups), None),
        groups=place.request.groups,
        gpu_count=place.request.gpu_count,
        created=place.entered_at,
        until=None,
        expected=outlook.expected_at,
        order=order,
        outlook=outlook,
    )


def _task(what: Lease | LeaseRequest) -> str:
    return what.module or what.image
