"""The owner of a studio without accounts, marked: they may be called otherwise."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""

    local: sa.Column[bool] = sa.Column(
        "local", sa.Boolean(), server_default=sa.text("false"), nullable=False
    )
    op.add_column("owner", local)
    op.execute("UPDATE owner SET local = true WHERE name = 'local'")
    op.create_index(
        "uq_owner_local", "owner", ["local"], unique=True, postgresql_where=sa.text("local")
    )


def downgrade() -> None:
    """Take back."""

    op.drop_index("uq_owner_local", table_name="owner", postgresql_where=sa.text("local"))
    op.drop_column("owner", "local")
