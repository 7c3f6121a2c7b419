"""Which device a lease gets, when the next is free, and which requests can never be.

A group uses its own devices first, then the pool that is everybody's, and then, where it borrows,
the idle devices of one group that lends. Where a student is in several groups, what costs nobody
anything goes first: the own devices of each group, then the pool, and loans last. A lease counts
for one group and has one lender at most, so that an instructor sees whole leases and a loan is
called back whole. Within an offer the smallest that serve are taken first, then the lowest index:
large cards stay free for those who need them. Everything here is pure: rows come in, and `now` is
given.

A card that is sold as one of 24 GB reports between 22.5 and 24 GB, because error correction and
the driver keep the rest (an L4 reports 23,034 MB). A request names what is sold, so a device serves
where it reports nine tenths of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

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
    EndsEarly,
    GroupOrPool,
    LeaseOver,
    LongEnough,
    NoFreeGpu,
    NoGpuForGroup,
    RealAndSimulated,
    UnknownDevice,
    UnknownLease,
)
from hub_config.groups.rules import Group

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
    "EndsEarly",
    "Free",
    "GroupOrPool",
    "Lease",
    "LeaseOver",
    "LeaseRequest",
    "LongEnough",
    "NoFreeGpu",
    "NoGpuForGroup",
    "Offer",
    "RealAndSimulated",
    "UnknownDevice",
    "UnknownLease",
    "Unusable",
    "candidates",
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
    """The `wanted` devices to take of `free`: own before pool, smallest first, lowest index."""
    order = sorted(free, key=lambda d: (d.pool, d.memory_mb, d.server, d.index, d.uuid))
    return order[:wanted]


def end_of(start: datetime, minutes: int) -> datetime:
    """When a session of `minutes` that began at `start` ends."""
    return start + timedelta(minutes=minutes)


@dataclass(frozen=True)
class Offer:
    """Devices that one group may use, all of which would serve; those in use are among them.

    `lender` is the group whose devices they are, where that is another. An offer with the pool
    holds the group's own devices too, because a lease of two may take one of each.
    """

    group: str | None
    lender: str | None
    devices: tuple[DeviceRow, ...]

    @property
    def free(self) -> tuple[DeviceRow, ...]:
        """Those that nobody holds."""
        return tuple(row for row in self.devices if row.lease is None)

    def chosen(self, wanted: int) -> Offer | None:
        """This offer with exactly the `wanted` free devices to take; None where too few are."""
        if len(self.free) < wanted:
            return None
        return replace(self, devices=tuple(choose(self.free, wanted)))


def candidates(
    rows: Iterable[DeviceRow],
    request: LeaseRequest,
    groups: Sequence[Group],
    all_groups: Mapping[str, Group],
) -> list[Offer]:
    """What may serve `request`, best first: own devices, own with the pool, one lender's.

    `groups` are those of the request that exist. Offers with too few devices to ever serve are
    among them, empty ones are not. Without a GPU there is one offer of no devices.
    """
    if not request.gpu_count:
        return [Offer(groups[0].name if groups else None, None, ())]
    known = {**all_groups, **{group.name: group for group in groups}}
    names = [group.name for group in groups]
    return list(_offers(rows, names, request.gpu_memory_mb, known))


def _offers(
    rows: Iterable[DeviceRow], names: Sequence[str], memory_mb: int, known: Mapping[str, Group]
) -> Iterator[Offer]:
    serving = [row for row in rows if row.usable and serves(row, memory_mb)]
    own = {name: tuple(row for row in serving if row.group == name) for name in [*names, *known]}
    pool = tuple(row for row in serving if row.pool)
    lenders = [name for name in sorted(known) if known[name].lends and own[name]]
    yield from (Offer(name, None, own[name]) for name in names if own[name])
    yield from (Offer(name, None, own[name] + pool) for name in names if pool)
    for name in names:
        if name in known and known[name].borrows:
            yield from (Offer(name, other, own[other]) for other in lenders if other != name)


def next_free(devices: Sequence[DeviceRow], wanted: int, now: datetime) -> datetime | None:
    """When `wanted` of `devices` will be free by the ends of what runs on them.

    `now` where they are free already or overdue; None where there are not that many.
    """
    if wanted > len(devices):
        return None
    ends = sorted(max(d.lease.until, now) if d.lease else now for d in devices)
    return ends[wanted - 1] if wanted else now


def supply(
    rows: Iterable[DeviceRow],
    groups: Sequence[str],
    wanted: int,
    memory_mb: int,
    now: datetime,
    all_groups: Mapping[str, Group] = MappingProxyType({}),
) -> Free:
    """What `groups` have for a request of `wanted` devices of `memory_mb` each.

    Own devices and the pool count, and what they may borrow by the policies of `all_groups`.
    """
    rows = tuple(rows)
    offers = list(_offers(rows, groups, memory_mb, all_groups))
    any_size = list(_offers(rows, groups, 0, all_groups))
    serving = _together(offers)
    enough = wanted == 0 or any(len(offer.free) >= wanted for offer in offers)
    times = [next_free(offer.devices, wanted, now) for offer in offers]
    return Free(
        free=sum(row.lease is None for row in serving),
        total=len(serving),
        enough=enough,
        next_free_at=None if enough else min((t for t in times if t), default=None),
        largest_memory_mb=max((row.memory_mb for row in _together(any_size)), default=0),
        simulated=any(row.simulated for row in serving),
    )


def _together(offers: Iterable[Offer]) -> list[DeviceRow]:
    """Every device of `offers`, once."""
    return list({row.uuid: row for offer in offers for row in offer.devices}.values())


def pick(
    rows: Sequence[DeviceRow],
    request: LeaseRequest,
    groups: Sequence[Group],
    all_groups: Mapping[str, Group],
    now: datetime,
) -> Offer:
    """The first offer that has enough free, with exactly the devices to take.

    Raises NoGpuForGroup (it never will be possible) or NoFreeGpu (with the time when it will).
    """
    if request.gpu_count and not groups:
        raise refusals.no_group()
    offers = candidates(rows, request, groups, all_groups)
    chosen = (offer.chosen(request.gpu_count) for offer in offers)
    first = next((offer for offer in chosen if offer is not None), None)
    if first is None:
        names = [group.name for group in groups]
        wanted, memory_mb = request.gpu_count, request.gpu_memory_mb
        found = supply(rows, names, wanted, memory_mb, now, all_groups)
        raise _why_not(found, offers, request, names)
    return first


def _why_not(
    found: Free, offers: Sequence[Offer], request: LeaseRequest, groups: Sequence[str]
) -> NoGpuForGroup | NoFreeGpu:
    wanted = request.gpu_count
    if not found.largest_memory_mb:
        return refusals.no_gpu_assigned(groups)
    if not offers:
        return refusals.too_small_ever(groups, request.gpu_memory_mb, found.largest_memory_mb)
    if found.next_free_at is None:
        most = max(len(offer.devices) for offer in offers)
        return refusals.too_few_ever(groups, wanted, most)
    enough = [offer for offer in offers if len(offer.devices) >= wanted]
    names = list(dict.fromkeys(offer.group for offer in enough if offer.group))
    devices = _together(enough)
    free = sum(row.lease is None for row in devices)
    return refusals.none_free(names, len(devices), free, found.next_free_at)


def resolve(given: str, rows: Sequence[DeviceRow]) -> DeviceRow:
    """The device that `given` names: its UUID, the UUID's beginning, or the index nvidia-smi shows.

    `SERVER:INDEX` names that of one server. An index counts only devices that are still there.
    UnknownDevice, AmbiguousDevice.
    """
    text = given.strip().casefold()
    exact = [row for row in rows if row.uuid.casefold() == text]
    here = [row for row in rows if not row.gone]
    names = {row.uuid: (f"{row.index}", f"{row.server.casefold()}:{row.index}") for row in here}
    by_index = [row for row in here if text in names[row.uuid]]
    by_prefix = [row for row in rows if text and row.uuid.casefold().startswith(text)]
    matching = exact or by_index or by_prefix
    if not matching:
        raise refusals.unknown_device(given, rows)
    if len(matching) > 1:
        raise refusals.ambiguous_device(given, matching)
    return matching[0]
