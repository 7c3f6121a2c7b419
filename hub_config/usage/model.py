"""The words of this slice: quota, the use of a lease, an entry of the audit.

Memory and disk are in MB (1024 of them are what people call a GB here), minutes are whole,
utilisation is a share from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum

from hub_config.gpus.model import Ended


class Kind(StrEnum):
    """Whom a quota binds."""

    GROUP = "group"
    PERSON = "person"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What may be used; None: no limit.

    `gpus`, `cpus`, `memory_mb` and `servers` count what is held at once, by everybody of a group or
    by one person, and `gpu_hours_week` from Monday 00:00 UTC: both bind. `minutes` is the longest
    session, extensions included, and `disk_mb` one home: of a group they are for each of its
    students, and a person's own takes their place.
    """

    gpus: int | None = None
    cpus: float | None = None
    memory_mb: int | None = None
    disk_mb: int | None = None
    minutes: int | None = None
    gpu_hours_week: float | None = None
    servers: int | None = None


LIMITS = tuple(field.name for field in fields(Limits))


@dataclass(frozen=True, kw_only=True)
class Quota:
    """The limits of one group or person, and who set them."""

    kind: Kind
    name: str
    limits: Limits
    set_at: datetime
    set_by: str


@dataclass(frozen=True, kw_only=True)
class LeaseUsage:
    """What a lease's container used, by the keeper's samples.

    `cpu_now` is in cores; `gpu_now` and `gpu_mean` are utilisation of its devices (their mean),
    None where it holds none or the driver does not say. `busy_at` is the last moment of real use:
    a kernel or terminal at work, processor, or GPU. `oom_process` is what was killed for memory.
    """

    lease_id: str
    sampled_at: datetime | None = None
    cpu_now: float = 0.0
    memory_now_mb: int = 0
    memory_peak_mb: int = 0
    gpu_now: float | None = None
    gpu_mean: float | None = None
    gpu_memory_now_mb: int = 0
    gpu_memory_peak_mb: int = 0
    oom_kills: int = 0
    oom_process: str | None = None
    oom_at: datetime | None = None
    busy_at: datetime | None = None
    kernels: int = 0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One look at a running container."""

    lease_id: str
    cpu: float
    memory_mb: int
    gpu: float | None = None
    gpu_memory_mb: int = 0
    oom_kills: int = 0
    oom_process: str | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the audit: who did what for whom, and why."""

    id: int
    at: datetime
    by: str
    action: str
    username: str | None
    lease_id: str | None
    place_id: str | None
    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class HomeUse:
    """How much a home holds, when it was measured last."""

    username: str
    used_mb: int
    measured_at: datetime


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Which limits bind a person: their own, and those of each class group that they are in."""

    person: Limits
    groups: Mapping[str, Limits]

    def of(self, group: str | None) -> Limits:
        """The limits of `group`; no limit for those that have none, and for no group."""
        return self.groups.get(group, Limits()) if group else Limits()


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a person or group holds now, and the GPU-hours of their week so far."""

    gpus: int = 0
    cpus: float = 0.0
    memory_mb: int = 0
    servers: int = 0
    gpu_hours_week: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Short:
    """A limit that leaves no room: `what` is its name in `Limits`; `wanted` is asked for on top."""

    kind: Kind
    name: str
    what: str
    limit: float
    used: float
    wanted: float


@dataclass(frozen=True, kw_only=True)
class Over:
    """A limit that is below what is in use; `username` where it is about one student's."""

    what: str
    limit: float
    used: float
    username: str | None = None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A quota, what its group or person holds, and which of its limits are exceeded by that."""

    quota: Quota
    held: Held
    over: tuple[Over, ...]


@dataclass(frozen=True, kw_only=True)
class Record:
    """Who used what from when to when: a lease with what its container used.

    `started_at` is None where its container never ran; `ended_at` where the lease is active.
    `minutes` and `gpu_hours` count from start to end, or up to now.
    """

    lease_id: str
    username: str
    group: str | None
    lender: str | None
    device_uuids: tuple[str, ...]
    device_models: tuple[str, ...]
    simulated: bool
    size: str | None
    cpus: float
    memory_mb: int
    image: str
    image_digest: str | None
    module: str | None
    module_version: str | None
    datasets: tuple[str, ...]
    granted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    minutes: int
    gpu_hours: float
    memory_peak_mb: int
    gpu_memory_peak_mb: int
    gpu_mean: float | None
    oom_kills: int
    why_ended: Ended | None
