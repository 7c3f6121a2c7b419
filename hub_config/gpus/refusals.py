"""What this slice says when it refuses, as sentences that tell what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from hub_config.errors import BadInput, Busy, Conflict, NotFound, Unready, nearest
from hub_config.gpus.model import Device, Ended, Lease


class UnknownDevice(NotFound):
    """No GPU has that UUID or index."""

    code = "unknown_device"


class AmbiguousDevice(BadInput):
    """Several GPUs' UUIDs begin with what was given."""

    code = "ambiguous_device"


class BadLeaseRequest(BadInput):
    """No lease can be as asked for."""

    code = "bad_lease_request"


class NoGpuForGroup(NotFound):
    """The group never has what was asked for, however long one waits."""

    code = "no_gpu_for_group"


class NoFreeGpu(Busy):
    """The group has what was asked for, and it is in use until `next_free_at`."""

    code = "no_free_gpu"

    def __init__(self, template: str, *, next_free_at: datetime, **params: Any) -> None:
        self.next_free_at = next_free_at
        super().__init__(template, **params)

    def as_dict(self) -> dict[str, Any]:
        """The shape of every refusal, with the time in ISO 8601."""
        shape = super().as_dict()
        shape["error"]["next_free_at"] = self.next_free_at.isoformat()
        return shape


class AlreadyHeld(Conflict):
    """The named server holds a lease already: `lease`."""

    code = "already_held"

    def __init__(self, template: str, *, lease: Lease, **params: Any) -> None:
        self.lease = lease
        super().__init__(template, **params)


class UnknownLease(NotFound):
    """No lease has that id."""

    code = "unknown_lease"


class LeaseOver(Conflict):
    """The lease was released; nothing may start under it."""

    code = "lease_over"


class GroupOrPool(BadInput):
    """A GPU was to go to a group and to the pool at once."""

    code = "group_or_pool"


class LongEnough(Conflict):
    """A session was to be extended beyond what it may have."""

    code = "long_enough"


class EndsEarly(Conflict):
    """A session that is to end before its time cannot be extended."""

    code = "ends_early"


class DriverBroken(Unready):
    """There is an NVIDIA driver, and it does not answer."""

    code = "driver_broken"


class RealAndSimulated(Conflict):
    """GPUs are to be simulated on a machine that has real ones."""

    code = "real_and_simulated"


def unknown_device(given: str, known: Iterable[Device]) -> UnknownDevice:
    """No device answers to `given`; names the nearest UUID."""
    uuids = sorted(device.uuid for device in known)
    return UnknownDevice(
        "There is no GPU '{device}'.{hint}",
        given=given,
        allowed=uuids,
        do="`./radlab gpu list` shows the UUIDs and indices of all GPUs.",
        device=given,
        hint=nearest(given, uuids),
    )


def ambiguous_device(given: str, matching: Sequence[Device]) -> AmbiguousDevice:
    """More than one device answers to `given`."""
    return AmbiguousDevice(
        "{count} GPUs match '{device}'.",
        given=given,
        allowed=[device.uuid for device in matching],
        do="Give more of the UUID, or SERVER:INDEX.",
        device=given,
        count=len(matching),
    )


def no_group() -> NoGpuForGroup:
    """Somebody in no class group asks for a GPU."""
    return NoGpuForGroup(
        "You are in no class group, and GPUs belong to class groups.",
        do="Choose a size without a GPU, or ask your instructor for an invite code.",
    )


def no_gpu_assigned(groups: Sequence[str]) -> NoGpuForGroup:
    """No usable device is assigned to any of `groups`."""
    return NoGpuForGroup(
        "No GPU that can be used is assigned to {groups}.",
        given=list(groups),
        do="Choose a size without a GPU, or ask an administrator to assign one.",
        groups=", ".join(groups),
    )


def too_few_ever(groups: Sequence[str], wanted: int, most: int) -> NoGpuForGroup:
    """More devices are asked for than one of `groups` has."""
    return NoGpuForGroup(
        "{wanted} GPUs were asked for, and {groups} can have at most {most} at once.",
        given=wanted,
        allowed=most,
        do="Choose a size with fewer GPUs.",
        wanted=wanted,
        most=most,
        groups=", ".join(groups),
    )


def too_small_ever(groups: Sequence[str], wanted_mb: int, largest_mb: int) -> NoGpuForGroup:
    """More GPU memory is asked for than any device of `groups` has."""
    return NoGpuForGroup(
        "A GPU with {wanted_gb} GB was asked for, and the largest of {groups} has {largest_gb} GB.",
        given=wanted_mb,
        allowed=largest_mb,
        do="Choose a size with less GPU memory.",
        wanted_gb=f"{wanted_mb / 1024:.4g}",
        largest_gb=f"{largest_mb / 1024:.4g}",
        groups=", ".join(groups),
    )


def none_free(groups: Sequence[str], total: int, free: int, next_free_at: datetime) -> NoFreeGpu:
    """Too few of the `total` devices that would serve are free before `next_free_at`."""
    return NoFreeGpu(
        "{in_use} of {total} GPUs of {groups} are in use, and {free} free is too few for this; "
        "enough are free at about {time} UTC."
        if free
        else "All GPUs of {groups} that serve ({total}) are in use; "
        "the next is free at about {time} UTC.",
        next_free_at=next_free_at,
        do="Try again then, or choose a size without a GPU now.",
        groups=", ".join(groups),
        total=total,
        free=free,
        in_use=total - free,
        time=next_free_at.strftime("%Y-%m-%d %H:%M"),
    )


def already_held(lease: Lease) -> AlreadyHeld:
    """The named server holds `lease` already."""
    return AlreadyHeld(
        "This server of {username} is running already, until {time} UTC.",
        lease=lease,
        given=lease.server_name,
        do="Stop it first, or open it.",
        username=lease.username,
        time=lease.until.strftime("%Y-%m-%d %H:%M"),
    )


def unknown_lease(lease_id: str) -> UnknownLease:
    """No lease has the id `lease_id`."""
    return UnknownLease(
        "There is no lease '{lease_id}'.",
        given=lease_id,
        do="`./radlab gpu list` shows who holds which GPU.",
        lease_id=lease_id,
    )


def lease_over(lease: Lease) -> LeaseOver:
    """`lease` was released before its container was started."""
    return LeaseOver(
        "The lease {lease_id} is over ({why}).",
        given=lease.id,
        do="Start the server again.",
        lease_id=lease.id,
        why=str(lease.why_ended),
    )


def group_or_pool(group: str) -> GroupOrPool:
    """`group` was given, and the pool too."""
    return GroupOrPool(
        "A GPU belongs to a group or to the pool, not to {group} and the pool at once.",
        given=group,
        do="Leave one of the two out.",
        group=group,
    )


def long_enough(lease: Lease, minutes: int, most_minutes: int) -> LongEnough:
    """`minutes` more would make `lease` longer than `most_minutes`."""
    has = lease.minutes + lease.extended_minutes
    return LongEnough(
        "This session has {has} minutes, and {minutes} more are over the {most} that one may have.",
        given=minutes,
        allowed=max(0, most_minutes - has),
        do="Save your work; start a new session after it.",
        has=has,
        minutes=minutes,
        most=most_minutes,
    )


def ends_early(lease: Lease) -> EndsEarly:
    """`lease` ends before its minutes are over: it is called back, or its hours are used."""
    return EndsEarly(
        "The GPU of this session is called back by its own group at about {time} UTC: it cannot be "
        "extended."
        if lease.until_why is Ended.RECALLED
        else "The GPU hours of this week are used up at about {time} UTC: this session cannot be "
        "extended.",
        given=lease.id,
        do="Save your work before then.",
        time=lease.until.strftime("%Y-%m-%d %H:%M"),
    )


def bad_request(field: str, given: Any, allowed: str) -> BadLeaseRequest:
    """The field `field` of a request for a lease cannot be `given`."""
    return BadLeaseRequest(
        "A session cannot have {field} = {value}: it wants {range}.",
        given=given,
        allowed=allowed,
        do="Choose a size that the launch page offers.",
        field=field,
        value=given,
        range=allowed,
    )


def driver_broken(reason: str) -> DriverBroken:
    """NVML is there and answers `reason`."""
    return DriverBroken(
        "The NVIDIA driver of this machine does not answer: {reason}.",
        do="Run `nvidia-smi`; after an update of the driver the machine wants a restart.",
        reason=reason,
    )


def real_and_simulated(count: int, simulate: str) -> RealAndSimulated:
    """`count` real devices were found where `simulate` are to be simulated."""
    return RealAndSimulated(
        "This machine has {count} real GPU(s), and simulate_gpus is {simulate}.",
        given=simulate,
        do="Remove simulate_gpus from settings.yaml (or RADLAB_SIMULATE_GPUS) to use the real "
        "ones; simulated ones are for machines without.",
        count=count,
        simulate=simulate,
    )
