"""Invites and accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub_config.db import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this shape."""
    op.create_table(
        "invites",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("prefix", sa.String(4), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16)),
        sa.Column("group", sa.String(40)),
        sa.Column("user", sa.String(32)),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("revoked_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_invites"),
        sa.UniqueConstraint("fingerprint", name="uq_invites_fingerprint"),
        sa.ForeignKeyConstraint(["group"], ["groups.name"], name="fk_invites_group"),
        sa.CheckConstraint("0 <= used AND used <= uses", name=op.f("ck_invites_uses_kept")),
    )
    op.create_index("ix_invites_user", "invites", ["user"])
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("password", sa.String(255), nullable=False),
        sa.Column("invite_id", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("entered_at", UtcDateTime()),
        sa.Column("closed_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("name", name="pk_accounts"),
        sa.ForeignKeyConstraint(["invite_id"], ["invites.id"], name="fk_accounts_invite_id"),
    )


def downgrade() -> None:
    """Bring the tables back to the shape before."""
    op.drop_table("accounts")
    op.drop_table("invites")
