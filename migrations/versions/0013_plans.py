"""What the planner must know for claims, however few owners it has seen so far."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""

    # With one owner the index of all that waits looks as good as that of what an owner has waiting;
    # a second owner's claims would then pass over everything that the first one has waiting.
    op.execute("ALTER TABLE job ALTER COLUMN owner_id SET (n_distinct = 100)")


def downgrade() -> None:
    """Take back."""

    op.execute("ALTER TABLE job ALTER COLUMN owner_id RESET (n_distinct)")
