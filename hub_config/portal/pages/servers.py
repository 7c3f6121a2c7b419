"""Stop somebody's server, after a question."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from hub_config.errors import RadLabError
from hub_config.portal.gate import Here
from hub_config.portal.pages.modules import module_titles
from hub_config.portal.pages.render import N_, go, page
from hub_config.portal.servers import servers_to_stop, stop

router = APIRouter(prefix="/servers")


@router.get("/{username}/stop")
async def confirm_stop(visit: Here, username: str) -> HTMLResponse:
    """Ask before stopping, and say what will be lost."""
    return await _show(visit, username)


@router.post("/{username}/stop")
async def stop_server(visit: Here, username: str) -> Response:
    """Stop the server through the Hub."""
    try:
        stopped = await stop(visit.services, visit.person, username)
    except RadLabError as error:
        return await _show(visit, username, error)
    message = (
        N_("The server of {name} is stopped; its files are kept.")
        if stopped
        else N_("The server of {name} is being stopped; its files are kept.")
    )
    return go(visit, "", message, name=username)


async def _show(visit: Here, username: str, error: RadLabError | None = None) -> HTMLResponse:
    servers, titles = await asyncio.gather(
        servers_to_stop(visit.services, visit.person, username),
        asyncio.to_thread(module_titles, visit.services, visit.language),
    )
    return page(
        visit,
        "server_stop.html",
        username=username,
        servers=servers,
        titles=titles,
        error=error,
    )
