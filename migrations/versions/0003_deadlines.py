"""Deadlines, since when a job waits, and drained slots."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""

    moment = sa.DateTime(timezone=True)
    op.add_column("job", sa.Column("deadline_at", moment, nullable=True))
    op.add_column(
        "job", sa.Column("queued_at", moment, server_default=sa.text("now()"), nullable=False)
    )
    op.add_column("slot", sa.Column("drained_at", moment, nullable=True))
    op.create_index(
        "ix_job_deadline",
        "job",
        ["deadline_at"],
        postgresql_where=sa.text("state = 'queued' AND deadline_at IS NOT NULL"),
    )
    op.create_index(
        "ix_job_full",
        "job",
        ["reason"],
        postgresql_where=sa.text("state = 'paused' AND reason = 'disk_full'"),
    )


def downgrade() -> None:
    """Take back."""

    op.drop_index("ix_job_full", table_name="job")
    op.drop_index("ix_job_deadline", table_name="job")
    op.drop_column("slot", "drained_at")
    op.drop_column("job", "queued_at")
    op.drop_column("job", "deadline_at")
