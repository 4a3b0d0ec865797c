"""Webhooks that single jobs name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""

    op.add_column("job", sa.Column("webhook_id", sa.Uuid(), nullable=True))
    of_jobs: sa.Column[bool] = sa.Column(
        "of_jobs", sa.Boolean(), server_default=sa.text("false"), nullable=False
    )
    op.add_column("webhook", of_jobs)


def downgrade() -> None:
    """Take back."""

    op.execute("DELETE FROM delivery WHERE webhook_id IN (SELECT id FROM webhook WHERE of_jobs)")
    op.execute("DELETE FROM webhook WHERE of_jobs")
    op.drop_column("webhook", "of_jobs")
    op.drop_column("job", "webhook_id")
