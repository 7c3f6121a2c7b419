"""Routes of quotas, records of use and the audit.

Administrators see all. Instructors see the records of the groups that they teach, those groups'
quotas and their students', and of the audit what they did themselves and what was done to sessions
and places of those groups. Everybody sees their own use and the quotas that bind them. Only
administrators set quotas.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from hub_config import clock
from hub_config.groups.rules import Person, require_administrator, require_staff
from hub_config.usage import rules
from hub_config.usage.model import LIMITS, Entry, Held, Kind, Limits, Over, Record, Standing
from hub_config.usage.sheet import csv_of
from hub_config.usage.store import AuditStore, QuotaStore, UsageStore

_DAYS = timedelta(days=30)
_Number = Annotated[float | None, Field(strict=True)]
_SINCE = Query(default=None, description="12h, 30d, week, a day or ISO 8601; default 30 days.")
_UNTIL = Query(default=None, description="Only what was granted before; as `since`.")
_USER = Query(default=None, description="Only this person's.")
_GROUP = Query(default=None, description="Only what counts for this class group.")


class Places(Protocol):
    """What the audit asks of the queue."""

    def of_groups(self, place_ids: Collection[str], groups: Collection[str]) -> set[str]:
        """Which of these places, open or over, are of one of `groups`."""


class Services(Protocol):
    """What these routes need of the portal."""

    @property
    def quotas(self) -> QuotaStore:
        """The quotas."""

    @property
    def usage(self) -> UsageStore:
        """What leases and homes used."""

    @property
    def audit(self) -> AuditStore:
        """What staff did for whom."""

    @property
    def queue(self) -> Places:
        """Whose places these were."""


class RecordOut(BaseModel):
    """Who used what from when to when; times in UTC."""

    model_config = ConfigDict(from_attributes=True)

    lease_id: str
    username: str
    group: str | None
    lender: str | None = Field(description="The group whose GPUs these were, where another one.")
    devices: list[str] = Field(validation_alias="device_uuids", description="UUIDs of its GPUs.")
    device_models: list[str]
    simulated: bool
    size: str | None
    cpus: float
    memory_mb: int
    image: str
    image_digest: str | None
    module: str | None
    module_version: str | None
    datasets: list[str] = Field(description="Dataset versions that it saw at its start.")
    granted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    minutes: int = Field(description="From its start to its end, or up to now.")
    gpu_hours: float
    memory_peak_mb: int
    gpu_memory_peak_mb: int
    gpu_mean: float | None = Field(description="Mean utilisation of its GPUs, 0 to 1.")
    oom_kills: int = Field(description="Processes that were killed for memory.")
    why_ended: str | None


class LimitsOut(BaseModel):
    """Limits; null: none."""

    model_config = ConfigDict(from_attributes=True)

    gpus: int | None
    cpus: float | None
    memory_mb: int | None
    disk_mb: int | None
    minutes: int | None
    gpu_hours_week: float | None
    servers: int | None


class HeldOut(BaseModel):
    """What is held now, and the GPU-hours of the week so far."""

    model_config = ConfigDict(from_attributes=True)

    gpus: int
    cpus: float
    memory_mb: int
    servers: int
    gpu_hours_week: float


class OverOut(BaseModel):
    """A limit that is below what is in use."""

    model_config = ConfigDict(from_attributes=True)

    what: str
    limit: float
    used: float
    username: str | None


class QuotaOut(BaseModel):
    """The limits of a group or person, what is held, and what of it is over."""

    kind: Kind
    name: str
    limits: LimitsOut
    held: HeldOut
    over: list[OverOut]
    set_at: datetime
    set_by: str


class QuotaIn(BaseModel):
    """All limits that are to bind; what is left out is no limit."""

    model_config = ConfigDict(extra="forbid")

    gpus: _Number = None
    cpus: _Number = None
    memory_mb: _Number = None
    disk_mb: _Number = None
    minutes: _Number = None
    gpu_hours_week: _Number = None
    servers: _Number = None
    reason: str = Field(default="", max_length=500, description="Kept in the audit.")


class BoundOut(BaseModel):
    """Limits that bind a person through one of their groups, and what the group holds."""

    group: str
    limits: LimitsOut
    held: HeldOut


class MineOut(BaseModel):
    """What somebody holds, may hold, and used lately."""

    username: str
    held: HeldOut
    limits: LimitsOut
    groups: list[BoundOut]
    home_used_mb: int | None = Field(description="null: not measured yet.")
    home_limit_mb: int | None
    home_measured_at: datetime | None
    records: list[RecordOut]


class EntryOut(BaseModel):
    """One line of the audit."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    by: str
    action: str
    username: str | None
    lease_id: str | None
    place_id: str | None
    reason: str
    detail: str


def record_out(record: Record) -> RecordOut:
    """`record` as the API shows it."""
    return RecordOut.model_validate(record)


def quota_out(standing: Standing) -> QuotaOut:
    """`standing` as the API shows it."""
    quota = standing.quota
    return QuotaOut(
        kind=quota.kind,
        name=quota.name,
        limits=_limits(quota.limits),
        held=_held(standing.held),
        over=[_over(over) for over in standing.over],
        set_at=quota.set_at,
        set_by=quota.set_by,
    )


def _limits(limits: Limits) -> LimitsOut:
    return LimitsOut.model_validate(limits)


def _held(held: Held) -> HeldOut:
    return HeldOut.model_validate(held)


def _over(over: Over) -> OverOut:
    return OverOut.model_validate(over)


def may_see(who: Person, kind: Kind, name: str, students: Collection[str]) -> bool:
    """True where `who`, who teaches `students`, may see this quota.

    That is their own, their groups', their students', and any for administrators.
    """
    own = name == who.name if kind is Kind.PERSON else name in who.groups
    return own or _is_staff_of(who, kind, name, students)


def _is_staff_of(who: Person, kind: Kind, name: str, students: Collection[str]) -> bool:
    return who.is_administrator or name in (students if kind is Kind.PERSON else who.taught)


def _over_for(who: Person, standing: Standing, students: Collection[str]) -> tuple[Over, ...]:
    """What of `standing` is over, as `who` may know: whose session or home only as their staff."""
    if _is_staff_of(who, standing.quota.kind, standing.quota.name, students):
        return standing.over
    return tuple(over for over in standing.over if over.username in (None, who.name))


def visible_entries(services: Services, who: Person, limit: int) -> list[Entry]:
    """The newest lines of the audit that `who` may see."""
    if who.is_administrator:
        return services.audit.recent(limit)
    places = services.queue.of_groups
    return services.audit.recent(limit, by=who.name, groups=who.taught, places=places)


def visible_records(
    usage: UsageStore,
    who: Person,
    now: datetime,
    *,
    since: str | None = None,
    until: str | None = None,
    user: str | None = None,
    group: str | None = None,
) -> list[Record]:
    """The records that `who` may see and asks for; of instructors those of groups they teach."""
    taught = None if who.is_administrator else who.taught
    groups = taught if group is None else {group} if taught is None else taught & {group}
    return usage.records(
        rules.moment_of(since, now) if since else now - _DAYS,
        now,
        usernames=None if user is None else [user],
        groups=groups,
        until=rules.moment_of(until, now) if until else None,
    )


def mine(services: Services, who: Person, now: datetime) -> MineOut:
    """What `who` holds, may hold, and used in the last 30 days."""
    bounds = services.quotas.of(who.name, sorted(who.groups))
    home = services.usage.home(who.name)
    limited = [group for group in bounds.groups if bounds.of(group) != Limits()]
    return MineOut(
        username=who.name,
        held=_held(services.quotas.held(Kind.PERSON, who.name, now)),
        limits=_limits(bounds.person),
        groups=[
            BoundOut(
                group=group,
                limits=_limits(bounds.of(group)),
                held=_held(services.quotas.held(Kind.GROUP, group, now)),
            )
            for group in limited
        ],
        home_used_mb=home.used_mb if home else None,
        home_limit_mb=rules.disk_limit(bounds),
        home_measured_at=home.measured_at if home else None,
        records=[
            record_out(record)
            for record in services.usage.records(now - _DAYS, now, usernames=[who.name])
        ],
    )


def router(
    services: Services, person: Callable[..., Person], students: Callable[..., Any]
) -> APIRouter:
    """The routes; `person` is the dependency that says who asks, `students` whom they teach."""
    routes = APIRouter(tags=["usage"])
    asking = Depends(person)
    _add_records(routes, services, asking)
    _add_quotas(routes, services, asking, Depends(students))

    @routes.get("/api/audit")
    def list_audit(
        who: Person = asking, limit: int = Query(default=200, ge=1, le=5000)
    ) -> list[EntryOut]:
        """What staff did for whom and why, newest first; for instructors their part of it."""
        require_staff(who)
        entries = visible_entries(services, who, limit)
        return [EntryOut.model_validate(entry) for entry in entries]

    return routes


def _add_records(routes: APIRouter, services: Services, asking: Person) -> None:
    @routes.get("/api/usage")
    def list_usage(
        who: Person = asking,
        since: str | None = _SINCE,
        until: str | None = _UNTIL,
        user: str | None = _USER,
        group: str | None = _GROUP,
    ) -> list[RecordOut]:
        """Who used which GPU, size, image and module from when to when, oldest first."""
        require_staff(who)
        found = visible_records(
            services.usage, who, clock.now(), since=since, until=until, user=user, group=group
        )
        return [record_out(record) for record in found]

    @routes.get("/api/usage.csv", response_class=Response)
    def usage_as_csv(
        who: Person = asking,
        since: str | None = _SINCE,
        until: str | None = _UNTIL,
        user: str | None = _USER,
        group: str | None = _GROUP,
    ) -> Response:
        """The same as a CSV file for a spreadsheet."""
        require_staff(who)
        found = visible_records(
            services.usage, who, clock.now(), since=since, until=until, user=user, group=group
        )
        # With the mark of UTF-8: without it Excel reads Chinese names as something else.
        return Response(
            csv_of(found).encode("utf-8-sig"),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="radlab-usage.csv"'},
        )

    @routes.get("/api/usage/mine")
    def show_mine(who: Person = asking) -> MineOut:
        """What the person who asks holds, may hold, and used in the last 30 days."""
        return mine(services, who, clock.now())


def _add_quotas(routes: APIRouter, services: Services, asking: Person, taught: Any) -> None:
    @routes.get("/api/quotas")
    def list_quotas(who: Person = asking, students: frozenset[str] = taught) -> list[QuotaOut]:
        """All quotas for an administrator; for others their own, their groups', their students'."""
        found = services.quotas.standings(clock.now())
        seen = [s for s in found if may_see(who, s.quota.kind, s.quota.name, students)]
        return [quota_out(replace(s, over=_over_for(who, s, students))) for s in seen]

    @routes.put("/api/quotas/{kind}/{name}")
    def set_quota(kind: Kind, name: str, wanted: QuotaIn, who: Person = asking) -> QuotaOut:
        """Set all limits of a group or person (administrators); says what is over by that."""
        require_administrator(who)
        limits = {what: getattr(wanted, what) for what in LIMITS}
        changed = services.quotas.change(kind, name, limits, who.name, reason=wanted.reason)
        return quota_out(changed)

    @routes.delete("/api/quotas/{kind}/{name}", status_code=204)
    def remove_quota(kind: Kind, name: str, who: Person = asking) -> None:
        """Lift every limit of a group or person (administrators)."""
        require_administrator(who)
        services.quotas.remove(kind, name, who.name)
