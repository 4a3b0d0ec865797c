"""Sets of pictures, and jobs that wait until one is checked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BLOBS = ("upload_sha256", "base_sha256", "sha256", "album_sha256", "sheet_sha256")


def upgrade() -> None:
    """Apply."""

    json, moment = postgresql.JSONB(), sa.DateTime(timezone=True)
    op.create_table(
        "dataset",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("samples", json, nullable=True),
        sa.Column("upload_sha256", sa.Text(), nullable=True),
        sa.Column("base_sha256", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'checking'"), nullable=False),
        sa.Column("progress", json, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("deaths", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("refused", json, nullable=True),
        sa.Column("report", json, nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("album_sha256", sa.Text(), nullable=True),
        sa.Column("sheet_sha256", sa.Text(), nullable=True),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("checked_at", moment, nullable=True),
        sa.CheckConstraint(
            "state IN ('checking', 'ready', 'refused')", name=op.f("ck_dataset_state")
        ),
        sa.CheckConstraint(
            "(state = 'ready') = (sha256 IS NOT NULL)", name=op.f("ck_dataset_packed")
        ),
        sa.CheckConstraint(
            "(state = 'refused') = (refused IS NOT NULL)", name=op.f("ck_dataset_told")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["owner.id"], name=op.f("fk_dataset_owner_id")),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["dataset.id"], name=op.f("fk_dataset_parent_id"), ondelete="SET NULL"
        ),
        *(
            sa.ForeignKeyConstraint([name], ["blob.sha256"], name=op.f(f"fk_dataset_{name}"))
            for name in BLOBS
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
    )
    for name in BLOBS:
        op.create_index(op.f(f"ix_dataset_{name}"), "dataset", [name])
    op.create_index("ix_dataset_owner_id_id", "dataset", ["owner_id", "id"])
    op.create_index(
        "ix_dataset_checking",
        "dataset",
        ["id"],
        postgresql_where=sa.text("state = 'checking'"),
    )
    op.create_index(
        "ix_job_awaiting",
        "job",
        ["id"],
        postgresql_where=sa.text("state = 'paused' AND reason = 'awaiting_dataset'"),
    )


def downgrade() -> None:
    """Take back."""

    op.drop_index("ix_job_awaiting", "job")
    op.drop_table("dataset")
