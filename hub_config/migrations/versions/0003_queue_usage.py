"""The queue, quotas, records of use, the audit; pool, loans and drained devices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub_config.db import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_OPEN = sa.text("ended_at IS NULL")
_GROUPS = ("lends", "borrows")
_DEVICES = ("pool", "draining")
_LEASES = (
    "size",
    "lender",
    "image_digest",
    "datasets",
    "ready_at",
    "extended_minutes",
    "stop_at",
    "stop_why",
)


def upgrade() -> None:
    """Bring the tables to this shape."""
    for name in _GROUPS:
        op.add_column("groups", _no(name))
    for name in _DEVICES:
        op.add_column("devices", _no(name))
    op.add_column("leases", sa.Column("size", sa.String(40)))
    op.add_column("leases", sa.Column("lender", sa.String(40)))
    op.add_column("leases", sa.Column("image_digest", sa.String(120)))
    op.add_column("leases", sa.Column("datasets", sa.Text()))
    op.add_column("leases", sa.Column("ready_at", UtcDateTime()))
    op.add_column(
        "leases",
        sa.Column("extended_minutes", sa.Integer(), nullable=False, server_default="0"),
    )
    op.add_column("leases", sa.Column("stop_at", UtcDateTime()))
    op.add_column("leases", sa.Column("stop_why", sa.String(40)))
    # Sessions that run through the upgrade answered long ago; they are no starts under way.
    op.execute("UPDATE leases SET ready_at = started_at WHERE started_at IS NOT NULL")
    op.create_index("ix_leases_granted_at", "leases", ["granted_at"])
    op.create_index("ix_leases_released_at", "leases", ["released_at"])
    _create_places()
    _create_usage()


def _no(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())


def _create_places() -> None:
    op.create_table(
        "places",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("username", sa.String(255), nullable=False),
        sa.Column("server_name", sa.String(255), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("rank_at", UtcDateTime(), nullable=False),
        sa.Column("entered_at", UtcDateTime(), nullable=False),
        sa.Column("entered_by", sa.String(255), nullable=False),
        sa.Column("expected_at", UtcDateTime()),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_id", sa.String(32)),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("why", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_places"),
        sa.ForeignKeyConstraint(["lease_id"], ["leases.id"], name="fk_places_lease_id"),
    )
    op.create_index(
        "uq_places_open",
        "places",
        ["username", "server_name"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
    op.create_index("ix_places_username", "places", ["username"])
    op.create_index("ix_places_ended_at", "places", ["ended_at"])


def _create_usage() -> None:
    op.create_table(
        "quotas",
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("gpus", sa.Integer()),
        sa.Column("cpus", sa.Double()),
        sa.Column("memory_mb", sa.Integer()),
        sa.Column("disk_mb", sa.Integer()),
        sa.Column("minutes", sa.Integer()),
        sa.Column("gpu_hours_week", sa.Double()),
        sa.Column("servers", sa.Integer()),
        sa.Column("set_at", UtcDateTime(), nullable=False),
        sa.Column("set_by", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_quotas"),
    )
    op.create_table(
        "lease_usage",
        sa.Column("lease_id", sa.String(32), nullable=False),
        sa.Column("sampled_at", UtcDateTime()),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("cpu_now", sa.Double(), nullable=False),
        sa.Column("memory_now_mb", sa.Integer(), nullable=False),
        sa.Column("memory_peak_mb", sa.Integer(), nullable=False),
        sa.Column("gpu_now", sa.Double(), nullable=False),
        sa.Column("gpu_sum", sa.Double(), nullable=False),
        sa.Column("gpu_samples", sa.Integer(), nullable=False),
        sa.Column("gpu_memory_now_mb", sa.Integer(), nullable=False),
        sa.Column("gpu_memory_peak_mb", sa.Integer(), nullable=False),
        sa.Column("oom_kills", sa.Integer(), nullable=False),
        sa.Column("oom_process", sa.String(80)),
        sa.Column("oom_at", UtcDateTime()),
        sa.Column("busy_at", UtcDateTime()),
        sa.Column("kernels", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("lease_id", name="pk_lease_usage"),
        sa.ForeignKeyConstraint(["lease_id"], ["leases.id"], name="fk_lease_usage_lease_id"),
    )
    op.create_table(
        "homes",
        sa.Column("username", sa.String(255), nullable=False),
        sa.Column("used_mb", sa.Integer(), nullable=False),
        sa.Column("measured_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("username", name="pk_homes"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("by", sa.String(255), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("username", sa.String(255)),
        sa.Column("lease_id", sa.String(32)),
        sa.Column("place_id", sa.String(32)),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_at", "audit", ["at"])


def downgrade() -> None:
    """Bring the tables back."""
    for table in ("audit", "homes", "lease_usage", "quotas", "places"):
        op.drop_table(table)
    op.drop_index("ix_leases_granted_at", "leases")
    op.drop_index("ix_leases_released_at", "leases")
    for table, names in (("leases", _LEASES), ("devices", _DEVICES), ("groups", _GROUPS)):
        for name in names:
            op.drop_column(table, name)
