"""What is to be published and who sees it, and the progress that students show."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub_config.db import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this shape."""
    op.create_table(
        "publications",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text()),
        sa.Column("within", sa.Text()),
        sa.Column("by", sa.String(255), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("started_at", UtcDateTime()),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("log", sa.Text(), nullable=False),
        sa.Column("module", sa.String(80)),
        sa.Column("version", sa.String(40)),
        sa.PrimaryKeyConstraint("id", name="pk_publications"),
    )
    op.create_index("ix_publications_state", "publications", ["state"])
    op.create_index("ix_publications_asked_at", "publications", ["asked_at"])
    op.create_table(
        "offers",
        sa.Column("module", sa.String(80), nullable=False),
        sa.Column("audience", sa.Text()),
        sa.Column("by", sa.String(255), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("module", name="pk_offers"),
    )
    op.create_table(
        "progress",
        sa.Column("username", sa.String(255), nullable=False),
        sa.Column("module", sa.String(80), nullable=False),
        sa.Column("version", sa.String(40), nullable=False),
        sa.Column("exercises", sa.Text(), nullable=False),
        sa.Column("quiz", sa.Text(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("username", "module", name="pk_progress"),
    )


def downgrade() -> None:
    """Bring the tables back."""
    op.drop_table("progress")
    op.drop_table("offers")
    op.drop_table("publications")
