"""Models that a run is asked for on its way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""

    asked: sa.Column[list[str]] = sa.Column(
        "snapshots",
        postgresql.ARRAY(sa.Text()),
        server_default=sa.text("'{}'"),
        nullable=False,
    )
    op.add_column("job", asked)


def downgrade() -> None:
    """Take back."""

    op.drop_column("job", "snapshots")
