"""Routes of the queue: who runs and who waits, leaving a place, moving one up.

Administrators see every line, instructors those of the groups that they teach; everybody sees their
own, and of the others how many there are. What staff do for somebody else wants a reason, which is
recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from hub_config import clock
from hub_config.gpus.ledger import Ledger
from hub_config.groups.rules import Person, require_staff
from hub_config.queueing import refusals
from hub_config.queueing.lines import Line, lines
from hub_config.queueing.model import Place
from hub_config.queueing.store import QueueStore
from hub_config.queueing.texts import template
from hub_config.usage.rules import check_reason
from hub_config.usage.store import AuditStore


class Services(Protocol):
    """What these routes need of the portal."""

    @property
    def queue(self) -> QueueStore:
        """The places in line."""

    @property
    def ledger(self) -> Ledger:
        """The leases."""

    @property
    def audit(self) -> AuditStore:
        """What staff did for whom."""


class LineOut(BaseModel):
    """A running session or a place in line; times in UTC."""

    id: str = Field(description="The lease's id where it runs, else the place's.")
    username: str
    server_name: str
    state: str = Field(description="`running`, `starting` or `waiting`.")
    position: int = Field(description="From 1 among those that wait; 0 for the others.")
    task: str = Field(description="The module, or the image without one.")
    group: str | None
    groups: list[str] = Field(description="All groups that a place may be served from.")
    gpu_count: int
    created: datetime
    until: datetime | None = Field(description="When a running session ends.")
    expected: datetime | None = Field(description="When the server is likely to be there.")
    order: int
    reason: str | None = Field(description="Why it waits, as a code.")
    why: str | None = Field(description="Why it waits, as a sentence.")


class QueueOut(BaseModel):
    """How many run, start and wait, and the lines that the person may see."""

    running: int
    starting: int
    waiting: int
    lines: list[LineOut]


class PlaceOut(BaseModel):
    """A place in line after something was done to it."""

    id: str
    username: str
    state: str
    priority: int
    rank_at: datetime


class ReasonIn(BaseModel):
    """Why something is done for somebody else."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=500, description="Kept in the audit, with names.")


def line_out(line: Line) -> LineOut:
    """`line` as the API shows it."""
    outlook = line.outlook
    facts = {key: value for key, value in vars(line).items() if key != "outlook"}
    return LineOut(
        **facts,
        reason=outlook.reason.value if outlook else None,
        why=why(line),
    )


def why(line: Line) -> str | None:
    """Why a place waits, in English, with moments in UTC; None for what runs."""
    if line.outlook is None:
        return None
    values = {key: _said(value) for key, value in line.outlook.reason_values.items()}
    return template(line.outlook).format(**values)


def _said(value: object) -> object:
    return value.strftime("%Y-%m-%d %H:%M UTC") if isinstance(value, datetime) else value


def may_see(who: Person, username: str, groups: tuple[str, ...]) -> bool:
    """True where `who` may know of this line: their own, of a group they teach, or any."""
    return who.name == username or _is_staff_of(who, groups)


def _is_staff_of(who: Person, groups: tuple[str, ...]) -> bool:
    return who.is_administrator or not who.taught.isdisjoint(groups)


def put_first(services: Services, who: Person, place_id: str, reason: str) -> Place:
    """Move a place up for `reason`; NotYourPlace, NoReason, and what the store refuses."""
    require_staff(who)
    place = services.queue.get(place_id)
    if not _is_staff_of(who, place.request.groups):
        raise refusals.not_your_place(place.id, who.taught)
    reason = check_reason(reason)
    among = None if who.is_administrator else who.taught
    moved = services.queue.move_up(place_id, who.name, among=among)
    _note(services, who, "move_up", reason, moved)
    return moved


def give_up(services: Services, who: Person, place_id: str, reason: str) -> Place:
    """Leave a place, with a reason where it is somebody else's; NotYourPlace, NoReason."""
    place = find_place(services, who, place_id)
    others = who.name != place.username
    reason = check_reason(reason) if others else reason
    left = services.queue.leave(place_id, who.name, clock.now())
    if others:
        _note(services, who, "leave", reason, left)
    return left


def find_place(services: Services, who: Person, place_id: str) -> Place:
    """The place of that id, where `who` may see it; UnknownPlace, NotYourPlace."""
    place = services.queue.get(place_id)
    if not may_see(who, place.username, place.request.groups):
        raise refusals.not_your_place(place.id, who.taught)
    return place


def router(
    services: Services, person: Callable[..., Person], allowed: Callable[..., Any]
) -> APIRouter:
    """The routes; `person` is the dependency that says who asks.

    `allowed` refuses who may not act on the server of the owner of the place of the path.
    """
    routes = APIRouter(tags=["queue"])
    asking = Depends(person)

    @routes.get("/api/queue")
    def show_queue(who: Person = asking) -> QueueOut:
        """Who runs and who waits, in order: what the person may see, and the counts of all."""
        every = lines(services.queue.board(clock.now()), services.ledger.active())
        counts = {state: 0 for state in ("running", "starting", "waiting")}
        for line in every:
            counts[line.state] += 1
        seen = [line for line in every if may_see(who, line.username, line.groups)]
        return QueueOut(**counts, lines=[line_out(line) for line in seen])

    @routes.post("/api/queue/{place_id}/move-up", dependencies=[Depends(allowed)])
    def move_up(place_id: str, wanted: ReasonIn, who: Person = asking) -> PlaceOut:
        """Put a place first: an administrator of all, an instructor of their group's."""
        return _shown(put_first(services, who, place_id, wanted.reason))

    @routes.delete("/api/queue/{place_id}", dependencies=[Depends(allowed)])
    def leave(place_id: str, reason: str = "", who: Person = asking) -> PlaceOut:
        """Give a place up: one's own, or with a reason a student's."""
        return _shown(give_up(services, who, place_id, reason))

    return routes


def _note(services: Services, who: Person, action: str, reason: str, place: Place) -> None:
    services.audit.note(who.name, action, reason, username=place.username, place_id=place.id)


def _shown(place: Place) -> PlaceOut:
    return PlaceOut(
        id=place.id,
        username=place.username,
        state=place.state.value,
        priority=place.priority,
        rank_at=place.rank_at,
    )
