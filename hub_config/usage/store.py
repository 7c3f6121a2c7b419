"""Quotas, the use of leases and homes, and the audit: one transaction a verb."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from hub_config import clock
from hub_config.db import reading, writing
from hub_config.gpus.model import Lease
from hub_config.gpus.tables import LeaseTable, leases_since
from hub_config.groups.store import every_group, find
from hub_config.usage import refusals, rules
from hub_config.usage.model import (
    LIMITS,
    Bounds,
    Entry,
    Held,
    HomeUse,
    Kind,
    LeaseUsage,
    Limits,
    Quota,
    Record,
    Sample,
    Standing,
)
from hub_config.usage.tables import AuditTable, HomeTable, LeaseUsageTable, QuotaTable

log = logging.getLogger(__name__)

# A query may name only so many ids: SQLite allows 32,766 parameters.
_AT_ONCE = 5000

# Which of these places are of one of these groups: places are not this slice's.
PlacesOf = Callable[[Collection[str], Collection[str]], Collection[str]]


class QuotaStore:
    """All quotas of this RadLab."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def set(self, kind: Kind, name: str, limits: Limits, by: str, *, reason: str = "") -> Standing:
        """Let exactly `limits` bind the group or person `name`; says what of it is exceeded now.

        Nothing is ended by that at once: hours that are used up end a session, with a warning, and
        the other limits bind what is asked for next. BadLimit, BadQuotaName, UnknownGroup,
        LongReason.
        """
        return self.change(kind, name, vars(limits), by, reason=reason)

    def change(
        self,
        kind: Kind,
        name: str,
        changes: Mapping[str, float | None],
        by: str,
        *,
        reason: str = "",
    ) -> Standing:
        """Change the limits that `changes` names, None lifting one; as `set` otherwise."""
        now, reason = clock.now(), rules.short_reason(reason)
        with writing(self.engine) as session:
            _check_name(session, kind, name)
            row = session.get(QuotaTable, (kind.value, name)) or QuotaTable(
                kind=kind.value, name=name
            )
            limits = rules.changed(_limits(row), changes)
            for what in LIMITS:
                setattr(row, what, getattr(limits, what))
            row.set_at, row.set_by = now, by
            session.add(row)
            detail = f"{kind} {name}: {_told(limits)}"
            _audit(session, now, by, "quota", reason, _person(kind, name), detail)
            session.flush()
            leases = leases_since(session, rules.week_start(now))
            homes = list(map(_home, session.scalars(select(HomeTable))))
            return rules.standing(_quota(row), leases, homes, now)

    def remove(self, kind: Kind, name: str, by: str, *, reason: str = "") -> None:
        """Lift every limit of the group or person `name`; NoQuota where none is, LongReason."""
        reason = rules.short_reason(reason)
        with writing(self.engine) as session:
            row = _set_for(session, kind, name)
            session.delete(row)
            detail = f"{kind} {name}: removed"
            _audit(session, clock.now(), by, "quota", reason, _person(kind, name), detail)

    def get(self, kind: Kind, name: str) -> Quota:
        """The quota of the group or person `name`; NoQuota."""
        with reading(self.engine) as session:
            row = _set_for(session, kind, name)
            return _quota(row)

    def all(self) -> list[Quota]:
        """Every quota that is set: groups by name, then people by name."""
        with reading(self.engine) as session:
            rows = session.scalars(select(QuotaTable).order_by(QuotaTable.kind, QuotaTable.name))
            return [_quota(row) for row in rows]

    def of(self, username: str, groups: Collection[str]) -> Bounds:
        """Which limits bind `username`, who is in the class `groups`."""
        with reading(self.engine) as session:
            return for_person(session, username, groups)

    def held(self, kind: Kind, name: str, now: datetime) -> Held:
        """What the group or person `name` holds, and the GPU-hours of their week so far."""
        with reading(self.engine) as session:
            return rules.held(_week(session, kind, name, now), now)

    def standings(self, now: datetime) -> list[Standing]:
        """Every quota that is set, with what is held and which of it is exceeded."""
        with reading(self.engine) as session:
            rows = session.scalars(select(QuotaTable).order_by(QuotaTable.kind, QuotaTable.name))
            leases = leases_since(session, rules.week_start(now))
            homes = list(map(_home, session.scalars(select(HomeTable))))
            return [rules.standing(_quota(row), leases, homes, now) for row in rows]

    def hours_ends(self, now: datetime) -> dict[str, datetime]:
        """When weekly GPU-hours will be used up, by lease: of active ones with a GPU, where at all.

        The earlier of the owner's and the group's. It may be past; it may be later than the lease
        ends. As others start and stop it moves either way, so ask again before acting on it.
        """
        with reading(self.engine) as session:
            bounds = every_limit(session)
            if all(limits.gpu_hours_week is None for limits in bounds.values()):
                return {}
            leases = leases_since(session, rules.week_start(now))
        return rules.hours_ends(leases, bounds, now)


def for_person(session: Session, username: str, groups: Collection[str]) -> Bounds:
    """Which limits bind `username`, who is in `groups`; inside a transaction of the caller's.

    Of `groups` only class groups count: a role's group would be one without any limit.
    """
    limits, known = every_limit(session), every_group(session)
    return Bounds(
        person=limits.get((Kind.PERSON, username), Limits()),
        groups={g: limits.get((Kind.GROUP, g), Limits()) for g in groups if g in known},
    )


def every_limit(session: Session) -> dict[tuple[Kind, str], Limits]:
    """Every limit that is set, by whom it binds; inside a transaction of the caller's."""
    rows = session.scalars(select(QuotaTable))
    return {(Kind(row.kind), row.name): _limits(row) for row in rows}


class UsageStore:
    """What leases and homes used."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def sample(self, samples: Iterable[Sample], now: datetime) -> None:
        """Keep one look at each of several containers; of unknown leases nothing is kept."""
        by_lease = {sample.lease_id: sample for sample in samples}
        with writing(self.engine) as session:
            for row in _usage_rows(session, by_lease):
                _add(row, by_lease[row.lease_id], now)

    def busy(self, lease_id: str, now: datetime | None, kernels: int | None = None) -> None:
        """Note real use of the lease at `now`, and how many kernels it has, as far as given."""
        with writing(self.engine) as session:
            for row in _usage_rows(session, [lease_id]):
                row.busy_at = max(now, row.busy_at or now) if now else row.busy_at
                row.kernels = row.kernels if kernels is None else kernels

    def of(self, lease_ids: Collection[str]) -> dict[str, LeaseUsage]:
        """What each of these leases used; nothing yet where nothing was sampled."""
        with reading(self.engine) as session:
            return _usage(session, lease_ids)

    def records(
        self,
        since: datetime,
        now: datetime,
        *,
        usernames: Collection[str] | None = None,
        groups: Collection[str] | None = None,
        until: datetime | None = None,
    ) -> list[Record]:
        """Who used what, of the leases not yet over at `since` and granted before `until`."""
        with reading(self.engine) as session:
            found = leases_since(session, since, usernames=usernames, groups=groups)
            leases = [lease for lease in found if until is None or lease.granted_at < until]
            usage = _usage(session, [lease.id for lease in leases])
        return [rules.record_of(lease, usage[lease.id], now) for lease in leases]

    def homes(self, homes: Iterable[HomeUse]) -> None:
        """Keep how much these homes hold."""
        with writing(self.engine) as session:
            for home in homes:
                session.merge(HomeTable(**vars(home)))

    def home(self, username: str) -> HomeUse | None:
        """How much the home of `username` held when it was measured; None: it never was."""
        with reading(self.engine) as session:
            row = session.get(HomeTable, username)
            return _home(row) if row else None

    def all_homes(self) -> dict[str, HomeUse]:
        """How much every measured home holds, by its owner."""
        with reading(self.engine) as session:
            return {row.username: _home(row) for row in session.scalars(select(HomeTable))}


class AuditStore:
    """What staff did for whom, and why; nothing of it is ever changed."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def note(
        self,
        by: str,
        action: str,
        reason: str,
        *,
        username: str | None = None,
        lease_id: str | None = None,
        place_id: str | None = None,
        detail: str = "",
    ) -> Entry:
        """Record that `by` did `action` for somebody because of `reason`; NoReason without one."""
        reason = rules.check_reason(reason)
        with writing(self.engine) as session:
            row = _audit(session, clock.now(), by, action, reason, username, detail)
            row.lease_id, row.place_id = lease_id, place_id
            session.flush()
            return _entry(row)

    def recent(
        self,
        limit: int = 200,
        *,
        by: str | None = None,
        groups: Collection[str] = (),
        places: PlacesOf | None = None,
    ) -> list[Entry]:
        """The newest entries first: all, or those of `by` and those about `groups`.

        About these are their leases, and of a few places those that `places` says are theirs.
        """
        query = select(AuditTable, LeaseTable.group_name.in_(groups)).order_by(AuditTable.id.desc())
        query = query.outerjoin(LeaseTable, LeaseTable.id == AuditTable.lease_id)
        found: list[Entry] = []
        with reading(self.engine) as session:
            if by is None:
                return [_entry(row) for row, _ in session.execute(query.limit(limit))]
            rows = session.execute(query.execution_options(yield_per=_AT_ONCE))
            for part in rows.partitions():
                ids = {row.place_id for row, _ in part if row.place_id}
                theirs = places(ids, groups) if places else ()
                found += [
                    _entry(row)
                    for row, leased in part
                    if leased or row.by == by or row.place_id in theirs
                ]
                if len(found) >= limit:
                    break
        return found[:limit]


def _check_name(session: Session, kind: Kind, name: str) -> None:
    if not 0 < len(name) <= 255 or name != name.strip():
        raise refusals.bad_quota_name(name)
    if kind is Kind.GROUP:
        find(session, name)


def _set_for(session: Session, kind: Kind, name: str) -> QuotaTable:
    row = session.get(QuotaTable, (kind.value, name))
    if row is None:
        known = select(QuotaTable.name).where(QuotaTable.kind == kind.value)
        raise refusals.no_quota(kind, name, session.scalars(known))
    return row


def _person(kind: Kind, name: str) -> str | None:
    return name if kind is Kind.PERSON else None


def _limits(row: QuotaTable) -> Limits:
    return Limits(**{what: getattr(row, what) for what in LIMITS})


def _told(limits: Limits) -> str:
    known = [(what, getattr(limits, what)) for what in LIMITS]
    told = [f"{what} {limit:g}" for what, limit in known if limit is not None]
    return ", ".join(told) or "no limit"


def _quota(row: QuotaTable) -> Quota:
    return Quota(
        kind=Kind(row.kind),
        name=row.name,
        limits=_limits(row),
        set_at=row.set_at,
        set_by=row.set_by,
    )


def _week(session: Session, kind: Kind, name: str, now: datetime) -> list[Lease]:
    chosen = {"usernames" if kind is Kind.PERSON else "groups": [name]}
    return leases_since(session, rules.week_start(now), **chosen)


def _usage_rows(session: Session, lease_ids: Collection[str]) -> list[LeaseUsageTable]:
    """The row of each of these leases that exists, made where there is none yet."""
    known = session.scalars(select(LeaseTable.id).where(LeaseTable.id.in_(lease_ids)))
    rows = session.scalars(
        select(LeaseUsageTable).where(LeaseUsageTable.lease_id.in_(lease_ids))
    ).all()
    new = [_new_row(lease_id) for lease_id in set(known) - {row.lease_id for row in rows}]
    session.add_all(new)
    return [*rows, *new]


def _new_row(lease_id: str) -> LeaseUsageTable:
    numbers = (
        "samples",
        "cpu_now",
        "memory_now_mb",
        "memory_peak_mb",
        "gpu_now",
        "gpu_sum",
        "gpu_samples",
        "gpu_memory_now_mb",
        "gpu_memory_peak_mb",
        "oom_kills",
        "kernels",
    )
    return LeaseUsageTable(lease_id=lease_id, **dict.fromkeys(numbers, 0))


def _add(row: LeaseUsageTable, sample: Sample, now: datetime) -> None:
    row.sampled_at = now
    row.samples += 1
    row.cpu_now = sample.cpu
    row.memory_now_mb = sample.memory_mb
    row.memory_peak_mb = max(row.memory_peak_mb, sample.memory_mb)
    row.gpu_memory_now_mb = sample.gpu_memory_mb
    row.gpu_memory_peak_mb = max(row.gpu_memory_peak_mb, sample.gpu_memory_mb)
    if sample.gpu is not None:
        row.gpu_now = sample.gpu
        row.gpu_sum += sample.gpu
        row.gpu_samples += 1
    if sample.oom_kills > row.oom_kills:
        row.oom_kills, row.oom_at = sample.oom_kills, now
        row.oom_process = sample.oom_process and sample.oom_process[:80]


def _usage(session: Session, lease_ids: Collection[str]) -> dict[str, LeaseUsage]:
    ids = list(lease_ids)
    found = {lease_id: LeaseUsage(lease_id=lease_id) for lease_id in ids}
    for start in range(0, len(ids), _AT_ONCE):
        some = LeaseUsageTable.lease_id.in_(ids[start : start + _AT_ONCE])
        rows = session.scalars(select(LeaseUsageTable).where(some))
        found |= {row.lease_id: _usage_of(row) for row in rows}
    return found


def _usage_of(row: LeaseUsageTable) -> LeaseUsage:
    return LeaseUsage(
        lease_id=row.lease_id,
        sampled_at=row.sampled_at,
        cpu_now=row.cpu_now,
        memory_now_mb=row.memory_now_mb,
        memory_peak_mb=row.memory_peak_mb,
        gpu_now=row.gpu_now if row.gpu_samples else None,
        gpu_mean=row.gpu_sum / row.gpu_samples if row.gpu_samples else None,
        gpu_memory_now_mb=row.gpu_memory_now_mb,
        gpu_memory_peak_mb=row.gpu_memory_peak_mb,
        oom_kills=row.oom_kills,
        oom_process=row.oom_process,
        oom_at=row.oom_at,
        busy_at=row.busy_at,
        kernels=row.kernels,
    )


def _home(row: HomeTable) -> HomeUse:
    return HomeUse(username=row.username, used_mb=row.used_mb, measured_at=row.measured_at)


def _audit(
    session: Session,
    at: datetime,
    by: str,
    action: str,
    reason: str,
    username: str | None,
    detail: str,
) -> AuditTable:
    row = AuditTable(at=at, by=by, action=action, reason=reason, username=username, detail=detail)
    session.add(row)
    log.info("%s by %s for %s: %s", action, by, username, detail)
    return row


def _entry(row: AuditTable) -> Entry:
    return Entry(
        id=row.id,
        at=row.at,
        by=row.by,
        action=row.action,
        username=row.username,
        lease_id=row.lease_id,
        place_id=row.place_id,
        reason=row.reason,
        detail=row.detail,
    )
