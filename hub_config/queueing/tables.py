"""The table of places, and how its rows become this slice's words.

A named server of a user has one open place at most; the database enforces it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, Index, String, Text, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from hub_config.db import Base, UtcDateTime
from hub_config.gpus.model import Lease, LeaseRequest
from hub_config.queueing.model import Place, State

_OPEN = text("ended_at IS NULL")


class PlaceTable(Base):
    """A place in line, kept for ever as the record of who waited for how long."""

    __tablename__ = "places"
    __table_args__ = (
        Index(
            "uq_places_open",
            "username",
            "server_name",
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    username: Mapped[str] = mapped_column(String(255), index=True)
    server_name: Mapped[str] = mapped_column(String(255))
    options: Mapped[str] = mapped_column(Text)
    request: Mapped[str] = mapped_column(Text)
    priority: Mapped[int]
    rank_at: Mapped[datetime] = mapped_column(UtcDateTime)
    entered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    entered_by: Mapped[str] = mapped_column(String(255))
    expected_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(20))
    attempts: Mapped[int]
    lease_id: Mapped[str | None] = mapped_column(ForeignKey("leases.id"))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    why: Mapped[str | None] = mapped_column(Text)


def request_to_text(request: LeaseRequest) -> str:
    """A request as it is kept."""
    return json.dumps(asdict(request), sort_keys=True)


def request_of(kept: str) -> LeaseRequest:
    """The request that `request_to_text` kept."""
    facts = json.loads(kept)
    return LeaseRequest(**{**facts, "groups": tuple(facts["groups"])})


def place_of(row: PlaceTable) -> Place:
    """The place that `row` keeps."""
    return Place(
        id=row.id,
        username=row.username,
        server_name=row.server_name,
        options=json.loads(row.options),
        request=request_of(row.request),
        priority=row.priority,
        rank_at=row.rank_at,
        entered_at=row.entered_at,
        entered_by=row.entered_by,
        expected_at=row.expected_at,
        state=State(row.state),
        attempts=row.attempts,
        lease_id=row.lease_id,
        ended_at=row.ended_at,
        why=row.why,
    )


def open_rows(session: Session, *conditions: ColumnElement[bool]) -> list[PlaceTable]:
    """The rows of open places that meet `conditions`, first in line first."""
    query = select(PlaceTable).where(PlaceTable.ended_at.is_(None), *conditions)
    order = (PlaceTable.priority.desc(), PlaceTable.rank_at, PlaceTable.id)
    return list(session.scalars(query.order_by(*order)))


def latest_of_lease(session: Session, lease: Lease) -> Place | None:
    """The last place that was given `lease`, open or closed; None for one that was in no line."""
    mine = (PlaceTable.username == lease.username, PlaceTable.lease_id == lease.id)
    row = session.scalar(select(PlaceTable).where(*mine).order_by(PlaceTable.entered_at.desc()))
    return place_of(row) if row else None
