"""How often memory ran out, scores of checkpoints, an order for fair shares."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

FAIR = "ix_owner_share_fair"
WAITING = sa.text("waiting > 0")


def upgrade() -> None:
    """Apply."""

    op.add_column(
        "job", sa.Column("smaller", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("job", sa.Column("best_score", sa.Double(), nullable=True))
    op.add_column("checkpoint", sa.Column("score", sa.Double(), nullable=True))
    op.drop_index(FAIR, table_name="owner_share")
    columns = ["resource", "running", "served_at"]
    op.create_index(FAIR, "owner_share", columns, postgresql_where=WAITING)


def downgrade() -> None:
    """Take back."""

    op.drop_index(FAIR, table_name="owner_share")
    op.create_index(FAIR, "owner_share", ["resource", "running"], postgresql_where=WAITING)
    op.drop_column("checkpoint", "score")
    op.drop_column("job", "best_score")
    op.drop_column("job", "smaller")
