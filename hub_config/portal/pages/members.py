"""The class groups of one person: put them into one, take them out of one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import quote

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, Response

from hub_config.errors import RadLabError
from hub_config.portal.gate import Here, Visit
from hub_config.portal.members import find_person, memberships, put_into, take_out
from hub_config.portal.pages.groups import Text, administrators
from hub_config.portal.pages.invites import ROLE_TEXT
from hub_config.portal.pages.render import N_, go, page
from hub_config.portal.rules import MEMBERSHIPS, membership

router = APIRouter(prefix="/people/{name}/groups", dependencies=[Depends(administrators)])


@router.get("")
async def groups_of(visit: Here, name: str) -> HTMLResponse:
    """What the person learns and teaches, and the form that changes it."""
    return await _show(visit, name)


@router.post("")
async def put(visit: Here, name: str, group: Text = "", role: Text = "") -> Response:
    """Put the person into a group."""
    try:
        await put_into(visit.services, name, group, membership(role), by=visit.person.name)
    except RadLabError as error:
        return await _show(visit, name, error=error, values={"group": group, "role": role})
    message = (
        N_("{name} teaches {group} now. It counts from the next start of their server.")
        if role == "instructor"
        else N_("{name} studies in {group} now. It counts from the next start of their server.")
    )
    return go(visit, _path(name), message, name=name, group=group)


@router.post("/{group}/remove")
async def take(visit: Here, name: str, group: str) -> Response:
    """Take the person out of a group; no question before it, since they can be put back."""
    try:
        await take_out(visit.services, name, group, by=visit.person.name)
    except RadLabError as error:
        return await _show(visit, name, error=error)
    message = N_("{name} is out of {group}. It counts from the next start of their server.")
    return go(visit, _path(name), message, name=name, group=group)


def _path(name: str) -> str:
    return f"people/{quote(name, safe='')}/groups"


async def _show(
    visit: Visit,
    name: str,
    *,
    error: RadLabError | None = None,
    values: Mapping[str, str] | None = None,
) -> HTMLResponse:
    someone = await find_person(visit.services, name)
    return page(
        visit,
        "person_groups.html",
        member=await memberships(visit.services, name, someone.groups),
        groups=await asyncio.to_thread(visit.services.groups.all),
        roles={role: ROLE_TEXT[role] for role in MEMBERSHIPS},
        values=values or {"group": "", "role": "student"},
        error=error,
    )
