"""Class groups, devices and leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub_config.db import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_HELD = sa.text("released_at IS NULL")


def upgrade() -> None:
    """Bring the tables to this shape."""
    op.create_table(
        "groups",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("internet", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_groups"),
    )
    op.create_table(
        "devices",
        sa.Column("uuid", sa.String(80), nullable=False),
        sa.Column("server", sa.String(80), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("memory_mb", sa.Integer(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("unusable", sa.String(40)),
        sa.Column("group_name", sa.String(40)),
        sa.Column("assigned_at", UtcDateTime()),
        sa.Column("assigned_by", sa.String(255)),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("gone_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("uuid", name="pk_devices"),
        sa.ForeignKeyConstraint(["group_name"], ["groups.name"], name="fk_devices_group_name"),
    )
    _create_leases()


def _create_leases() -> None:
    op.create_table(
        "leases",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("server", sa.String(80), nullable=False),
        sa.Column("username", sa.String(255), nullable=False),
        sa.Column("server_name", sa.String(255), nullable=False),
        sa.Column("task", sa.String(40), nullable=False),
        sa.Column("group_name", sa.String(40)),
        sa.Column("module", sa.String(120)),
        sa.Column("module_version", sa.String(40)),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("cpus", sa.Double(), nullable=False),
        sa.Column("memory_mb", sa.Integer(), nullable=False),
        sa.Column("gpu_count", sa.Integer(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("granted_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime()),
        sa.Column("ends_at", UtcDateTime(), nullable=False),
        sa.Column("released_at", UtcDateTime()),
        sa.Column("why_ended", sa.String(40)),
        sa.Column("container_id", sa.String(80)),
        sa.PrimaryKeyConstraint("id", name="pk_leases"),
        sa.ForeignKeyConstraint(["group_name"], ["groups.name"], name="fk_leases_group_name"),
    )
    op.create_table(
        "lease_devices",
        sa.Column("lease_id", sa.String(32), nullable=False),
        sa.Column("device_uuid", sa.String(80), nullable=False),
        sa.Column("share", sa.Integer(), nullable=False),
        sa.Column("released_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("lease_id", "device_uuid", "share", name="pk_lease_devices"),
        sa.ForeignKeyConstraint(["lease_id"], ["leases.id"], name="fk_lease_devices_lease_id"),
        sa.ForeignKeyConstraint(
            ["device_uuid"], ["devices.uuid"], name="fk_lease_devices_device_uuid"
        ),
    )
    # What makes a double lease impossible, whatever the code does.
    _create_partial("uq_leases_server_held", "leases", ["username", "server_name"])
    _create_partial("uq_lease_devices_held", "lease_devices", ["device_uuid", "share"])


def _create_partial(name: str, table: str, columns: list[str]) -> None:
    op.create_index(name, table, columns, unique=True, sqlite_where=_HELD, postgresql_where=_HELD)


def downgrade() -> None:
    """Bring the tables back."""
    for table in ("lease_devices", "leases", "devices", "groups"):
        op.drop_table(table)
