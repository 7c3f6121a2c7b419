"""What limits mean: which can be set, what fits, what is left, and when a week's hours are used up.

A lease counts for its owner and for its class group, and both must have room. What is held at once
is counted over active leases. GPU-hours count from Monday 00:00 UTC, for each GPU from the moment
its container started, active leases up to now; a lease without a GPU is not bound by them. A limit
of 0 GPUs, servers or hours means none. Everything here is pure: leases come in, and `now` is given.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hub_config.gpus.model import Lease, LeaseRequest
from hub_config.usage import refusals
from hub_config.usage.model import (
    LIMITS,
    Bounds,
    Entry,
    Held,
    HomeUse,
    Kind,
    LeaseUsage,
    Limits,
    Over,
    Quota,
    QuotaSet,
    Record,
    Sample,
    Short,
)
from hub_config.usage.refusals import BadLimit, BadQuotaName, NoQuota, NoReason, OverQuota

# This module is the door to the slice's words and refusals; callers need no other.
__all__ = [
    "LIMITS",
    "BadLimit",
    "BadQuotaName",
    "Bounds",
    "Entry",
    "Held",
    "HomeUse",
    "Kind",
    "LeaseUsage",
    "Limits",
    "NoQuota",
    "NoReason",
    "Over",
    "OverQuota",
    "Quota",
    "QuotaSet",
    "Record",
    "Sample",
    "Short",
    "above",
    "allowed_range",
    "changed",
    "check_limits",
    "check_reason",
    "disk_limit",
    "fits_ever",
    "gpu_hours",
    "groups_that_fit",
    "held",
    "hours_end",
    "hours_ends",
    "is_whole",
    "minutes_allowed",
    "record_of",
    "room",
    "room_for",
    "those_of",
    "week_start",
]

# What a limit may be: below it nothing would start at all, above it is a slip of the hand.
_RANGES: Mapping[str, tuple[float, float]] = {
    "gpus": (0, 1024),
    "cpus": (0.1, 16_384),
    "memory_mb": (256, 64 * 1024 * 1024),
    "disk_mb": (100, 1024 * 1024 * 1024),
    "minutes": (5, 7 * 24 * 60),
    "gpu_hours_week": (0, 1024 * 7 * 24),
    "servers": (0, 10_000),
}
_FRACTIONS = frozenset({"cpus", "gpu_hours_week"})
# Of these a request brings some; hours are used as time passes.
_AT_ONCE = ("servers", "gpus", "cpus", "memory_mb")


def allowed_range(what: str) -> tuple[float, float]:
    """The least and the most that the limit `what` may be, in the unit that it is kept in."""
    return _RANGES[what]


def is_whole(what: str) -> bool:
    """True where the limit `what` is a whole number."""
    return what not in _FRACTIONS


def check_limits(limits: Limits) -> Limits:
    """`limits`, where each can be meant; else BadLimit, which says what is allowed."""
    for what in LIMITS:
        given = getattr(limits, what)
        if given is not None and not _sensible(what, given):
            raise refusals.bad_limit(what, given, *_RANGES[what], whole=is_whole(what))
    return limits


def _sensible(what: str, given: Any) -> bool:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        return False
    if what not in _FRACTIONS and given != int(given):
        return False
    lowest, highest = _RANGES[what]
    return lowest <= given <= highest


def changed(limits: Limits, changes: Mapping[str, float | None]) -> Limits:
    """`limits` with `changes` by name, None lifting one; BadLimit, also for an unknown name."""
    for what in changes:
        if what not in LIMITS:
            raise refusals.unknown_limit(what, LIMITS)
    merged: dict[str, Any] = {**vars(limits), **changes}
    checked = check_limits(Limits(**merged))
    whole = {w: int(v) for w, v in merged.items() if v is not None and w not in _FRACTIONS}
    return replace(checked, **whole)


def check_reason(reason: str) -> str:
    """The reason for an act for somebody else, trimmed; NoReason where there is none."""
    if not reason.strip():
        raise refusals.no_reason()
    return reason.strip()


def week_start(now: datetime) -> datetime:
    """Monday 00:00 UTC of the week of `now`."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())


def gpu_hours(leases: Iterable[Lease], since: datetime, now: datetime) -> float:
    """The GPU-hours of `leases` between `since` and `now`; of active ones those up to now."""
    return sum(lease.gpu_count * _hours(lease, since, now) for lease in leases)


def _hours(lease: Lease, since: datetime, now: datetime) -> float:
    if lease.started_at is None:
        return 0.0
    begin = max(lease.started_at, since)
    end = min(lease.released_at or now, now)
    return max(0.0, (end - begin).total_seconds() / 3600)


def held(leases: Iterable[Lease], now: datetime) -> Held:
    """What those of `leases` hold that are active, and the hours of all in the week of `now`.

    `leases` are those of one person or one group since the week began (`Ledger.history`).
    """
    leases = tuple(leases)
    active = [lease for lease in leases if lease.active]
    return Held(
        gpus=sum(lease.gpu_count for lease in active),
        cpus=sum(lease.cpus for lease in active),
        memory_mb=sum(lease.memory_mb for lease in active),
        servers=len(active),
        gpu_hours_week=gpu_hours(leases, week_start(now), now),
    )


def _wanted(request: LeaseRequest) -> dict[str, float]:
    return {
        "servers": 1,
        "gpus": request.gpu_count,
        "cpus": request.cpus,
        "memory_mb": request.memory_mb,
    }


def room(
    request: LeaseRequest, limits: Limits, held: Held, *, kind: Kind, name: str
) -> Short | None:
    """The first limit that leaves `request` no room beside what is `held`; None where it fits.

    A limit on what the request does not ask for (GPUs, hours) does not bind it.
    """
    for what, wanted in _wanted(request).items():
        limit, used = getattr(limits, what), getattr(held, what)
        if limit is not None and wanted and used + wanted > limit + 1e-9:
            return Short(kind=kind, name=name, what=what, limit=limit, used=used, wanted=wanted)
    hours = limits.gpu_hours_week
    if hours is not None and request.gpu_count and held.gpu_hours_week >= hours:
        return Short(
            kind=kind,
            name=name,
            what="gpu_hours_week",
            limit=hours,
            used=held.gpu_hours_week,
            wanted=0,
        )
    return None


def room_for(
    request: LeaseRequest,
    group: str | None,
    bounds: Bounds,
    held_by_person: Held,
    held_by_group: Held,
) -> Short | None:
    """The first limit of the person, then of `group`, that leaves `request` no room."""
    own = room(request, bounds.person, held_by_person, kind=Kind.PERSON, name=request.username)
    if own is not None or group is None:
        return own
    return room(request, bounds.of(group), held_by_group, kind=Kind.GROUP, name=group)


def fits_ever(request: LeaseRequest, bounds: Bounds) -> None:
    """OverQuota where `request` asks for more than may ever be held at once, by whomever.

    One of its groups must allow it; where several refuse, what the most generous allows is said.
    A longer session than allowed is no refusal: it is given fewer minutes (`minutes_allowed`).
    """
    own = room(request, bounds.person, Held(), kind=Kind.PERSON, name=request.username)
    if own is not None:
        raise refusals.over_quota(own)
    refused = [
        short
        for group in request.groups
        if (short := room(request, bounds.of(group), Held(), kind=Kind.GROUP, name=group))
    ]
    if refused and len(refused) == len(request.groups):
        raise refusals.over_quota(max(refused, key=lambda short: short.limit))


def groups_that_fit(request: LeaseRequest, bounds: Bounds) -> tuple[str, ...]:
    """The groups of `request` whose limits would ever allow it, in its order."""
    return tuple(
        group
        for group in request.groups
        if room(request, bounds.of(group), Held(), kind=Kind.GROUP, name=group) is None
    )


def minutes_allowed(minutes: int, bounds: Bounds, group: str | None) -> int:
    """How long a session that asks for `minutes` may be, as one of `group`."""
    limit = _own_or_group(bounds.person.minutes, bounds.of(group).minutes)
    return minutes if limit is None else min(minutes, int(limit))


def disk_limit(bounds: Bounds) -> int | None:
    """How many MB the person's home may hold: their own limit, else their most generous group's."""
    limits = [limits.disk_mb for limits in bounds.groups.values()]
    generous = None if None in limits or not limits else max(x for x in limits if x is not None)
    limit = _own_or_group(bounds.person.disk_mb, generous)
    return None if limit is None else int(limit)


def _own_or_group(own: float | None, group: float | None) -> float | None:
    return group if own is None else own


def hours_end(leases: Sequence[Lease], limit: float | None, now: datetime) -> datetime | None:
    """When the weekly GPU-hours `limit` will be used up, as `leases` run on; None: not by then.

    `leases` are those of one person or one group since the week began; each active one counts
    until it ends (`Lease.until`), and every Monday counting begins anew. `now` where they are used
    up already, though nothing runs.
    """
    if limit is None:
        return None
    left = limit - gpu_hours(leases, week_start(now), now)
    running = [lease for lease in leases if lease.active and lease.gpu_count and lease.started_at]
    moment = now
    while True:
        if left <= 0:
            return moment
        running = [lease for lease in running if lease.until > moment]
        if not running:
            return None
        monday = week_start(moment) + timedelta(days=7)
        step_end = min(monday, *(lease.until for lease in running))
        rate = sum(lease.gpu_count for lease in running)
        used = rate * (step_end - moment).total_seconds() / 3600
        if used >= left and step_end > moment + timedelta(hours=left / rate):
            return moment + timedelta(hours=left / rate)
        left = limit if step_end == monday else left - used
        moment = step_end


def hours_ends(
    leases: Sequence[Lease], limits: Mapping[tuple[Kind, str], Limits], now: datetime
) -> dict[str, datetime]:
    """When weekly hours will be used up, by lease: of active ones with a GPU, where at all.

    `leases` are all since the week began, `limits` all that are set.
    """
    ends: dict[str, datetime] = {}
    for (kind, name), its in limits.items():
        own = those_of(leases, kind, [name])
        end = hours_end(own, its.gpu_hours_week, now)
        if end is not None:
            running = (lease for lease in own if lease.active and lease.gpu_count)
            ends |= {lease.id: min(end, ends.get(lease.id, end)) for lease in running}
    return ends


def record_of(lease: Lease, usage: LeaseUsage, now: datetime) -> Record:
    """The record of `lease`; of an active one up to `now`."""
    hours = _hours(lease, lease.granted_at, now)
    return Record(
        lease_id=lease.id,
        username=lease.username,
        group=lease.group,
        lender=lease.lender,
        device_uuids=lease.device_uuids,
        device_models=tuple(device.model for device in lease.devices),
        simulated=lease.simulated,
        size=lease.size,
        cpus=lease.cpus,
        memory_mb=lease.memory_mb,
        image=lease.image,
        image_digest=lease.image_digest,
        module=lease.module,
        module_version=lease.module_version,
        datasets=lease.datasets,
        granted_at=lease.granted_at,
        started_at=lease.started_at,
        ended_at=lease.released_at,
        minutes=round(hours * 60),
        gpu_hours=round(hours * lease.gpu_count, 3),
        memory_peak_mb=usage.memory_peak_mb,
        gpu_memory_peak_mb=usage.gpu_memory_peak_mb,
        gpu_mean=usage.gpu_mean,
        oom_kills=usage.oom_kills,
        why_ended=lease.why_ended,
    )


def above(
    limits: Limits, now_held: Held, leases: Iterable[Lease], homes: Iterable[HomeUse]
) -> list[Over]:
    """Which of `limits` are below what is in use: held at once, hours, sessions, homes."""
    over = [
        Over(what=what, limit=limit, used=getattr(now_held, what))
        for what in (*_AT_ONCE, "gpu_hours_week")
        if (limit := getattr(limits, what)) is not None and getattr(now_held, what) > limit
    ]
    for lease in leases:
        minutes = lease.minutes + lease.extended_minutes
        if lease.active and limits.minutes is not None and minutes > limits.minutes:
            over.append(
                Over(what="minutes", limit=limits.minutes, used=minutes, username=lease.username)
            )
    for home in homes:
        if limits.disk_mb is not None and home.used_mb > limits.disk_mb:
            over.append(
                Over(
                    what="disk_mb", limit=limits.disk_mb, used=home.used_mb, username=home.username
                )
            )
    return over


def those_of(leases: Iterable[Lease], kind: Kind, names: Collection[str]) -> list[Lease]:
    """The leases that count for these people or groups."""
    if kind is Kind.PERSON:
        return [lease for lease in leases if lease.username in names]
    return [lease for lease in leases if lease.group in names]
