"""All that a decision reads, out of one transaction: the scene of `plan.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub_config.gpus.model import Ended
from hub_config.gpus.tables import (
    LeaseTable,
    active_leases,
    device_rows,
    leases_since,
    ran_since,
)
from hub_config.groups.store import every_group
from hub_config.queueing.history import History, Past, learnt
from hub_config.queueing.model import Place
from hub_config.queueing.plan import Scene
from hub_config.queueing.room import Room, Whom
from hub_config.queueing.tables import open_rows, place_of
from hub_config.usage.model import Kind, Limits
from hub_config.usage.rules import gpu_hours, week_start
from hub_config.usage.store import every_limit

# What is learnt from: enough to be typical, few enough to be read at once.
_SESSIONS, _STARTS = 2000, 20
_LOOK_BACK = timedelta(days=28)


def open_places(session: Session) -> list[Place]:
    """The open places, first in line first."""
    return [place_of(row) for row in open_rows(session)]


def scene(session: Session, now: datetime, history: History) -> Scene:
    """Everything at `now`, read in the transaction of `session`."""
    limits = every_limit(session)
    return Scene(
        now=now,
        places=open_places(session),
        rows=device_rows(session),
        leases=active_leases(session),
        groups=every_group(session),
        room=Room(now, limits, used_hours(session, limits, now)),
        history=history,
    )


def used_hours(session: Session, limits: Mapping[Whom, Limits], now: datetime) -> dict[Whom, float]:
    """The GPU hours of this week of those who have a limit on them.

    Whoever writes waits for this, at each start: of the sessions of a week only what counts is
    read, no whole leases.
    """
    used = {whom: 0.0 for whom, its in limits.items() if its.gpu_hours_week is not None}
    if used:
        since = week_start(now)
        for ran in ran_since(session, since):
            hours = gpu_hours([ran], since, now)
            for whom in ((Kind.PERSON, ran.username), (Kind.GROUP, ran.group)):
                if whom in used:
                    used[whom] += hours
    return used


def recent_hours(
    session: Session, username: str, groups: Iterable[str], since: datetime, now: datetime
) -> float:
    """The GPU hours that `username` had in `groups` since then."""
    leases = leases_since(session, since, usernames=[username], groups=list(groups))
    return gpu_hours(leases, since, now)


def read_history(session: Session, now: datetime) -> History:
    """How long sessions lasted lately, and how long the latest starts took."""
    table = LeaseTable
    over = session.execute(
        select(table.module, table.image, table.started_at, table.released_at)
        .where(
            table.released_at > now - _LOOK_BACK,
            table.started_at.is_not(None),
            table.why_ended != Ended.FAILED_START.value,
        )
        .order_by(table.released_at.desc(), table.id)
        .limit(_SESSIONS)
    )
    starts = session.execute(
        select(table.granted_at, table.ready_at)
        .where(table.ready_at.is_not(None), table.granted_at > now - _LOOK_BACK)
        .order_by(table.granted_at.desc(), table.id)
        .limit(_STARTS)
    )
    return learnt(
        [
            Past((module, image), _seconds(begun, ended) / 60)
            for module, image, begun, ended in over
        ],
        [_seconds(granted, ready) for granted, ready in starts],
    )


def _seconds(begun: datetime | None, ended: datetime | None) -> float:
    """From one moment to the other; 0 where the clock stepped back in between."""
    return max(0.0, (ended - begun).total_seconds()) if begun and ended else 0.0
