"""Servers as cards with their load; stop and extend one, after a question."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, Response

from hub_config.errors import RadLabError
from hub_config.gpus.model import ENDED_TEXT
from hub_config.portal.acting import extend, holding, most_minutes, stop
from hub_config.portal.gate import Here, Visit
from hub_config.portal.pages.groups import Text
from hub_config.portal.pages.invites import staff
from hub_config.portal.pages.modules import module_titles
from hub_config.portal.pages.render import N_, go, page
from hub_config.portal.rules import may_stop, minutes_of
from hub_config.portal.servers import servers_of, visible_servers

router = APIRouter(prefix="/servers")
# What the field proposes: a short lesson's end.
_PROPOSED = 30


@router.get("", dependencies=[Depends(staff)])
async def servers(visit: Here) -> HTMLResponse:
    """Every server that one may see, with its cards and its load."""
    found, titles = await asyncio.gather(
        visible_servers(visit.services, visit.person),
        asyncio.to_thread(module_titles, visit.services, visit.language),
    )
    stoppable = {s.username for s in found if may_stop(visit.person, s.username, s.groups)}
    return page(
        visit, "servers.html", servers=found, stoppable=stoppable, titles=titles, ended=ENDED_TEXT
    )


@router.get("/{username}/stop")
async def confirm_stop(visit: Here, username: str) -> HTMLResponse:
    """Ask before stopping, and say what will be lost."""
    return await _show_stop(visit, username)


@router.post("/{username}/stop")
async def stop_server(visit: Here, username: str, reason: Text = "") -> Response:
    """Stop the server through the Hub."""
    try:
        stopped = await stop(visit.services, visit.person, username, reason)
    except RadLabError as error:
        return await _show_stop(visit, username, error, reason)
    message = (
        N_("The server of {name} is stopped; its files are kept.")
        if stopped
        else N_("The server of {name} is being stopped; its files are kept.")
    )
    return go(visit, _back(visit, username), message, name=username)


@router.get("/{username}/extend")
async def ask_extend(visit: Here, username: str) -> HTMLResponse:
    """Ask by how many minutes, and say how many there can be."""
    return await _show_extend(visit, username)


@router.post("/{username}/extend")
async def extend_server(
    visit: Here, username: str, minutes: Text = "", reason: Text = ""
) -> Response:
    """Give the session more time."""
    try:
        await extend(visit.services, visit.person, username, minutes_of(minutes), reason)
    except RadLabError as error:
        values = {"minutes": minutes, "reason": reason}
        return await _show_extend(visit, username, error, values)
    message = N_("The session of {name} has {minutes} minutes more.")
    return go(visit, _back(visit, username), message, name=username, minutes=minutes.strip())


def _back(visit: Visit, username: str) -> str:
    return "" if username == visit.person.name else "servers"


async def _show_stop(
    visit: Here, username: str, error: RadLabError | None = None, reason: str = ""
) -> HTMLResponse:
    found, titles = await asyncio.gather(
        servers_of(visit.services, visit.person, username),
        asyncio.to_thread(module_titles, visit.services, visit.language),
    )
    return page(
        visit,
        "server_stop.html",
        username=username,
        servers=found,
        titles=titles,
        values={"reason": reason},
        error=error,
    )


async def _show_extend(
    visit: Visit,
    username: str,
    error: RadLabError | None = None,
    values: Mapping[str, str] | None = None,
) -> HTMLResponse:
    server, lease = await holding(visit.services, visit.person, username)
    refused, most = "", 0
    try:
        allowed = await most_minutes(visit.services, visit.person, lease, server.groups)
        most = max(0, allowed - lease.minutes - lease.extended_minutes)
    except RadLabError as refusal:
        refused = refusal.localised(visit.gettext)
    return page(
        visit,
        "server_extend.html",
        username=username,
        server=server,
        most=most,
        refused=refused if error is None else "",
        titles=await asyncio.to_thread(module_titles, visit.services, visit.language),
        values=values or {"minutes": str(min(_PROPOSED, most) or 1), "reason": ""},
        error=error,
    )
