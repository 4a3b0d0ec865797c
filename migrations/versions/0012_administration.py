"""What administrators see and do: vitals of slots, closures, the disk, causes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

NOW = sa.text("clock_timestamp()")
WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""

    op.add_column("slot", sa.Column("vitals", postgresql.JSONB(), nullable=True))
    op.add_column("job", sa.Column("canceled_as", sa.Text(), nullable=True))
    waiting, failed = sa.text("state = 'queued'"), sa.text("state = 'failed'")
    columns = ["resource", "queued_at"]
    op.create_index("ix_job_queued_at", "job", columns, postgresql_where=waiting)
    op.create_index("ix_job_failed", "job", ["ended_at"], postgresql_where=failed)
    op.create_table(
        "closure",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("since", WHEN, server_default=NOW, nullable=False),
        sa.Column("message", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("retry_seconds", sa.Integer(), server_default=sa.text("300"), nullable=False),
        sa.CheckConstraint("scope IN ('cpu', 'gpu', 'studio')", name=op.f("ck_closure_scope")),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_closure")),
    )
    op.create_table(
        "disk_sample",
        sa.Column("at", WHEN, server_default=NOW, nullable=False),
        sa.Column("free_bytes", sa.BigInteger(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("at", name=op.f("pk_disk_sample")),
    )
    op.create_table(
        "cause",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("at", WHEN, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_cause_job_id")),
        sa.PrimaryKeyConstraint("job_id", "fence", name=op.f("pk_cause")),
    )


def downgrade() -> None:
    """Take back."""

    for table in ("cause", "disk_sample", "closure"):
        op.drop_table(table)
    op.drop_index("ix_job_failed", table_name="job")
    op.drop_index("ix_job_queued_at", table_name="job")
    op.drop_column("job", "canceled_as")
    op.drop_column("slot", "vitals")
