"""What limits mean: which can be set, what fits, what is left, and when a week's hours are used up.

A lease counts for its owner and for its class group, and both must have room. What is held at once
is counted over active leases. GPU-hours count from Monday 00:00 UTC, for each GPU from the moment
its container started, active leases up to now; a lease without a GPU is not bound by them. A limit
of 0 GPUs, servers or hours means none. Everything here is pure: leases come in, and `now` is given.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hub_config.gpus.model import Lease, LeaseRequest
from hub_config.usage import refusals
from hub_config.usage.hours import (
    gpu_hours,
    hours_end,
    hours_ends,
    hours_of,
    those_of,
    week_start,
)
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
    Record,
    Sample,
    Short,
    Standing,
)
from hub_config.usage.refusals import (
    BadLimit,
    BadMoment,
    BadQuotaName,
    LongReason,
    NoQuota,
    NoReason,
    OverQuota,
)

# This module is the door to the slice's words and refusals; callers need no other.
__all__ = [
    "LIMITS",
    "BadLimit",
    "BadMoment",
    "BadQuotaName",
    "Bounds",
    "Entry",
    "Held",
    "HomeUse",
    "Kind",
    "LeaseUsage",
    "Limits",
    "LongReason",
    "NoQuota",
    "NoReason",
    "Over",
    "OverQuota",
    "Quota",
    "Record",
    "Sample",
    "Short",
    "Standing",
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
    "moment_of",
    "record_of",
    "room",
    "room_for",
    "short_reason",
    "standing",
    "those_of",
    "week_start",
]

# Characters of a reason: a page of the audit shows hundreds of them.
MOST_REASON = 500
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
_ROUNDING = 1e-9  # of sums of cores and hours
_AGO = re.compile(r"(\d{1,5})([hd])")
_UNITS = {"h": "hours", "d": "days"}
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
    """The reason for an act for somebody else, trimmed; NoReason without one, LongReason."""
    reason = short_reason(reason)
    if not reason:
        raise refusals.no_reason()
    return reason


def short_reason(reason: str) -> str:
    """A reason that may be left out, trimmed; LongReason."""
    reason = reason.strip()
    if len(reason) > MOST_REASON:
        raise refusals.long_reason(reason, MOST_REASON)
    return reason


def moment_of(text: str, now: datetime) -> datetime:
    """The moment that `text` names: `12h` or `30d` before `now`, `week`, a day, or ISO 8601.

    A day or time without a zone is in UTC; `week` is this week's Monday. BadMoment.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    if text.strip() == "week":
        return week_start(now)
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise refusals.bad_moment(text) from error


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
        if limit is not None and wanted and used + wanted > limit + _ROUNDING:
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


def record_of(lease: Lease, usage: LeaseUsage, now: datetime) -> Record:
    """The record of `lease`; of an active one up to `now`."""
    hours = hours_of(lease, lease.granted_at, now)
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


def standing(
    quota: Quota, leases: Iterable[Lease], homes: Iterable[HomeUse], now: datetime
) -> Standing:
    """How `quota` stands, of all `leases` since the week began and of all `homes`.

    The homes of a group are those of its students of this week.
    """
    own = those_of(leases, quota.kind, [quota.name])
    person = quota.kind is Kind.PERSON
    people = {quota.name} if person else {lease.username for lease in own}
    holds = held(own, now)
    over = (
        *_over_at_once(quota.limits, holds),
        *_over_long(quota.limits, own),
        *_over_full(quota.limits, [home for home in homes if home.username in people]),
    )
    return Standing(quota=quota, held=holds, over=over)


def _over_at_once(limits: Limits, holds: Held) -> Iterator[Over]:
    for what in (*_AT_ONCE, "gpu_hours_week"):
        limit, used = getattr(limits, what), getattr(holds, what)
        if limit is not None and used > limit + _ROUNDING:
            yield Over(what=what, limit=limit, used=used)


def _over_long(limits: Limits, leases: Iterable[Lease]) -> Iterator[Over]:
    for lease in leases:
        minutes, most = lease.minutes + lease.extended_minutes, limits.minutes
        if lease.active and most is not None and minutes > most:
            yield Over(what="minutes", limit=most, used=minutes, username=lease.username)


def _over_full(limits: Limits, homes: Iterable[HomeUse]) -> Iterator[Over]:
    for home in homes:
        most = limits.disk_mb
        if most is not None and home.used_mb > most:
            yield Over(what="disk_mb", limit=most, used=home.used_mb, username=home.username)
