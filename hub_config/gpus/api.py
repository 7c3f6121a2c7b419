"""Routes of devices and leases: who holds which GPU since when and until when.

Administrators see all. Instructors see the devices of the groups that they teach, and the leases
of those groups; where a device of theirs is still held by another group's student, they see until
when, not by whom. Everybody sees their own leases.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import DeviceRow, Lease
from hub_config.gpus.store import DeviceStore
from hub_config.groups.rules import Person, require_administrator, require_staff


class Services(Protocol):
    """What these routes need of the portal."""

    @property
    def devices(self) -> DeviceStore:
        """The devices."""

    @property
    def ledger(self) -> Ledger:
        """The leases."""


class LeaseOut(BaseModel):
    """A lease as the API shows it; times in UTC."""

    id: str
    username: str
    server_name: str
    group: str | None
    task: str
    module: str | None
    module_version: str | None
    image: str
    cpus: float
    memory_mb: int
    minutes: int
    devices: list[str] = Field(description="UUIDs of its GPUs.")
    simulated: bool = Field(description="Its GPUs are simulated.")
    granted_at: datetime
    started_at: datetime | None
    ends_at: datetime
    released_at: datetime | None
    why_ended: str | None
    size: str | None
    lender: str | None = Field(description="The group that lends the GPUs, where another one.")
    ready_at: datetime | None = Field(description="When JupyterLab answered.")
    extended_minutes: int = Field(description="Minutes that came on top of `minutes`.")
    until: datetime = Field(description="When it ends: `ends_at`, or earlier for `until_why`.")
    until_why: str = Field(description="Why it will end: time_up, idle, recalled, hours_used.")
    image_digest: str | None
    datasets: list[str] = Field(description="Dataset versions that it saw at its start.")


class GpuOut(BaseModel):
    """A GPU as the API shows it."""

    uuid: str
    server: str
    index: int
    model: str
    memory_mb: int
    simulated: bool
    group: str | None = Field(description="The group that it belongs to, if any.")
    pool: bool = Field(description="Every group may use it. Neither group nor pool: nobody may.")
    draining: bool = Field(description="Nothing new is granted on it; what runs goes on.")
    gone: bool = Field(description="It was found once and is not there now.")
    unusable: str | None = Field(description="Why it cannot be leased, such as `mig`.")
    in_use: bool
    free_at: datetime | None = Field(description="When the lease on it ends.")
    lease: LeaseOut | None = Field(description="The lease on it, for those who may see whose.")


class GroupChoice(BaseModel):
    """The group that a GPU is to belong to."""

    model_config = ConfigDict(extra="forbid")

    group: str | None = Field(description="A group's name, or null: no group's.")
    pool: bool = Field(default=False, description="With no group: every group may use the GPU.")


class Draining(BaseModel):
    """Whether a GPU drains."""

    model_config = ConfigDict(extra="forbid")

    draining: bool = Field(description="Grant nothing new on it (true), or grant again (false).")


def lease_out(lease: Lease) -> LeaseOut:
    """`lease` as the API shows it."""
    return LeaseOut(
        id=lease.id,
        username=lease.username,
        server_name=lease.server_name,
        group=lease.group,
        task=lease.task,
        module=lease.module,
        module_version=lease.module_version,
        image=lease.image,
        cpus=lease.cpus,
        memory_mb=lease.memory_mb,
        minutes=lease.minutes,
        devices=list(lease.device_uuids),
        simulated=lease.simulated,
        granted_at=lease.granted_at,
        started_at=lease.started_at,
        ends_at=lease.ends_at,
        released_at=lease.released_at,
        why_ended=lease.why_ended,
        size=lease.size,
        lender=lease.lender,
        ready_at=lease.ready_at,
        extended_minutes=lease.extended_minutes,
        until=lease.until,
        until_why=lease.until_why,
        image_digest=lease.image_digest,
        datasets=list(lease.datasets),
    )


def gpu_out(row: DeviceRow, who: Person) -> GpuOut:
    """`row` as the API shows it to `who`."""
    lease = row.lease
    return GpuOut(
        uuid=row.uuid,
        server=row.server,
        index=row.index,
        model=row.model,
        memory_mb=row.memory_mb,
        simulated=row.simulated,
        group=row.group,
        pool=row.pool,
        draining=row.draining,
        gone=row.gone,
        unusable=row.unusable,
        in_use=lease is not None,
        free_at=lease.until if lease else None,
        lease=lease_out(lease) if lease and may_see(who, lease) else None,
    )


def may_see(who: Person, lease: Lease) -> bool:
    """True where `who` may know whose lease this is."""
    return who.is_administrator or lease.group in who.taught or lease.username == who.name


def router(services: Services, person: Callable[..., Person]) -> APIRouter:
    """The routes; `person` is the dependency that says who asks."""
    routes = APIRouter(tags=["gpus"])
    asking = Depends(person)

    @routes.get("/api/gpus")
    def list_gpus(who: Person = asking) -> list[GpuOut]:
        """All GPUs for an administrator; for an instructor the pool and their groups' GPUs."""
        require_staff(who)
        rows = services.devices.all()
        seen = [r for r in rows if who.is_administrator or r.pool or r.group in who.taught]
        return [gpu_out(row, who) for row in seen]

    @routes.put("/api/gpus/{uuid}/group")
    def assign_gpu(uuid: str, choice: GroupChoice, who: Person = asking) -> GpuOut:
        """Give a GPU to a group, the pool or nobody (administrators); the lease on it runs on."""
        require_administrator(who)
        row = services.devices.assign(uuid, choice.group, who.name, pool=choice.pool)
        return gpu_out(row, who)

    @routes.put("/api/gpus/{uuid}/draining")
    def drain_gpu(uuid: str, wanted: Draining, who: Person = asking) -> GpuOut:
        """Grant nothing new on a GPU, or grant again (administrators); the lease on it runs on."""
        require_administrator(who)
        return gpu_out(services.devices.drain(uuid, wanted.draining, who.name), who)

    @routes.get("/api/leases")
    def list_leases(who: Person = asking) -> list[LeaseOut]:
        """Who holds what now: all, or the groups that the person teaches, and their own."""
        return [lease_out(lease) for lease in services.ledger.active() if may_see(who, lease)]

    return routes
