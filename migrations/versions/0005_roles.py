"""What a person may do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. The one owner of a local studio is its administrator."""

    op.add_column(
        "owner", sa.Column("role", sa.Text(), server_default=sa.text("'artist'"), nullable=False)
    )
    op.create_check_constraint(
        op.f("ck_owner_role"), "owner", "role IN ('artist', 'administrator')"
    )
    op.execute("UPDATE owner SET role = 'administrator' WHERE name = 'local'")


def downgrade() -> None:
    """Take back."""

    op.drop_column("owner", "role")
