"""Moves of jobs are counted as they happen, and chores say when they were done."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# What happened before is counted from the events once.
COUNT_ONCE = """
    INSERT INTO job_tally
        (owner_id, resource, kind, source, target, reason, many, run_seconds)
    SELECT job.owner_id, job.resource, job.kind, coalesce(event.data->>'from', ''),
        event.data->>'to', coalesce(event.data->>'reason', ''), count(*), 0
    FROM event JOIN job ON job.id = event.job_id
    WHERE event.type = 'status'
    GROUP BY 1, 2, 3, 4, 5, 6
"""


def upgrade() -> None:
    """Apply."""

    words = ("resource", "kind", "source", "target", "reason")
    op.create_table(
        "job_tally",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        *(sa.Column(word, sa.Text(), nullable=False) for word in words),
        sa.Column("many", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("run_seconds", sa.Float(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owner.id"], name=op.f("fk_job_tally_owner_id")),
        sa.PrimaryKeyConstraint("owner_id", *words, name=op.f("pk_job_tally")),
    )
    op.create_table(
        "chore",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_chore")),
    )
    op.execute(COUNT_ONCE)
    _scopes("'api', 'session', 'login', 'metrics'")


def downgrade() -> None:
    """Take back."""

    op.execute("DELETE FROM token WHERE scope = 'metrics'")
    _scopes("'api', 'session', 'login'")
    op.drop_table("chore")
    op.drop_table("job_tally")


def _scopes(words: str) -> None:
    op.drop_constraint(op.f("ck_token_scope"), "token")
    op.create_check_constraint(op.f("ck_token_scope"), "token", f"scope IN ({words})")
