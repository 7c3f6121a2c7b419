"""The ledger: every lease that was ever granted, and which devices are held now.

A lease is written before its container is created, and released only when Docker says that the
container is gone: unknown is not gone. Each verb is one writing transaction, which no other can
interleave; and were one to, the unique indices of `tables.py` would refuse it.

A lease ends with its minutes, or before them where `stop_early` says so; `Lease.until` is the
earlier of the two, and what is due is judged by that.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine, or_, select
from sqlalchemy.orm import Session

from hub_config.db import reading, writing
from hub_config.gpus import refusals, rules
from hub_config.gpus.model import Device, Ended, Free, Lease, LeaseRequest
from hub_config.gpus.tables import (
    LeaseDeviceTable,
    LeaseTable,
    active_leases,
    device_rows,
    lease_of,
    leases_since,
)
from hub_config.groups.store import every_group

log = logging.getLogger(__name__)


class Ledger:
    """All leases of this RadLab."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def grant(self, request: LeaseRequest, now: datetime) -> Lease:
        """A new lease on free devices of one of the request's groups.

        Raises BadLeaseRequest, AlreadyHeld (with the lease that the named server holds),
        NoGpuForGroup (it never will be possible) or NoFreeGpu (with the time when it will be).
        """
        rules.check_request(request)
        with writing(self.engine) as session:
            refuse_second(session, request)
            known = every_group(session)
            groups = [known[name] for name in request.groups if name in known]
            offer = rules.pick(device_rows(session), request, groups, known, now)
            return write_lease(
                session,
                request,
                group=offer.group,
                lender=offer.lender,
                devices=offer.devices,
                now=now,
            )

    def started(self, lease_id: str, container_id: str, now: datetime) -> Lease:
        """Note that the lease's container runs: its minutes count from the first such note.

        Raises UnknownLease, and LeaseOver where it was released: then remove the container.
        """
        with writing(self.engine) as session:
            row = _find_running(session, lease_id)
            row.container_id = container_id
            _count_from(row, now)
            return lease_of(row)

    def ready(self, lease_id: str, now: datetime) -> Lease:
        """Note that JupyterLab answers in the lease's container; the first note stays.

        Raises UnknownLease, and LeaseOver where it was released.
        """
        with writing(self.engine) as session:
            row = _find_running(session, lease_id)
            _count_from(row, now)
            row.ready_at = row.ready_at or max(now, row.granted_at)
            return lease_of(row)

    def record_start(
        self, lease_id: str, image_digest: str | None, datasets: Iterable[str]
    ) -> Lease:
        """Keep which image the lease's container was made of, and which dataset versions it sees.

        Raises UnknownLease and LeaseOver.
        """
        with writing(self.engine) as session:
            row = _find_running(session, lease_id)
            row.image_digest = image_digest
            row.datasets = json.dumps(sorted(datasets), ensure_ascii=False)
            return lease_of(row)

    def extend(self, lease_id: str, minutes: int, now: datetime, *, most_minutes: int) -> Lease:
        """`minutes` more for the lease, of at most `most_minutes` together.

        Raises UnknownLease; LeaseOver where it is released or being ended; EndsEarly where its GPU
        is called back or its hours are used; LongEnough; BadLeaseRequest.
        """
        if minutes < 1:
            raise refusals.bad_request("minutes", minutes, "1 or more")
        with writing(self.engine) as session:
            row = _find_running(session, lease_id)
            lease = lease_of(row)
            if row.why_ended is not None:
                raise refusals.lease_over(lease)
            if lease.until_why not in (Ended.TIME_UP, Ended.IDLE):
                raise refusals.ends_early(lease)
            if lease.minutes + lease.extended_minutes + minutes > most_minutes:
                raise refusals.long_enough(lease, minutes, most_minutes)
            row.extended_minutes += minutes
            row.ends_at += timedelta(minutes=minutes)
            log.info("lease %s of %s extended by %d minutes", row.id, row.username, minutes)
            return lease_of(row)

    def stop_early(self, lease_id: str, at: datetime, why: Ended) -> Lease:
        """End the lease at `at` because of `why`, where its minutes last longer.

        Of several such words the earliest stays, so that saying it again puts nothing off; where
        that is taken back the later ones are to be said again. On a released lease it changes
        nothing. Raises UnknownLease.
        """
        with writing(self.engine) as session:
            row = _find(session, lease_id)
            if row.released_at is None and (row.stop_at is None or at < row.stop_at):
                row.stop_at, row.stop_why = at, why.value
                log.info("lease %s of %s stops early: %s", row.id, row.username, why.value)
            return lease_of(row)

    def let_run(self, lease_id: str, why: Ended) -> Lease:
        """Take back an early end that was because of `why`; one for another reason stays.

        A note that it is about to end because of `why` goes, too: stopping its server failed.
        Raises UnknownLease; on a released lease it changes nothing.
        """
        with writing(self.engine) as session:
            row = _find(session, lease_id)
            if row.released_at is None and why.value in (row.stop_why, row.why_ended):
                if row.stop_why == why.value:
                    row.stop_at = row.stop_why = None
                if row.why_ended == why.value:
                    row.why_ended = None
                log.info("lease %s of %s runs on: not %s", row.id, row.username, why.value)
            return lease_of(row)

    def note_end(self, lease_id: str, why: Ended) -> Lease:
        """Keep why the lease is about to end, before its server is stopped; the first note stays.

        Whoever stops it knows why; whoever releases it sees only that the container is gone.
        Raises UnknownLease; on a lease that is released it changes nothing.
        """
        with writing(self.engine) as session:
            row = _find(session, lease_id)
            if row.why_ended is None:
                row.why_ended = why.value
            return lease_of(row)

    def release(self, lease_id: str, why: Ended, now: datetime) -> Lease:
        """Free the lease's devices, once its container is gone; again does nothing.

        The first reason, a noted one too, and the first time stay. A clock that stepped back gives
        no lease a negative length.
        """
        with writing(self.engine) as session:
            row = _find(session, lease_id)
            if row.released_at is None:
                row.released_at = max(now, row.granted_at)
                row.why_ended = row.why_ended or why.value
                for held in row.held:
                    held.released_at = row.released_at
                log.info("lease %s of %s released: %s", row.id, row.username, row.why_ended)
            return lease_of(row)

    def get(self, lease_id: str) -> Lease:
        """The lease of that id, active or over; UnknownLease."""
        with reading(self.engine) as session:
            return lease_of(_find(session, lease_id))

    def active(self) -> list[Lease]:
        """Every lease that is not released, oldest first."""
        with reading(self.engine) as session:
            return active_leases(session)

    def due(self, now: datetime) -> list[Lease]:
        """The leases whose time is up (by `Lease.until`) and that are not released yet."""
        with reading(self.engine) as session:
            up = or_(LeaseTable.ends_at <= now, LeaseTable.stop_at <= now)
            return active_leases(session, up)

    def history(
        self,
        since: datetime,
        *,
        usernames: Collection[str] | None = None,
        groups: Collection[str] | None = None,
    ) -> list[Lease]:
        """Every lease, over or active, that was not yet over at `since`, oldest first.

        Where given, of `usernames` only, and of those that count for `groups` only.
        """
        with reading(self.engine) as session:
            return leases_since(session, since, usernames=usernames, groups=groups)

    def usernames(self) -> list[str]:
        """Everybody who ever held a lease, by name."""
        with reading(self.engine) as session:
            names = select(LeaseTable.username).distinct().order_by(LeaseTable.username)
            return list(session.scalars(names))

    def free_for(
        self, groups: Iterable[str], now: datetime, *, wanted: int = 1, memory_mb: int = 0
    ) -> Free:
        """What `groups` have free for somebody who wants `wanted` devices of `memory_mb`."""
        with reading(self.engine) as session:
            known = every_group(session)
            return rules.supply(device_rows(session), tuple(groups), wanted, memory_mb, now, known)


def _find(session: Session, lease_id: str) -> LeaseTable:
    row = session.get(LeaseTable, lease_id)
    if row is None:
        raise refusals.unknown_lease(lease_id)
    return row


def _find_running(session: Session, lease_id: str) -> LeaseTable:
    row = _find(session, lease_id)
    if row.released_at is not None:
        raise refusals.lease_over(lease_of(row))
    return row


def _count_from(row: LeaseTable, now: datetime) -> None:
    """Count the lease's minutes from `now`, unless they are counted already."""
    if row.started_at is None:
        row.started_at = now
        row.ends_at = rules.end_of(now, row.minutes + row.extended_minutes)


def refuse_second(session: Session, request: LeaseRequest) -> None:
    """AlreadyHeld, with the lease, where the request's named server holds one."""
    held = active_leases(
        session,
        LeaseTable.username == request.username,
        LeaseTable.server_name == request.server_name,
    )
    if held:
        raise refusals.already_held(held[0])


def write_lease(
    session: Session,
    request: LeaseRequest,
    *,
    group: str | None,
    lender: str | None,
    devices: Sequence[Device],
    now: datetime,
    minutes: int | None = None,
) -> Lease:
    """A lease on `devices` inside a writing transaction of the caller's, who chose them in it.

    `minutes` are those of the request, or fewer where a quota allows no more. A device that is held
    fails the transaction: IntegrityError.
    """
    row = _row(request, group, devices, now)
    row.lender = lender
    if minutes is not None:
        row.minutes, row.ends_at = minutes, rules.end_of(now, minutes)
    session.add(row)
    session.flush()
    lease = lease_of(row)
    log.info("lease %s granted to %s: %s", lease.id, lease.username, lease.device_uuids)
    return lease


def _row(
    request: LeaseRequest, group: str | None, devices: Sequence[Device], now: datetime
) -> LeaseTable:
    return LeaseTable(
        id=uuid.uuid4().hex,
        server=devices[0].server if devices else "local",
        username=request.username,
        server_name=request.server_name,
        task=request.task,
        group_name=group,
        module=request.module,
        module_version=request.module_version,
        image=request.image,
        size=request.size,
        cpus=request.cpus,
        memory_mb=request.memory_mb,
        gpu_count=request.gpu_count,
        minutes=request.minutes,
        granted_at=now,
        ends_at=rules.end_of(now, request.minutes),
        held=[LeaseDeviceTable(device_uuid=device.uuid, share=0) for device in devices],
    )
