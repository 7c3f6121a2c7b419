"""The words of this slice: quota, the use of a lease, an entry of the audit.

Memory and disk are in MB (1024 of them are what people call a GB here), minutes are whole,
utilisation is a share from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """Whom a quota binds."""

    GROUP = "group"
    PERSON = "person"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What may be used; None: no limit.

    `gpus`, `cpus`, `memory_mb` and `servers` count what is held at once, by everybody of a group or
    by one person; `minutes` is the longest session, extensions included; `gpu_hours_week` counts
    from Monday 00:00 UTC; `disk_mb` is one home (of a group: the home of each of its students).
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
