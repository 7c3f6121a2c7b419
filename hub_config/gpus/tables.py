"""The tables of devices and leases, and how their rows become this slice's words.

Capacity is the database's to enforce: of the rows of `lease_devices` that are not released, a
device and share may appear once. `share` is 0 for a whole device, the only kind yet. In the same
way a named server of a user holds one lease at most.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, Index, String, Text, false, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from hub_config.db import Base, UtcDateTime
from hub_config.gpus.model import Device, DeviceRow, Ended, Lease

_HELD = text("released_at IS NULL")


class DeviceTable(Base):
    """A device that was seen, and the group that it is assigned to."""

    __tablename__ = "devices"

    uuid: Mapped[str] = mapped_column(String(80), primary_key=True)
    server: Mapped[str] = mapped_column(String(80))
    index: Mapped[int]
    model: Mapped[str] = mapped_column(String(200))
    memory_mb: Mapped[int]
    simulated: Mapped[bool]
    unusable: Mapped[str | None] = mapped_column(String(40))
    group_name: Mapped[str | None] = mapped_column(ForeignKey("groups.name"))
    assigned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    assigned_by: Mapped[str | None] = mapped_column(String(255))
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    gone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    pool: Mapped[bool] = mapped_column(default=False, server_default=false())
    draining: Mapped[bool] = mapped_column(default=False, server_default=false())


class LeaseTable(Base):
    """A lease, kept for ever as the record of who used what."""

    __tablename__ = "leases"
    __table_args__ = (
        Index(
            "uq_leases_server_held",
            "username",
            "server_name",
            unique=True,
            sqlite_where=_HELD,
            postgresql_where=_HELD,
        ),
        Index("ix_leases_granted_at", "granted_at"),
        Index("ix_leases_released_at", "released_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    server: Mapped[str] = mapped_column(String(80))
    username: Mapped[str] = mapped_column(String(255))
    server_name: Mapped[str] = mapped_column(String(255))
    task: Mapped[str] = mapped_column(String(40))
    group_name: Mapped[str | None] = mapped_column(ForeignKey("groups.name"))
    module: Mapped[str | None] = mapped_column(String(120))
    module_version: Mapped[str | None] = mapped_column(String(40))
    image: Mapped[str] = mapped_column(Text)
    cpus: Mapped[float]
    memory_mb: Mapped[int]
    gpu_count: Mapped[int]
    minutes: Mapped[int]
    granted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    released_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    why_ended: Mapped[str | None] = mapped_column(String(40))
    container_id: Mapped[str | None] = mapped_column(String(80))
    size: Mapped[str | None] = mapped_column(String(40))
    lender: Mapped[str | None] = mapped_column(String(40))
    image_digest: Mapped[str | None] = mapped_column(String(120))
    datasets: Mapped[str | None] = mapped_column(Text)
    ready_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    extended_minutes: Mapped[int] = mapped_column(default=0, server_default="0")
    stop_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stop_why: Mapped[str | None] = mapped_column(String(40))
    held: Mapped[list[LeaseDeviceTable]] = relationship(lazy="selectin")


class LeaseDeviceTable(Base):
    """A device that a lease holds or held."""

    __tablename__ = "lease_devices"
    __table_args__ = (
        Index(
            "uq_lease_devices_held",
            "device_uuid",
            "share",
            unique=True,
            sqlite_where=_HELD,
            postgresql_where=_HELD,
        ),
    )

    lease_id: Mapped[str] = mapped_column(ForeignKey("leases.id"), primary_key=True)
    device_uuid: Mapped[str] = mapped_column(ForeignKey("devices.uuid"), primary_key=True)
    share: Mapped[int] = mapped_column(primary_key=True, default=0)
    released_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    device: Mapped[DeviceTable] = relationship(lazy="joined")


def device_of(row: DeviceTable) -> Device:
    """The device that `row` keeps."""
    return Device(
        uuid=row.uuid,
        index=row.index,
        model=row.model,
        memory_mb=row.memory_mb,
        simulated=row.simulated,
        server=row.server,
        unusable=row.unusable,
    )


def lease_of(row: LeaseTable) -> Lease:
    """The lease that `row` keeps, with its devices in order of index."""
    devices = sorted((device_of(held.device) for held in row.held), key=lambda d: d.index)
    return Lease(
        id=row.id,
        server=row.server,
        username=row.username,
        server_name=row.server_name,
        task=row.task,
        group=row.group_name,
        module=row.module,
        module_version=row.module_version,
        image=row.image,
        cpus=row.cpus,
        memory_mb=row.memory_mb,
        gpu_count=row.gpu_count,
        minutes=row.minutes,
        granted_at=row.granted_at,
        started_at=row.started_at,
        ends_at=row.ends_at,
        released_at=row.released_at,
        why_ended=Ended(row.why_ended) if row.why_ended else None,
        container_id=row.container_id,
        devices=tuple(devices),
        size=row.size,
        lender=row.lender,
        image_digest=row.image_digest,
        datasets=tuple(json.loads(row.datasets or "[]")),
        ready_at=row.ready_at,
        extended_minutes=row.extended_minutes,
        stop_at=row.stop_at,
        stop_why=Ended(row.stop_why) if row.stop_why else None,
    )


def active_leases(session: Session, *conditions: ColumnElement[bool]) -> list[Lease]:
    """The leases that are not released and meet `conditions`, oldest first."""
    query = select(LeaseTable).where(LeaseTable.released_at.is_(None), *conditions)
    rows = session.scalars(query.order_by(LeaseTable.granted_at, LeaseTable.id))
    return [lease_of(row) for row in rows]


def leases_since(
    session: Session,
    since: datetime,
    *,
    usernames: Collection[str] | None = None,
    groups: Collection[str] | None = None,
) -> list[Lease]:
    """The leases that were not yet over at `since`, oldest first; of these people and groups."""
    conditions = []
    if usernames is not None:
        conditions.append(LeaseTable.username.in_(usernames))
    if groups is not None:
        conditions.append(LeaseTable.group_name.in_(groups))
    # Asked as one, SQLite reads every lease there ever was; apart, each half has its index. What
    # is released between the two questions is found by both, and counts once.
    active = active_leases(session, *conditions)
    later = select(LeaseTable).where(LeaseTable.released_at > since, *conditions)
    over = [lease_of(row) for row in session.scalars(later)]
    found = {lease.id: lease for lease in [*active, *over]}
    return sorted(found.values(), key=lambda lease: (lease.granted_at, lease.id))


@dataclass(frozen=True)
class Ran:
    """What of a session with GPUs counts for somebody's hours."""

    username: str
    group: str | None
    gpu_count: int
    started_at: datetime | None
    released_at: datetime | None


def ran_since(session: Session, since: datetime) -> list[Ran]:
    """The sessions with GPUs that ran at `since` or later, in no order."""
    table = LeaseTable
    facts = (table.username, table.group_name, table.gpu_count, table.started_at, table.released_at)
    began = (table.gpu_count > 0, table.started_at.is_not(None))
    # Apart, as in `leases_since`; what is released in between is found by both, and counts once.
    found = {
        row[0]: Ran(*row[1:])
        for its in (table.released_at.is_(None), table.released_at > since)
        for row in session.execute(select(table.id, *facts).where(its, *began))
    }
    return list(found.values())


def device_rows(session: Session) -> list[DeviceRow]:
    """Every device with its group and the lease that holds it, by server and index."""
    holders = {d.uuid: lease for lease in active_leases(session) for d in lease.devices}
    rows = session.scalars(
        select(DeviceTable).order_by(
            DeviceTable.server, DeviceTable.gone_at.is_not(None), DeviceTable.index
        )
    )
    return [device_row(row, holders.get(row.uuid)) for row in rows]


def device_row(row: DeviceTable, lease: Lease | None) -> DeviceRow:
    """The device that `row` keeps, held by `lease`."""
    return DeviceRow(
        **vars(device_of(row)),
        group=row.group_name,
        gone=row.gone_at is not None,
        lease=lease,
        pool=row.pool,
        draining=row.draining,
    )
