"""The timeline of a job: its figures step by step, and the pictures it kept on its way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""

    op.create_table(
        "metric_chunk",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_metric_chunk_job_id")),
        sa.PrimaryKeyConstraint("job_id", "first", name=op.f("pk_metric_chunk")),
    )
    # The content is packed already: trying to pack it again only costs time.
    op.execute("ALTER TABLE metric_chunk ALTER COLUMN content SET STORAGE EXTERNAL")
    op.create_table(
        "frame",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_frame_job_id")),
        sa.ForeignKeyConstraint(["sha256"], ["blob.sha256"], name=op.f("fk_frame_sha256")),
        sa.PrimaryKeyConstraint("job_id", "step", name=op.f("pk_frame")),
    )
    op.create_index(op.f("ix_frame_sha256"), "frame", ["sha256"])


def downgrade() -> None:
    """Take back."""

    op.drop_table("frame")
    op.drop_table("metric_chunk")
