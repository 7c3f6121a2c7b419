"""The first page: for staff what is running and who holds which GPU, for a student what they hold.

An administrator of a new site also sees what is still to do before the first student can start.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from hub_config import clock
from hub_config.gpus.model import ENDED_TEXT, DeviceRow, Free
from hub_config.groups.rules import Group, Person
from hub_config.portal.gate import Here
from hub_config.portal.pages.modules import module_titles
from hub_config.portal.pages.render import page
from hub_config.portal.rules import may_stop
from hub_config.portal.servers import Server, visible_servers
from hub_config.portal.services import Services

router = APIRouter()


@dataclass(frozen=True)
class FirstSteps:
    """What a new site needs before its first student can start."""

    group: bool
    gpu: bool
    invite: bool
    gpus_found: int

    @property
    def done(self) -> bool:
        """True once a student could come in and start."""
        return self.group and self.gpu and self.invite


@dataclass(frozen=True)
class Site:
    """What the first page says of the site to one member of staff."""

    devices: list[DeviceRow]
    steps: FirstSteps | None
    taught: list[tuple[Group, Free]]


@router.get("/")
async def overview(visit: Here) -> HTMLResponse:
    """The page that fits who asks."""
    person, services = visit.person, visit.services
    servers, titles = await asyncio.gather(
        visible_servers(services, person),
        asyncio.to_thread(module_titles, services, visit.language),
    )
    if not (person.is_administrator or person.is_instructor):
        return page(visit, "student.html", servers=servers, titles=titles, ended=ENDED_TEXT)
    site = await asyncio.to_thread(_site, services, person)
    return page(
        visit,
        "overview.html",
        site=site,
        servers=servers,
        stoppable=_stoppable(person, servers),
        titles=titles,
    )


def _stoppable(person: Person, servers: list[Server]) -> set[str]:
    return {s.username for s in servers if may_stop(person, s.username, s.groups)}


def _site(services: Services, person: Person) -> Site:
    devices = services.devices.all()
    groups = services.groups.all()
    if not person.is_administrator:
        devices = [row for row in devices if row.pool or row.group in person.taught]
    taught = [
        (group, services.ledger.free_for((group.name,), clock.now()))
        for group in groups
        if group.name in person.taught
    ]
    steps = _first_steps(services, groups, devices) if person.is_administrator else None
    return Site([row for row in devices if not row.gone or row.lease], steps, taught)


def _first_steps(services: Services, groups: list[Group], devices: list[DeviceRow]) -> FirstSteps:
    usable = [row for row in devices if row.usable]
    return FirstSteps(
        group=bool(groups),
        # A machine without any GPU teaches on its CPU: then there is nothing to assign.
        gpu=not usable or any(row.group or row.pool for row in usable),
        invite=any(invite.group for invite in services.invites.all()),
        gpus_found=len(usable),
    )
