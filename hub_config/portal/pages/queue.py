"""The queue: who runs, who waits and why; move up, take out, start for a student."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, Response

from hub_config import clock
from hub_config.errors import RadLabError
from hub_config.groups.rules import Person
from hub_config.portal.acting import may_act_on_place, start_for
from hub_config.portal.gate import Here, Visit
from hub_config.portal.pages.groups import Text
from hub_config.portal.pages.invites import staff
from hub_config.portal.pages.modules import module_titles
from hub_config.portal.pages.render import N_, go, page
from hub_config.portal.rules import may_see, may_stop
from hub_config.portal.services import Services
from hub_config.portal.starting import offers, options_of, sizes
from hub_config.queueing.api import find_place, give_up, put_first
from hub_config.queueing.api import may_see as may_see_line
from hub_config.queueing.lines import Line, lines
from hub_config.queueing.model import Reason

router = APIRouter(prefix="/queue")
STATE_TEXT = {
    "running": N_("Running"),
    "starting": N_("Starting"),
    "waiting": N_("Queueing"),
}
# In a few words for staff; whoever waits reads the whole sentence.
REASON_TEXT = {
    Reason.STARTS: N_("servers start a few at a time"),
    Reason.BUSY: N_("all GPUs that would serve are in use"),
    Reason.BEHIND: N_("what is free goes to those before"),
    Reason.QUOTA_GROUP: N_("the group is at its limit"),
    Reason.QUOTA_PERSON: N_("at their own limit"),
    Reason.RECALLING: N_("a GPU on loan was called back"),
    Reason.STARTING: N_("the container starts"),
    Reason.ENDING: N_("their last session is being ended"),
    Reason.PAUSED: N_("nothing starts at the moment"),
}
_EMPTY = {"username": "", "what": "", "size": "", "reason": ""}


@dataclass(frozen=True)
class Queue:
    """The lines that one may see, and how many there are of all."""

    lines: list[Line]
    running: int
    waiting: int


@router.get("")
async def queue(visit: Here) -> HTMLResponse:
    """Everybody whom one may see, in order; counts of the rest."""
    return await _show(visit)


@router.post("/start", dependencies=[Depends(staff)])
async def start(
    visit: Here, username: Text = "", what: Text = "", size: Text = "", reason: Text = ""
) -> Response:
    """Start a server for a student; it takes its place in line."""
    name = username.strip()
    try:
        place = await start_for(visit.services, visit.person, name, options_of(what, size), reason)
    except RadLabError as error:
        values = {"username": name, "what": what, "size": size, "reason": reason}
        return await _show(visit, error=error, values=values)
    message = (
        N_("The server of {name} waits in line.") if place else N_("The server of {name} starts.")
    )
    return go(visit, "queue", message, name=name)


@router.get("/{place_id}/move-up", dependencies=[Depends(staff), Depends(may_act_on_place)])
async def ask_move_up(visit: Here, place_id: str) -> HTMLResponse:
    """Ask why."""
    return await _ask(visit, "place_move_up.html", place_id)


@router.post("/{place_id}/move-up", dependencies=[Depends(staff), Depends(may_act_on_place)])
async def do_move_up(visit: Here, place_id: str, reason: Text = "") -> Response:
    """Let somebody go before the others of their group, or of the site."""
    try:
        place = await asyncio.to_thread(put_first, visit.services, visit.person, place_id, reason)
    except RadLabError as error:
        return await _ask(visit, "place_move_up.html", place_id, error, reason)
    return go(visit, "queue", N_("{name} has moved up."), name=place.username)


@router.get("/{place_id}/leave", dependencies=[Depends(may_act_on_place)])
async def ask_leave(visit: Here, place_id: str) -> HTMLResponse:
    """Ask before a place is given up."""
    return await _ask(visit, "place_leave.html", place_id)


@router.post("/{place_id}/leave", dependencies=[Depends(may_act_on_place)])
async def do_leave(visit: Here, place_id: str, reason: Text = "") -> Response:
    """Close a place."""
    try:
        place = await asyncio.to_thread(give_up, visit.services, visit.person, place_id, reason)
    except RadLabError as error:
        return await _ask(visit, "place_leave.html", place_id, error, reason)
    return go(visit, "queue", N_("{name} is out of the queue."), name=place.username)


async def _show(
    visit: Visit,
    *,
    error: RadLabError | None = None,
    values: Mapping[str, str] | None = None,
) -> HTMLResponse:
    services, person = visit.services, visit.person
    is_staff = person.is_administrator or person.is_instructor
    seen, titles, choices, groups = await asyncio.gather(
        asyncio.to_thread(_seen, services, person),
        asyncio.to_thread(module_titles, services, visit.language),
        asyncio.to_thread(offers, services, visit.person, visit.language)
        if is_staff
        else _nothing(),
        _groups(visit) if is_staff else _nobody(),
    )
    owners = {line.username for line in seen.lines}
    return page(
        visit,
        "queue.html",
        queue=seen,
        titles=titles,
        states=STATE_TEXT,
        reasons=REASON_TEXT,
        staff=is_staff,
        offers=choices,
        people=[name for name, its in groups.items() if may_see(person, name, its)],
        theirs={name for name in owners if may_stop(person, name, groups.get(name, ()))},
        sizes=await asyncio.to_thread(sizes, services, visit.language),
        values=values or _EMPTY,
        error=error,
    )


def _seen(services: Services, person: Person) -> Queue:
    every = lines(services.queue.board(clock.now()), services.ledger.active())
    states = [line.state for line in every]
    seen = [line for line in every if may_see_line(person, line.username, line.groups)]
    return Queue(seen, states.count("running"), states.count("waiting"))


async def _groups(visit: Visit) -> dict[str, frozenset[str]]:
    return {user.name: user.groups for user in await visit.services.hub.users()}


async def _nobody() -> dict[str, frozenset[str]]:
    return {}


async def _nothing() -> list[str]:
    return []


async def _ask(
    visit: Visit,
    template: str,
    place_id: str,
    error: RadLabError | None = None,
    reason: str = "",
) -> HTMLResponse:
    place, titles = await asyncio.gather(
        asyncio.to_thread(find_place, visit.services, visit.person, place_id),
        asyncio.to_thread(module_titles, visit.services, visit.language),
    )
    return page(visit, template, place=place, titles=titles, values={"reason": reason}, error=error)
