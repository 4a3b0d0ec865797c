"""People with passwords: invitations, second factors, limits, share links."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

OWNER_COLUMNS = (
    ("password", sa.Text()),
    ("language", sa.Text()),
    ("disabled_at", sa.DateTime(timezone=True)),
    ("totp_secret", sa.Text()),
    ("totp_pending", sa.Text()),
    ("running_limit", sa.Integer()),
    ("waiting_limit", sa.Integer()),
    ("disk_limit", sa.BigInteger()),
    ("gpu_hours_limit", sa.Float()),
)
SHARE_COLUMNS = (
    ("running_limit", sa.Integer()),
    ("gpu_hours_limit", sa.Float()),
    ("rest_until", sa.DateTime(timezone=True)),
)
TABLES = ("share_link", "gpu_use", "attempt", "recovery_code", "invitation")


def upgrade() -> None:
    """Apply."""

    for name, kind in OWNER_COLUMNS:
        op.add_column("owner", sa.Column(name, kind, nullable=True))
    op.add_column(
        "owner",
        sa.Column("totp_step", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    for name, kind in SHARE_COLUMNS:
        op.add_column("owner_share", sa.Column(name, kind, nullable=True))
    op.create_index(op.f("ix_file_owner_id"), "file", ["owner_id"])
    _extend_tokens()
    _create_people()
    _create_use()


def _extend_tokens() -> None:
    new_id = sa.text("gen_random_uuid()")
    op.add_column("token", sa.Column("id", sa.Uuid(), server_default=new_id, nullable=False))
    op.create_unique_constraint(op.f("uq_token_id"), "token", ["id"])
    op.add_column(
        "token", sa.Column("access", sa.Text(), server_default=sa.text("'admin'"), nullable=False)
    )
    op.add_column(
        "token", sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False)
    )
    op.add_column("token", sa.Column("used_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_token_access"), "token", "access IN ('read', 'write', 'admin')"
    )
    op.drop_constraint(op.f("ck_token_scope"), "token", type_="check")
    op.create_check_constraint(
        op.f("ck_token_scope"),
        "token",
        "scope IN ('api', 'session', 'login', 'metrics', 'reset', 'half')",
    )


def _create_people() -> None:
    op.create_table(
        "invitation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        _now("created_at"),
        sa.CheckConstraint("role IN ('artist', 'administrator')", name=op.f("ck_invitation_role")),
        _owner("invitation", "invited_by"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("sha256", name=op.f("uq_invitation_sha256")),
    )
    op.create_table(
        "recovery_code",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        _owner("recovery_code"),
        sa.PrimaryKeyConstraint("owner_id", "sha256", name=op.f("pk_recovery_code")),
    )
    op.create_table(
        "attempt",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _now("free_at"),
        _now("tried_at"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_attempt")),
    )
    op.create_index(op.f("ix_attempt_tried_at"), "attempt", ["tried_at"])


def _create_use() -> None:
    op.create_table(
        "gpu_use",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        _owner("gpu_use"),
        sa.PrimaryKeyConstraint("owner_id", "day", name=op.f("pk_gpu_use")),
    )
    op.create_table(
        "share_link",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("recipe", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        _now("created_at"),
        sa.Column("views", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _owner("share_link"),
        sa.ForeignKeyConstraint(
            ["file_id"], ["file.id"], name=op.f("fk_share_link_file_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_link")),
    )
    op.create_index(op.f("ix_share_link_owner_id"), "share_link", ["owner_id"])
    op.create_index(op.f("ix_share_link_file_id"), "share_link", ["file_id"])


def _now(name: str) -> sa.Column[object]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def _owner(table: str, column: str = "owner_id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], ["owner.id"], name=op.f(f"fk_{table}_{column}"))


def downgrade() -> None:
    """Take back. Links that work once and half sign-ins are lost with what they need."""

    for table in TABLES:
        op.drop_table(table)
    op.execute("DELETE FROM token WHERE scope IN ('reset', 'half')")
    op.drop_constraint(op.f("ck_token_scope"), "token", type_="check")
    op.create_check_constraint(
        op.f("ck_token_scope"), "token", "scope IN ('api', 'session', 'login', 'metrics')"
    )
    for name in ("id", "access", "name", "used_at"):
        op.drop_column("token", name)
    op.drop_index(op.f("ix_file_owner_id"), "file")
    for name, _ in SHARE_COLUMNS:
        op.drop_column("owner_share", name)
    for name in ("totp_step", *(name for name, _ in OWNER_COLUMNS)):
        op.drop_column("owner", name)
