"""The words of this slice: device, lease, what is asked for and what is free.

A lease says who holds which devices from when to when. It is written before its container is
created; the container bears its id as its name, and the lease ends when the container is gone.
Memory is in MB (1024 of them are what people call a GB here), minutes are whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

# What a lease's container is known by in Docker; homes bear the first and the last as well.
INSTANCE_LABEL = "radlab.instance"
LEASE_LABEL = "radlab.lease"
USER_LABEL = "radlab.user"


class Ended(StrEnum):
    """Why a lease was released."""

    STOPPED = "stopped"
    TIME_UP = "time_up"
    FAILED_START = "failed_start"
    CONTAINER_GONE = "container_gone"
    ADMINISTRATOR = "administrator"
    IDLE = "idle"
    RECALLED = "recalled"
    HOURS_USED = "hours_used"


class Unusable(StrEnum):
    """Why a device that is there cannot be leased."""

    MIG = "mig"


# Messages for gettext: pages show _(ENDED_TEXT[lease.why_ended]).
ENDED_TEXT: Mapping[Ended, str] = {
    Ended.STOPPED: "stopped by its owner",
    Ended.TIME_UP: "its time was up",
    Ended.FAILED_START: "it did not start",
    Ended.CONTAINER_GONE: "its container is gone",
    Ended.ADMINISTRATOR: "ended by an administrator or instructor",
    Ended.IDLE: "nothing ran in it for long",
    Ended.RECALLED: "the GPU's own group needed it",
    Ended.HOURS_USED: "its GPU hours of the week were used up",
}
UNUSABLE_TEXT: Mapping[str, str] = {
    Unusable.MIG: "MIG mode is on, and only whole GPUs are leased: "
    "turn it off with `nvidia-smi -mig 0`.",
}


@dataclass(frozen=True)
class Device:
    """One whole GPU. `unusable` is a key of UNUSABLE_TEXT where it cannot be leased."""

    uuid: str
    index: int
    model: str
    memory_mb: int
    simulated: bool = False
    server: str = "local"
    unusable: str | None = None


@dataclass(frozen=True, kw_only=True)
class LeaseRequest:
    """What somebody asks for: `gpu_count` devices of one of `groups`, for `minutes`.

    `groups` are class groups in order of preference; each device must have `gpu_memory_mb`.
    A request with no GPU is a lease too: it holds the named server, and its time ends it.
    """

    username: str
    server_name: str = ""
    groups: tuple[str, ...] = ()
    size: str | None = None
    gpu_count: int = 0
    gpu_memory_mb: int = 0
    cpus: float
    memory_mb: int
    minutes: int
    image: str
    module: str | None = None
    module_version: str | None = None
    task: str = "lab"


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Who holds which devices, from when to when, and why it ended.

    `group` is the class group that it counts for; `lender` is the group that lends the devices,
    where that is another one. `ready_at` is when JupyterLab answered. `stop_at` and `stop_why` end
    it before `ends_at`: it is idle, its GPU is called back, the hours of its week are used.
    """

    id: str
    server: str
    username: str
    server_name: str
    task: str
    group: str | None
    module: str | None
    module_version: str | None
    image: str
    cpus: float
    memory_mb: int
    gpu_count: int
    minutes: int
    granted_at: datetime
    started_at: datetime | None
    ends_at: datetime
    released_at: datetime | None
    why_ended: Ended | None
    container_id: str | None
    devices: tuple[Device, ...]
    size: str | None = None
    lender: str | None = None
    image_digest: str | None = None
    datasets: tuple[str, ...] = ()
    ready_at: datetime | None = None
    extended_minutes: int = 0
    stop_at: datetime | None = None
    stop_why: Ended | None = None

    @property
    def until(self) -> datetime:
        """When it ends: with its minutes, or earlier where it was told to (`stop_at`)."""
        return min(self.ends_at, self.stop_at) if self.stop_at else self.ends_at

    @property
    def until_why(self) -> Ended:
        """Why it will end then."""
        early = self.stop_at is not None and self.stop_at < self.ends_at
        return self.stop_why or Ended.TIME_UP if early else Ended.TIME_UP

    @property
    def device_uuids(self) -> tuple[str, ...]:
        """The UUIDs of its devices, in order of index."""
        return tuple(device.uuid for device in self.devices)

    @property
    def simulated(self) -> bool:
        """True where its devices are simulated."""
        return any(device.simulated for device in self.devices)

    @property
    def active(self) -> bool:
        """True until it is released."""
        return self.released_at is None


@dataclass(frozen=True, kw_only=True)
class DeviceRow(Device):
    """A device as the site knows it: whose it is, whether it is still there, who holds it.

    `pool`: every group may use it (then `group` is None). `draining`: nothing new is granted on it.
    """

    group: str | None
    gone: bool
    lease: Lease | None
    pool: bool = False
    draining: bool = False

    @property
    def usable(self) -> bool:
        """True where a lease could hold it: still there, and nothing hinders."""
        return not self.gone and self.unusable is None and not self.draining


@dataclass(frozen=True)
class Free:
    """What a group has of the devices that would serve.

    `enough`: the request could be granted now. `next_free_at`: when it could be, by the ends of
    what runs; None where it could be now or never.
    """

    free: int
    total: int
    enough: bool
    next_free_at: datetime | None
    largest_memory_mb: int
    simulated: bool


def container_name(instance: str, lease_id: str) -> str:
    """The name of a lease's container: Docker lets it exist once, so a lease has one at most."""
    return f"{instance}-{lease_id}"


def gpu_label(model: str, memory_mb: int) -> str:
    """A GPU's model and memory; many models bear the memory in their name already."""
    memory_gb = round(memory_mb / 1024)
    told = f"{memory_gb}GB" in model.replace(" ", "")
    return model if told else f"{model}, {memory_gb} GB"
