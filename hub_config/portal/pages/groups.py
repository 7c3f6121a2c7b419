"""Class groups: make one, say whether its containers reach the internet, see who is in it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, Response

from hub_config.errors import Conflict, RadLabError
from hub_config.groups.rules import Group, instructors_of, require_administrator
from hub_config.portal.gate import Here, Visit
from hub_config.portal.hub import HubUser
from hub_config.portal.pages.render import N_, go, page

Text = Annotated[str, Form()]


class GroupHasMembers(Conflict):
    """Somebody is in the group."""

    code = "group_has_members"


def administrators(visit: Here) -> None:
    """Lets administrators through, and nobody else."""
    require_administrator(visit.person)


router = APIRouter(prefix="/groups", dependencies=[Depends(administrators)])


@dataclass(frozen=True)
class Membership:
    """A class group with who is in it and how many GPUs it has."""

    group: Group
    students: list[str]
    instructors: list[str]
    gpus: int


@router.get("")
async def groups(visit: Here) -> HTMLResponse:
    """All groups, and the form for a new one."""
    return await _show(visit)


@router.post("")
async def create(visit: Here, name: Text = "", title: Text = "", internet: Text = "") -> Response:
    """Make a group."""
    values = {"name": name.strip(), "title": title.strip(), "internet": internet}
    try:
        await asyncio.to_thread(
            visit.services.groups.create,
            values["name"],
            title=values["title"],
            internet=bool(internet),
            by=visit.person.name,
        )
    except RadLabError as error:
        return await _show(visit, error=error, values=values)
    return go(
        visit,
        "groups",
        N_("The group {name} is there. Give it a GPU, then make a code for its students."),
        name=values["name"],
    )


@router.post("/{name}/internet")
def set_internet(visit: Here, name: str, allowed: Text = "") -> Response:
    """Let the group's containers reach the internet, or not."""
    visit.services.groups.set_internet(name, bool(allowed), visit.person.name)
    message = (
        N_("Containers of {name} that start from now on reach the internet.")
        if allowed
        else N_("Containers of {name} that start from now on do not reach the internet.")
    )
    return go(visit, "groups", message, name=name)


@router.post("/{name}/lending")
def set_lending(visit: Here, name: str, lends: Text = "", borrows: Text = "") -> Response:
    """Let others use the group's idle GPUs, and the group use others'."""
    store = visit.services.groups
    store.set_lending(name, bool(lends), bool(borrows), visit.person.name)
    message = {
        (True, True): N_("{name} lends its idle GPUs now, and borrows."),
        (True, False): N_("{name} lends its idle GPUs now, and does not borrow."),
        (False, True): N_("{name} borrows idle GPUs now, and does not lend."),
        (False, False): N_("{name} neither lends nor borrows now."),
    }[bool(lends), bool(borrows)]
    return go(visit, "groups", message, name=name)


@router.get("/{name}/remove")
def confirm_remove(visit: Here, name: str) -> HTMLResponse:
    """Ask before removing."""
    return page(visit, "group_remove.html", group=visit.services.groups.get(name))


@router.post("/{name}/remove")
async def remove(visit: Here, name: str) -> Response:
    """Remove a group that nothing names and that nobody is in."""
    store = visit.services.groups
    try:
        _require_empty(name, await visit.services.hub.users())
        await asyncio.to_thread(store.remove, name, visit.person.name)
    except RadLabError as error:
        group = await asyncio.to_thread(store.get, name)
        return page(visit, "group_remove.html", group=group, error=error)
    return go(visit, "groups", N_("The group {name} is removed."), name=name)


def _require_empty(name: str, users: list[HubUser]) -> None:
    # The Hub keeps its group: whoever is in it would be found in a new one of the same name.
    members = [user.name for user in users if {name, instructors_of(name)} & user.groups]
    if members:
        raise GroupHasMembers(
            "The group '{name}' cannot be removed: it has members ({members}).",
            given=name,
            do="Take them out on the page of people first.",
            name=name,
            members=len(members),
        )


async def _show(
    visit: Visit,
    *,
    error: RadLabError | None = None,
    values: Mapping[str, str] | None = None,
) -> HTMLResponse:
    users, all_groups, devices = await asyncio.gather(
        visit.services.hub.users(),
        asyncio.to_thread(visit.services.groups.all),
        asyncio.to_thread(visit.services.devices.all),
    )
    held = [row.group for row in devices if not row.gone]
    return page(
        visit,
        "groups.html",
        memberships=[_membership(group, users, held.count(group.name)) for group in all_groups],
        values=values or {"name": "", "title": "", "internet": ""},
        error=error,
    )


def _membership(group: Group, users: list[HubUser], gpus: int) -> Membership:
    teaching = instructors_of(group.name)
    instructors = [user.name for user in users if teaching in user.groups]
    students = [
        user.name for user in users if group.name in user.groups and teaching not in user.groups
    ]
    return Membership(group, students, instructors, gpus)
