"""Whether somebody's works carry their recipe when they leave."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""

    inside: sa.Column[bool] = sa.Column(
        "recipe_inside", sa.Boolean(), server_default=sa.text("true"), nullable=False
    )
    op.add_column("owner", inside)


def downgrade() -> None:
    """Take back."""

    op.drop_column("owner", "recipe_inside")
