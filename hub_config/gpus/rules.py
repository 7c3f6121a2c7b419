"""Which device a lease gets, when the next is free, and which requests can never be.

Devices of one lease come from one group, so that a group's instructor sees whole leases. Within
the group the smallest that serve are taken first, then the lowest index: large cards stay free for
those who need them. Everything here is pure: rows come in, and `now` is given.

A card that is sold as one of 24 GB reports between 22.5 and 24 GB, because error correction and
the driver keep the rest (an L4 reports 23,034 MB). A request names what is sold, so a device serves
where it reports nine tenths of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from hub_config.gpus import refusals
from hub_config.gpus.model import (
    ENDED_TEXT,
    INSTANCE_LABEL,
    LEASE_LABEL,
    UNUSABLE_TEXT,
    USER_LABEL,
    Device,
    DeviceRow,
    Ended,
    Free,
    Lease,
    LeaseRequest,
    Unusable,
    container_name,
    gpu_label,
)
from hub_config.gpus.refusals import (
    AlreadyHeld,
    AmbiguousDevice,
    BadLeaseRequest,
    DriverBroken,
    LeaseOver,
    NoFreeGpu,
    NoGpuForGroup,
    RealAndSimulated,
    UnknownDevice,
    UnknownLease,
)

# This module is the door to the slice's words and refusals; callers need no other.
__all__ = [
    "ENDED_TEXT",
    "INSTANCE_LABEL",
    "LEASE_LABEL",
    "UNUSABLE_TEXT",
    "USER_LABEL",
    "AlreadyHeld",
    "AmbiguousDevice",
    "BadLeaseRequest",
    "Device",
    "DeviceRow",
    "DriverBroken",
    "Ended",
    "Free",
    "Lease",
    "LeaseOver",
    "LeaseRequest",
    "NoFreeGpu",
    "NoGpuForGroup",
    "RealAndSimulated",
    "UnknownDevice",
    "UnknownLease",
    "Unusable",
    "check_request",
    "choose",
    "container_name",
    "end_of",
    "gpu_label",
    "next_free",
    "pick",
    "resolve",
    "serves",
    "supply",
]

MOST_MINUTES = 24 * 60
MOST_GPUS = 16
_REPORTED_OF_SOLD = 0.9


def check_request(request: LeaseRequest) -> None:
    """Refuse a request that no site could ever grant: BadLeaseRequest."""
    for field, value, lowest, highest in (
        ("minutes", request.minutes, 1, MOST_MINUTES),
        ("gpu_count", request.gpu_count, 0, MOST_GPUS),
        ("gpu_memory_mb", request.gpu_memory_mb, 0, None),
        ("memory_mb", request.memory_mb, 1, None),
    ):
        if value < lowest or (highest is not None and value > highest):
            most = f" to {highest}" if highest is not None else " or more"
            raise refusals.bad_request(field, value, f"{lowest}{most}")
    if not request.cpus > 0:
        raise refusals.bad_request("cpus", request.cpus, "more than 0")
    for field, text in (("username", request.username), ("image", request.image)):
        if not text:
            raise refusals.bad_request(field, repr(text), "a name")


def serves(device: Device, memory_mb: int) -> bool:
    """True where `device` counts as one with `memory_mb`, as such cards are sold."""
    return device.memory_mb >= memory_mb * _REPORTED_OF_SOLD


def choose(free: Iterable[DeviceRow], wanted: int) -> list[DeviceRow]:
    """The `wanted` devices to take of `free`: smallest first, then lowest index."""
    return sorted(free, key=lambda d: (d.memory_mb, d.server, d.index, d.uuid))[:wanted]


def end_of(start: datetime, minutes: int) -> datetime:
    """When a session of `minutes` that began at `start` ends."""
    return start + timedelta(minutes=minutes)


def next_free(devices: Sequence[DeviceRow], wanted: int, now: datetime) -> datetime | None:
    """When `wanted` of `devices` will be free by the ends of what runs on them.

    `now` where they are free already or overdue; None where there are not that many.
    """
    if wanted > len(devices):
        return None
    ends = sorted(max(d.lease.ends_at, now) if d.lease else now for d in devices)
    return ends[wanted - 1] if wanted else now


def supply(
    rows: Iterable[DeviceRow], groups: Sequence[str], wanted: int, memory_mb: int, now: datetime
) -> Free:
    """What `groups` have for a request of `wanted` devices of `memory_mb` each."""
    usable = [row for row in rows if row.usable and row.group in groups]
    serving = [row for row in usable if serves(row, memory_mb)]
    free = [row for row in serving if row.lease is None]
    enough = any(_count(free, group) >= wanted for group in groups) or wanted == 0
    times = [next_free([r for r in serving if r.group == g], wanted, now) for g in groups]
    return Free(
        free=len(free),
        total=len(serving),
        enough=enough,
        next_free_at=None if enough else min((t for t in times if t), default=None),
        largest_memory_mb=max((row.memory_mb for row in usable), default=0),
        simulated=any(row.simulated for row in serving),
    )


def _count(rows: Iterable[DeviceRow], group: str) -> int:
    return sum(row.group == group for row in rows)


def pick(
    rows: Sequence[DeviceRow], request: LeaseRequest, groups: Sequence[str], now: datetime
) -> tuple[str | None, list[DeviceRow]]:
    """The group that lends and the devices it lends; NoGpuForGroup, NoFreeGpu.

    `groups` are those of the request that exist. Without a GPU the first of them lends.
    """
    if not request.gpu_count:
        return (groups[0] if groups else None), []
    if not groups:
        raise refusals.no_group()
    wanted, memory_mb = request.gpu_count, request.gpu_memory_mb
    serving = [r for r in rows if r.usable and r.group in groups and serves(r, memory_mb)]
    for group in groups:
        free = [r for r in serving if r.group == group and r.lease is None]
        if len(free) >= wanted:
            return group, choose(free, wanted)
    raise _why_not(supply(rows, groups, wanted, memory_mb, now), serving, request, groups)


def _why_not(
    found: Free, serving: Sequence[DeviceRow], request: LeaseRequest, groups: Sequence[str]
) -> NoGpuForGroup | NoFreeGpu:
    wanted = request.gpu_count
    if not found.largest_memory_mb:
        return refusals.no_gpu_assigned(groups)
    if not serving:
        return refusals.too_small_ever(groups, request.gpu_memory_mb, found.largest_memory_mb)
    if found.next_free_at is None:
        most = max(_count(serving, group) for group in groups)
        return refusals.too_few_ever(groups, wanted, most)
    lending = [group for group in groups if _count(serving, group) >= wanted]
    mine = [row for row in serving if row.group in lending]
    free = sum(row.lease is None for row in mine)
    return refusals.none_free(lending, len(mine), free, found.next_free_at)


def resolve(given: str, rows: Sequence[DeviceRow]) -> DeviceRow:
    """The device that `given` names: its UUID, the UUID's beginning, or the index nvidia-smi shows.

    An index counts only devices that are still there. UnknownDevice, AmbiguousDevice.
    """
    text = given.strip().casefold()
    exact = [row for row in rows if row.uuid.casefold() == text]
    by_index = [row for row in rows if str(row.index) == text and not row.gone]
    by_prefix = [row for row in rows if text and row.uuid.casefold().startswith(text)]
    matching = exact or by_index or by_prefix
    if not matching:
        raise refusals.unknown_device(given, rows)
    if len(matching) > 1:
        raise refusals.ambiguous_device(given, matching)
    return matching[0]
