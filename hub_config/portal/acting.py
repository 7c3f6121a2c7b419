"""Acting on servers: stop, extend, start for somebody; with a reason where it is somebody else's.

`DELETE /api/servers/{username}`, `POST /api/servers/{username}/extend`, `POST /api/servers`, and
the same for the pages. A server is stopped through the Hub; why it ends is noted in the ledger
first, because only the portal knows. What staff do for somebody is kept in the audit with their
reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from hub_config import clock
from hub_config.errors import Conflict
from hub_config.gpus.model import Ended, Lease
from hub_config.groups.rules import Person, require_staff
from hub_config.portal.gate import Here
from hub_config.portal.members import find_person
from hub_config.portal.rules import MOST_MINUTES, reason_for, require_may_stop
from hub_config.portal.servers import Server, groups_of, servers_of
from hub_config.portal.services import Services
from hub_config.queueing.api import find_place
from hub_config.queueing.model import NoExtension, Place
from hub_config.queueing.texts import NO_EXTENSION_TEXT
from hub_config.usage.rules import minutes_allowed

# As long before its warning as JupyterLab's notice is offered an extension.
EARLIER = timedelta(minutes=2)
_LOOKS = 40
_LOOK_AGAIN_SECONDS = 0.25
_REASON = "Why; needed where the server is not your own, and kept with your name."

router = APIRouter(prefix="/api", tags=["servers"])


class NothingToExtend(Conflict):
    """That person waits, and holds nothing yet."""

    code = "nothing_to_extend"


class HasServer(Conflict):
    """Somebody for whom a server was to be started has one."""

    code = "has_server"


class NotStarted(Conflict):
    """A start that was asked for took no place in line."""

    code = "not_started"


class MayNotExtend(Conflict):
    """An owner may not have more time now."""

    code = "may_not_extend"


class StopOut(BaseModel):
    """What became of a request to stop."""

    username: str
    stopped: bool = Field(description="False: the Hub is still at it.")


class ExtendIn(BaseModel):
    """How much longer a session is to last."""

    model_config = ConfigDict(extra="forbid")

    minutes: int = Field(ge=1, le=MOST_MINUTES)
    reason: str = Field(default="", description=_REASON)


class ExtendOut(BaseModel):
    """When an extended session ends."""

    username: str
    until: datetime


class StartIn(BaseModel):
    """A server to be started for somebody."""

    model_config = ConfigDict(extra="forbid")

    username: str
    options: dict[str, str | int | bool] = Field(
        description='As the launch page sends them: {"module": ID, "gpu": true} or '
        '{"image": ID, "gpus": 0}; `size` and `language` where wanted.'
    )
    reason: str = Field(description=_REASON)


class StartOut(BaseModel):
    """A start that was asked for."""

    username: str
    place: str | None = Field(description="The id of their place in line, while they wait.")


@router.delete("/servers/{username}", status_code=202)
async def stop_server(
    username: str, visit: Here, reason: Annotated[str, Query(description=_REASON)] = ""
) -> StopOut:
    """Stop somebody's server: an administrator any, an instructor their students', all their own.

    Files are kept; what a notebook has only in memory is lost. A place in line is left.
    """
    stopped = await stop(visit.services, visit.person, username, reason)
    return StopOut(username=username, stopped=stopped)


@router.post("/servers/{username}/extend")
async def extend_server(username: str, wanted: ExtendIn, visit: Here) -> ExtendOut:
    """Let somebody's session last longer: their own where quota and queue allow it.

    Staff extend their students' whatever the queue says, as far as the quota goes.
    """
    lease = await extend(visit.services, visit.person, username, wanted.minutes, wanted.reason)
    return ExtendOut(username=username, until=lease.until)


@router.post("/servers", status_code=202)
async def start_server(wanted: StartIn, visit: Here) -> StartOut:
    """Start a server for a student (instructors, administrators); it takes its place in line."""
    person = visit.person
    place = await start_for(visit.services, person, wanted.username, wanted.options, wanted.reason)
    return StartOut(username=wanted.username, place=place)


async def stop(services: Services, person: Person, username: str, reason: str) -> bool:
    """Stop every server of `username`; True where the Hub is done with it already."""
    servers = await servers_of(services, person, username)
    reason = reason_for(person, username, reason)
    done = [await _stop(services, person, server, reason) for server in servers]
    return all(done)


async def _stop(services: Services, person: Person, server: Server, reason: str) -> bool:
    others = person.name != server.username
    if others:
        await _note(services, person, "stop", server, reason)
    if server.lease and others:
        await asyncio.to_thread(services.ledger.note_end, server.lease.id, Ended.ADMINISTRATOR)
    if server.place:
        # Before the pending spawn ends: an open place would be posted again.
        leave = services.queue.leave
        await asyncio.to_thread(leave, server.place.id, person.name, clock.now())
    return await services.hub.stop(server.username, server.name)


async def extend(
    services: Services, person: Person, username: str, minutes: int, reason: str
) -> Lease:
    """The lease of `username` with `minutes` more; NothingToExtend, MayNotExtend, LongEnough ..."""
    server, held = await holding(services, person, username)
    reason = reason_for(person, username, reason)
    most = await most_minutes(services, person, held, server.groups)
    lease = await asyncio.to_thread(
        services.ledger.extend, held.id, minutes, clock.now(), most_minutes=most
    )
    if lease.stop_why is Ended.IDLE:
        lease = await asyncio.to_thread(_keep, services, lease)
    if person.name != username:
        await _note(services, person, "extend", server, reason, f"{minutes} min")
    return lease


def _keep(services: Services, lease: Lease) -> Lease:
    """Who gives a session more time wants it to run: that it was idle counts no more."""
    services.usage.busy(lease.id, clock.now())
    return services.ledger.let_run(lease.id, Ended.IDLE)


async def holding(services: Services, person: Person, username: str) -> tuple[Server, Lease]:
    """The server of `username` that holds a lease, for who may act on it; NothingToExtend."""
    for server in await servers_of(services, person, username):
        if server.lease:
            return server, server.lease
    raise NothingToExtend(
        "{name} waits in line and holds nothing yet.",
        given=username,
        do="Extend it when it runs.",
        name=username,
    )


async def most_minutes(
    services: Services, person: Person, lease: Lease, groups: Collection[str]
) -> int:
    """How long `person` may make `lease` now, all its minutes; MayNotExtend where not at all.

    Its owner asks queue and quota, and only near its end, as JupyterLab's notice does: nobody piles
    minutes up while others wait for none of them yet. Staff ask the quota alone.
    """
    if person.name == lease.username:
        now, near = clock.now(), timedelta(minutes=services.settings.warn_minutes) + EARLIER
        if lease.until - now > near:
            raise too_soon(near)
        offer = await asyncio.to_thread(services.queue.may_extend, lease, now)
        if offer.refused is not None:
            raise not_extended(offer.refused)
        return lease.minutes + lease.extended_minutes + offer.minutes
    bounds = await asyncio.to_thread(services.quotas.of, lease.username, groups)
    return minutes_allowed(MOST_MINUTES, bounds, lease.group)


def not_extended(why: NoExtension) -> MayNotExtend:
    """The refusal to give an owner more time, by why."""
    return MayNotExtend(NO_EXTENSION_TEXT[why], do="Save your files; your home is kept.")


def too_soon(near: timedelta) -> MayNotExtend:
    """The refusal to give an owner more time while there is time left."""
    return MayNotExtend(
        "This session has time left; it can be extended in its last {minutes} minutes.",
        do="Come back then, or wait for the notice in JupyterLab.",
        minutes=near // timedelta(minutes=1),
    )


async def may_act_on_place(place_id: str, visit: Here) -> None:
    """Refuse who may not stop the server that waits there: NotYourPlace, NotYourServer."""
    services, who = visit.services, visit.person
    place = await asyncio.to_thread(find_place, services, who, place_id)
    # Their own place everybody may leave while the Hub is away, and administrators any.
    mine = who.is_administrator or who.name == place.username
    groups = frozenset() if mine else await groups_of(services, place.username)
    require_may_stop(who, place.username, groups)


async def start_for(
    services: Services, person: Person, username: str, options: Mapping[str, Any], reason: str
) -> str | None:
    """Start a server for `username` through the Hub; the id of their place while they wait."""
    require_staff(person)
    require_may_stop(person, username, await groups_of(services, username))
    reason = reason_for(person, username, reason)
    await find_person(services, username)  # the refusal names the nearest
    await asyncio.to_thread(_refuse_second, services, username)
    await services.hub.start(username, "", options)
    place = await _taken(services, username)
    wanted = ", ".join(f"{key} {value}" for key, value in sorted(options.items()))
    await asyncio.to_thread(
        services.audit.note,
        person.name,
        "start",
        reason or "own server",
        username=username,
        lease_id=place.lease_id if place else None,
        place_id=place.id if place else None,
        detail=wanted,
    )
    return place.id if place else None


async def _taken(services: Services, username: str) -> Place | None:
    """The place that the spawner took; None where the server is there already.

    The Hub answers before the spawner has decided: a refusal shows as a server that is gone again.
    """
    for _ in range(_LOOKS):
        place = await asyncio.to_thread(services.queue.of, username, "")
        if place is not None or await asyncio.to_thread(_holds, services, username):
            return place
        if not (await services.hub.user(username)).servers:
            break
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    raise NotStarted(
        "The server of {name} was asked for and did not start.",
        given=username,
        do="`./radlab logs hub` says why; the same start on the launch page tells its owner.",
        name=username,
    )


def _holds(services: Services, username: str) -> bool:
    return any(lease.username == username for lease in services.ledger.active())


def _refuse_second(services: Services, username: str) -> None:
    if _holds(services, username) or services.queue.of(username, ""):
        raise HasServer(
            "{name} has a server already, or waits for one.",
            given=username,
            do="Stop it first, or take them out of the queue.",
            name=username,
        )


async def _note(
    services: Services, person: Person, action: str, server: Server, reason: str, detail: str = ""
) -> None:
    await asyncio.to_thread(
        services.audit.note,
        person.name,
        action,
        reason,
        username=server.username,
        lease_id=server.lease.id if server.lease else None,
        place_id=server.place.id if server.place else None,
        detail=detail,
    )
