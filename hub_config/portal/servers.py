"""Running servers: the ledger says what each holds and until when, the Hub says how it is.

`GET /api/servers` and `DELETE /api/servers/{username}`, and the same for the pages. A server is
stopped through the Hub; why it ends is noted in the ledger first, because only the portal knows.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from hub_config.errors import NotFound, nearest
from hub_config.gpus.model import Ended, Lease
from hub_config.groups.rules import Person
from hub_config.portal.gate import Here
from hub_config.portal.hub import HubServer, HubUser, UnknownUser
from hub_config.portal.rules import may_see, may_stop, require_may_stop
from hub_config.portal.services import Services

_LAST = datetime.max.replace(tzinfo=UTC)

router = APIRouter(prefix="/api", tags=["servers"])


class NoServer(NotFound):
    """That person runs no server."""

    code = "no_server"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that is starting, running or ending, with its lease where it has one."""

    username: str
    name: str
    state: str  # "starting", "running", "stopping"; "ending": the Hub is done, the container not
    groups: frozenset[str]
    url: str
    since: datetime | None
    lease: Lease | None

    @property
    def until(self) -> datetime | None:
        """When its time is up, where it has a lease."""
        return self.lease.ends_at if self.lease else None


class GpuOut(BaseModel):
    """A GPU that a server holds."""

    uuid: str
    model: str
    memory_mb: int
    simulated: bool


class ServerOut(BaseModel):
    """A server as the API shows it."""

    username: str
    name: str = Field(description="Empty for the one server that everybody has.")
    state: str = Field(description="starting, running, stopping, or ending (container going).")
    since: datetime | None
    until: datetime | None = Field(description="When its time is up.")
    group: str | None = Field(description="The group whose GPU it holds.")
    module: str | None
    image: str | None
    gpus: list[GpuOut]
    may_stop: bool = Field(description="The person who asks may stop it.")


class ServersOut(BaseModel):
    """The servers that the person who asks may see."""

    servers: list[ServerOut]


class StopOut(BaseModel):
    """What became of a request to stop."""

    username: str
    stopped: bool = Field(description="False: the Hub is still at it.")


@router.get("/servers")
async def list_servers(visit: Here) -> ServersOut:
    """Servers that start, run or stop: all, those of one's groups, or one's own."""
    visible = await visible_servers(visit.services, visit.person)
    return ServersOut(servers=[_shown(server, visit.person) for server in visible])


@router.delete("/servers/{username}", status_code=202)
async def stop_server(username: str, visit: Here) -> StopOut:
    """Stop somebody's server: an administrator any, an instructor their students', all their own.

    Files are kept; what a notebook has only in memory is lost.
    """
    return StopOut(username=username, stopped=await stop(visit.services, visit.person, username))


async def visible_servers(services: Services, person: Person) -> list[Server]:
    """The servers that `person` may see, longest running first."""
    everything = await _all_servers(services)
    return [server for server in everything if may_see(person, server.username, server.groups)]


async def servers_to_stop(services: Services, person: Person, username: str) -> list[Server]:
    """The servers of `username`, where `person` may stop them; NotYourServer, NoServer."""
    everything = await _all_servers(services)
    found = [server for server in everything if server.username == username]
    groups = found[0].groups if found else await _groups_of(services, username)
    require_may_stop(person, username, groups)
    if not found:
        raise NoServer(
            "{name} runs no server now.{hint}",
            given=username,
            name=username,
            hint=nearest(username, {server.username for server in everything}),
        )
    return found


async def stop(services: Services, person: Person, username: str) -> bool:
    """Stop every server of `username`; True where the Hub is done with it already."""
    why = Ended.STOPPED if person.name == username else Ended.ADMINISTRATOR
    stopped = True
    for server in await servers_to_stop(services, person, username):
        if server.lease and why is not Ended.STOPPED:
            await asyncio.to_thread(services.ledger.note_end, server.lease.id, why)
        stopped &= await services.hub.stop(username, server.name)
    return stopped


async def _all_servers(services: Services) -> list[Server]:
    users, leases = await asyncio.gather(
        services.hub.users(active=True), asyncio.to_thread(services.ledger.active)
    )
    servers = _join(users, leases)
    return sorted(servers, key=lambda server: (server.since or _LAST, server.username))


def _join(users: list[HubUser], leases: list[Lease]) -> list[Server]:
    by_server = {(lease.username, lease.server_name): lease for lease in leases}
    servers = [
        _server(user.groups, server, by_server.pop((user.name, server.name), None))
        for user in users
        for server in user.servers
    ]
    known: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
    known.update({user.name: user.groups for user in users})
    return servers + [_ending(lease, known[lease.username]) for lease in by_server.values()]


def _server(groups: frozenset[str], server: HubServer, lease: Lease | None) -> Server:
    since = (lease.started_at or lease.granted_at) if lease else server.started_at
    return Server(
        username=server.username,
        name=server.name,
        state=server.state,
        groups=groups,
        url=server.url,
        since=since,
        lease=lease,
    )


def _ending(lease: Lease, groups: frozenset[str]) -> Server:
    # The Hub lists only active users: for the rest the lease's group is what we know.
    return Server(
        username=lease.username,
        name=lease.server_name,
        state="ending" if lease.started_at else "starting",
        groups=groups or frozenset({lease.group} if lease.group else ()),
        url="",
        since=lease.started_at or lease.granted_at,
        lease=lease,
    )


async def _groups_of(services: Services, username: str) -> frozenset[str]:
    try:
        return (await services.hub.user(username)).groups
    except UnknownUser:
        return frozenset()


def _shown(server: Server, person: Person) -> ServerOut:
    lease = server.lease
    return ServerOut(
        username=server.username,
        name=server.name,
        state=server.state,
        since=server.since,
        until=server.until,
        group=lease.group if lease else None,
        module=lease.module if lease else None,
        image=lease.image if lease else None,
        gpus=[
            GpuOut(uuid=d.uuid, model=d.model, memory_mb=d.memory_mb, simulated=d.simulated)
            for d in (lease.devices if lease else ())
        ],
        may_stop=may_stop(person, server.username, server.groups),
    )
