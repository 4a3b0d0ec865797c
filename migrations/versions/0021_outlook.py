"""How much a job computes and how fast a slot's machine is: from both, how long it should take."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""

    op.add_column("slot", sa.Column("rate", sa.Double(), nullable=True))
    op.add_column("job", sa.Column("work", sa.Double(), nullable=True))
    op.create_index(
        "ix_job_told",
        "job",
        ["resource", "kind", "id"],
        postgresql_where=sa.text("state = 'succeeded' AND work IS NOT NULL"),
    )


def downgrade() -> None:
    """Take back."""

    op.drop_index("ix_job_told", table_name="job")
    op.drop_column("job", "work")
    op.drop_column("slot", "rate")
