"""What runs said, beside their jobs; and retries that say again which state they left."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Until now a retry's event held "start" or "checkpoint" where every other names the state it left.
MEND_RETRIES = """
UPDATE event AS retry
SET data = retry.data || jsonb_build_object(
    'resume', retry.data->'from',
    'from', (
        SELECT before.data->'to' FROM event AS before
        WHERE before.job_id = retry.job_id AND before.seq < retry.seq AND before.type = 'status'
        ORDER BY before.seq DESC LIMIT 1
    )
)
WHERE retry.type = 'status' AND retry.data->>'from' IN ('start', 'checkpoint')
"""


def upgrade() -> None:
    """Apply."""

    op.create_table(
        "job_log",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_job_log_job_id")),
        sa.PrimaryKeyConstraint("job_id", "start", name=op.f("pk_job_log")),
    )
    op.execute(MEND_RETRIES)


def downgrade() -> None:
    """Take back."""

    op.drop_table("job_log")
