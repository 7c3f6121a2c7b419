"""The tables of quotas, of what leases used, of homes and of the audit."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hub_config.db import Base, UtcDateTime


class QuotaTable(Base):
    """The limits of one group or person; a column that is NULL is no limit."""

    __tablename__ = "quotas"

    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    gpus: Mapped[int | None]
    cpus: Mapped[float | None]
    memory_mb: Mapped[int | None]
    disk_mb: Mapped[int | None]
    minutes: Mapped[int | None]
    gpu_hours_week: Mapped[float | None]
    servers: Mapped[int | None]
    set_at: Mapped[datetime] = mapped_column(UtcDateTime)
    set_by: Mapped[str] = mapped_column(String(255))


class LeaseUsageTable(Base):
    """What a lease's container used, by samples; see `model.LeaseUsage`."""

    __tablename__ = "lease_usage"

    lease_id: Mapped[str] = mapped_column(ForeignKey("leases.id"), primary_key=True)
    sampled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    samples: Mapped[int] = mapped_column(default=0)
    cpu_now: Mapped[float] = mapped_column(default=0.0)
    memory_now_mb: Mapped[int] = mapped_column(default=0)
    memory_peak_mb: Mapped[int] = mapped_column(default=0)
    gpu_now: Mapped[float] = mapped_column(default=0.0)
    gpu_sum: Mapped[float] = mapped_column(default=0.0)
    gpu_samples: Mapped[int] = mapped_column(default=0)
    gpu_memory_now_mb: Mapped[int] = mapped_column(default=0)
    gpu_memory_peak_mb: Mapped[int] = mapped_column(default=0)
    oom_kills: Mapped[int] = mapped_column(default=0)
    oom_process: Mapped[str | None] = mapped_column(String(80))
    oom_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    busy_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    kernels: Mapped[int] = mapped_column(default=0)


class HomeTable(Base):
    """How much a user's home holds."""

    __tablename__ = "homes"

    username: Mapped[str] = mapped_column(String(255), primary_key=True)
    used_mb: Mapped[int]
    measured_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AuditTable(Base):
    """What staff did for whom, and why; never changed."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_at", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    by: Mapped[str] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(40))
    username: Mapped[str | None] = mapped_column(String(255))
    lease_id: Mapped[str | None] = mapped_column(String(32))
    place_id: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text)
