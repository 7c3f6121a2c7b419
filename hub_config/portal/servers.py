"""Running servers: the ledger says what each holds and until when, the Hub says how it is.

`GET /api/servers`, and the same for the pages: beside each its load, as the keeper sampled it. What
is done to servers stands in `acting.py`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from hub_config.errors import NotFound, nearest
from hub_config.gpus.model import Lease
from hub_config.groups.rules import Person
from hub_config.portal.gate import Here
from hub_config.portal.hub import HubServer, HubUser, UnknownUser
from hub_config.portal.rules import may_see, may_stop, require_may_stop
from hub_config.portal.services import Services
from hub_config.queueing.model import Place
from hub_config.usage.model import LeaseUsage

_LAST = datetime.max.replace(tzinfo=UTC)

router = APIRouter(prefix="/api", tags=["servers"])


class NoServer(NotFound):
    """That person runs no server."""

    code = "no_server"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that waits, starts, runs or ends, with its lease where it has one.

    `state` is "waiting", "starting", "running" or "stopping"; "ending": the Hub is done with it,
    the container is not gone yet.
    """

    username: str
    name: str
    state: str
    groups: frozenset[str]
    url: str
    since: datetime | None
    lease: Lease | None
    place: Place | None = None
    usage: LeaseUsage | None = None

    @property
    def until(self) -> datetime | None:
        """When it ends, where it has a lease: with its minutes, or earlier."""
        return self.lease.until if self.lease else None


class GpuOut(BaseModel):
    """A GPU that a server holds."""

    uuid: str
    model: str
    memory_mb: int
    simulated: bool


class LoadOut(BaseModel):
    """What a server's container used, when the keeper looked last."""

    sampled_at: datetime | None
    cpu: float = Field(description="Cores in use.")
    memory_mb: int
    memory_peak_mb: int
    gpu: float | None = Field(description="Utilisation of its GPUs, 0 to 1; null: not known.")
    gpu_memory_mb: int
    gpu_memory_peak_mb: int
    oom_kills: int = Field(description="Processes that were killed for memory.")
    oom_process: str | None = Field(description="The last of them.")
    busy_at: datetime | None = Field(description="The last moment of real use.")


class ServerOut(BaseModel):
    """A server as the API shows it."""

    username: str
    name: str = Field(description="Empty for the one server that everybody has.")
    state: str = Field(
        description="waiting (in line), starting, running, stopping, or ending (container going)."
    )
    since: datetime | None
    until: datetime | None = Field(description="When it ends.")
    ends_early: str | None = Field(description="Why it ends before its minutes are used.")
    lease: str | None = Field(description="The id of its lease.")
    place: str | None = Field(description="The id of its place in line, while it has one.")
    group: str | None = Field(description="The group that it counts for.")
    lender: str | None = Field(description="The group that lends its GPU.")
    module: str | None
    image: str | None
    size: str | None
    cpus: float | None
    memory_mb: int | None
    gpus: list[GpuOut]
    load: LoadOut | None
    may_stop: bool = Field(description="The person who asks may stop it.")


class ServersOut(BaseModel):
    """The servers that the person who asks may see."""

    servers: list[ServerOut]


@router.get("/servers")
async def list_servers(visit: Here) -> ServersOut:
    """Servers that start, run or stop: all, those of one's groups, or one's own."""
    visible = await visible_servers(visit.services, visit.person)
    return ServersOut(servers=[_shown(server, visit.person) for server in visible])


async def visible_servers(services: Services, person: Person) -> list[Server]:
    """The servers that `person` may see, longest running first."""
    everything = await _all_servers(services)
    return [server for server in everything if may_see(person, server.username, server.groups)]


async def servers_of(services: Services, person: Person, username: str) -> list[Server]:
    """The servers of `username`, where `person` may act on them; NotYourServer, NoServer."""
    everything = await _all_servers(services)
    found = [server for server in everything if server.username == username]
    groups = found[0].groups if found else await groups_of(services, username)
    require_may_stop(person, username, groups)
    if not found:
        raise NoServer(
            "{name} runs no server now.{hint}",
            given=username,
            name=username,
            hint=nearest(username, {server.username for server in everything}),
        )
    return found


async def _all_servers(services: Services) -> list[Server]:
    users, (leases, places, usage) = await asyncio.gather(
        services.hub.users(active=True), asyncio.to_thread(_kept, services)
    )
    servers = _join(users, leases, places, usage)
    return sorted(servers, key=lambda server: (server.since or _LAST, server.username))


def _kept(services: Services) -> tuple[list[Lease], list[Place], dict[str, LeaseUsage]]:
    leases, places = services.ledger.active(), services.queue.open()
    return leases, places, services.usage.of([lease.id for lease in leases])


def _join(
    users: list[HubUser],
    leases: list[Lease],
    places: list[Place],
    usage: dict[str, LeaseUsage],
) -> list[Server]:
    hub = {(user.name, server.name): server for user in users for server in user.servers}
    held = {(lease.username, lease.server_name): lease for lease in leases}
    waiting = {(place.username, place.server_name): place for place in places}
    groups: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
    groups.update({user.name: user.groups for user in users})
    servers = []
    for key in {**hub, **held, **waiting}:
        lease, place = held.get(key), waiting.get(key)
        servers.append(
            Server(
                username=key[0],
                name=key[1],
                state=_state(hub.get(key), lease, place),
                # The Hub lists only active users: for the rest the lease's group is what we know.
                groups=groups[key[0]] or _groups_known(lease, place),
                url=hub[key].url if key in hub else "",
                since=_since(hub.get(key), lease, place),
                lease=lease,
                place=place,
                usage=usage.get(lease.id) if lease else None,
            )
        )
    return servers


def _state(server: HubServer | None, lease: Lease | None, place: Place | None) -> str:
    if place and not lease:
        return "waiting"
    if server:
        return server.state
    return "ending" if lease and lease.started_at else "starting"


def _since(server: HubServer | None, lease: Lease | None, place: Place | None) -> datetime | None:
    if lease:
        return lease.started_at or lease.granted_at
    if place:
        return place.entered_at
    return server.started_at if server else None


def _groups_known(lease: Lease | None, place: Place | None) -> frozenset[str]:
    if lease:
        return frozenset({lease.group} if lease.group else ())
    return frozenset(place.request.groups if place else ())


async def groups_of(services: Services, username: str) -> frozenset[str]:
    """The Hub's groups of `username`; none of somebody whom it does not know."""
    try:
        return (await services.hub.user(username)).groups
    except UnknownUser:
        return frozenset()


def _shown(server: Server, person: Person) -> ServerOut:
    lease = server.lease
    asked = lease or (server.place.request if server.place else None)
    return ServerOut(
        username=server.username,
        name=server.name,
        state=server.state,
        since=server.since,
        until=server.until,
        ends_early=lease.until_why if lease and lease.until < lease.ends_at else None,
        lease=lease.id if lease else None,
        place=server.place.id if server.place else None,
        group=lease.group if lease else None,
        lender=lease.lender if lease else None,
        module=asked.module if asked else None,
        image=asked.image if asked else None,
        size=asked.size if asked else None,
        cpus=asked.cpus if asked else None,
        memory_mb=asked.memory_mb if asked else None,
        gpus=[
            GpuOut(uuid=d.uuid, model=d.model, memory_mb=d.memory_mb, simulated=d.simulated)
            for d in (lease.devices if lease else ())
        ],
        load=_load(server.usage),
        may_stop=may_stop(person, server.username, server.groups),
    )


def _load(usage: LeaseUsage | None) -> LoadOut | None:
    if usage is None:
        return None
    return LoadOut(
        sampled_at=usage.sampled_at,
        cpu=usage.cpu_now,
        memory_mb=usage.memory_now_mb,
        memory_peak_mb=usage.memory_peak_mb,
        gpu=usage.gpu_now,
        gpu_memory_mb=usage.gpu_memory_now_mb,
        gpu_memory_peak_mb=usage.gpu_memory_peak_mb,
        oom_kills=usage.oom_kills,
        oom_process=usage.oom_process,
        busy_at=usage.busy_at,
    )
