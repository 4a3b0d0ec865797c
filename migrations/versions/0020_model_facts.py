"""What a model is, in its row; the keeper reads it from the storage where it is not there yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

UNREAD = "facts IS NULL AND media_type = 'application/vnd.atelier.model+safetensors'"


def upgrade() -> None:
    """Apply."""

    op.add_column("file", sa.Column("facts", JSONB(), nullable=True))
    op.create_index("ix_file_unread_model", "file", ["id"], postgresql_where=sa.text(UNREAD))


def downgrade() -> None:
    """Take back."""

    op.drop_index("ix_file_unread_model", table_name="file", postgresql_where=sa.text(UNREAD))
    op.drop_column("file", "facts")
