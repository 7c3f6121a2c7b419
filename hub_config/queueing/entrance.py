"""What is refused before anybody waits for it: requests that nothing here will ever serve; pure.

Whoever asks for more than the machine, a card, a group or a quota will ever give would wait for
ever, so they are told at once, and what the nearest is that can be had.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from hub_config.gpus import rules as gpus
from hub_config.gpus.model import LeaseRequest
from hub_config.offers.host import Host
from hub_config.queueing import refusals
from hub_config.queueing.plan import Scene
from hub_config.queueing.room import Room
from hub_config.usage import rules as usage
from hub_config.usage.model import Bounds, Kind, Limits, Short

# A machine sold with 16 GB reports less: firmware and kernel keep the rest.
_REPORTED_OF_SOLD = 0.9


def admit(request: LeaseRequest, scene: Scene, bounds: Bounds, host: Host) -> LeaseRequest:
    """`request` with the groups that can ever serve it.

    Raises BadLeaseRequest, TooLargeForHost, OverQuota, HoursUsed, NoGpuForGroup.
    """
    gpus.check_request(request)
    _fits_host(request, host)
    known = tuple(name for name in request.groups if name in scene.groups)
    request = replace(request, groups=known)
    usage.fits_ever(request, bounds)
    request = replace(request, groups=usage.groups_that_fit(request, bounds))
    groups = [scene.groups[name] for name in request.groups]
    with suppress(gpus.NoFreeGpu):
        gpus.pick(scene.rows, request, groups, scene.groups, scene.now)
    return _with_hours(request, scene.room)


def _fits_host(request: LeaseRequest, host: Host) -> None:
    if request.cpus > host.cpus:
        raise refusals.too_many_cores(request.cpus, host.cpus)
    if request.memory_mb * _REPORTED_OF_SOLD > host.memory_mb:
        raise refusals.too_much_memory(request.memory_mb, host.memory_mb)


def _with_hours(request: LeaseRequest, room: Room) -> LeaseRequest:
    """`request` with the groups whose week has hours left; HoursUsed where none has."""
    if not request.gpu_count:
        return request
    used = {group: _used_up(room, group, request.username) for group in request.groups}
    left = tuple(group for group, short in used.items() if short is None)
    short = next((short for short in used.values() if short is not None), None)
    if short is not None and not left:
        raise refusals.hours_used(short, room.week_ends)
    return replace(request, groups=left)


def _used_up(room: Room, group: str, username: str) -> Short | None:
    """The limit of hours that what is over already exhausts, if any."""
    for kind, name in ((Kind.PERSON, username), (Kind.GROUP, group)):
        hours = room.limits.get((kind, name), Limits()).gpu_hours_week
        used = room.used_hours.get((kind, name), 0.0)
        if hours is not None and used >= hours:
            what = "gpu_hours_week"
            return Short(kind=kind, name=name, what=what, limit=hours, used=used, wanted=0)
    return None
