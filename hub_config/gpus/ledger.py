"""The ledger: every lease that was ever granted, and which devices are held now.

A lease is written before its container is created, and released only when Docker says that the
container is gone: unknown is not gone. Each verb is one writing transaction, which no other can
interleave; and were one to, the unique indices of `tables.py` would refuse it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from hub_config.db import reading, writing
from hub_config.gpus import refusals, rules
from hub_config.gpus.model import DeviceRow, Ended, Free, Lease, LeaseRequest
from hub_config.gpus.tables import (
    LeaseDeviceTable,
    LeaseTable,
    active_leases,
    device_rows,
    lease_of,
)
from hub_config.groups.store import GroupTable

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
            _refuse_second(session, request)
            groups = _existing(session, request.groups)
            group, devices = rules.pick(device_rows(session), request, groups, now)
            row = _row(request, group, devices, now)
            session.add(row)
            session.flush()
            lease = lease_of(row)
        log.info("lease %s granted to %s: %s", lease.id, lease.username, lease.device_uuids)
        return lease

    def started(self, lease_id: str, container_id: str, now: datetime) -> Lease:
        """Note that the lease's container runs: its minutes count from the first such note.

        Raises UnknownLease, and LeaseOver where it was released: then remove the container.
        """
        with writing(self.engine) as session:
            row = _find(session, lease_id)
            if row.released_at is not None:
                raise refusals.lease_over(lease_of(row))
            row.container_id = container_id
            if row.started_at is None:
                row.started_at = now
                row.ends_at = rules.end_of(now, row.minutes)
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
        """The leases whose time is up and that are not released yet."""
        with reading(self.engine) as session:
            return active_leases(session, LeaseTable.ends_at <= now)

    def free_for(
        self, groups: Iterable[str], now: datetime, *, wanted: int = 1, memory_mb: int = 0
    ) -> Free:
        """What `groups` have free for somebody who wants `wanted` devices of `memory_mb`."""
        with reading(self.engine) as session:
            return rules.supply(device_rows(session), tuple(groups), wanted, memory_mb, now)


def _find(session: Session, lease_id: str) -> LeaseTable:
    row = session.get(LeaseTable, lease_id)
    if row is None:
        raise refusals.unknown_lease(lease_id)
    return row


def _refuse_second(session: Session, request: LeaseRequest) -> None:
    held = active_leases(
        session,
        LeaseTable.username == request.username,
        LeaseTable.server_name == request.server_name,
    )
    if held:
        raise refusals.already_held(held[0])


def _existing(session: Session, groups: Sequence[str]) -> list[str]:
    known = set(session.scalars(select(GroupTable.name).where(GroupTable.name.in_(groups))))
    return [group for group in groups if group in known]


def _row(
    request: LeaseRequest, group: str | None, devices: Sequence[DeviceRow], now: datetime
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
        cpus=request.cpus,
        memory_mb=request.memory_mb,
        gpu_count=request.gpu_count,
        minutes=request.minutes,
        granted_at=now,
        ends_at=rules.end_of(now, request.minutes),
        held=[LeaseDeviceTable(device_uuid=device.uuid, share=0) for device in devices],
    )
