"""Stored bytes, files, sets of pictures."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from engines import media
from jobs.models.base import Base, one_of
from jobs.states import DatasetState


class Blob(Base):
    """Stored bytes, once per content. ``touched_at`` shields a blob about to be referenced."""

    __tablename__ = "blob"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    touched_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class File(Base):
    """An upload, or a finished work of a job; either can be another job's input.

    ``facts`` say what a model is, see :mod:`jobs.stored.facts`: empty where its file cannot be read
    as one, null while nobody has looked.
    """

    __tablename__ = "file"
    __table_args__ = (
        CheckConstraint("role IN ('upload', 'result', 'model', 'samples', 'report')", name="role"),
        CheckConstraint("(role = 'upload') = (job_id IS NULL)", name="made_by_job"),
        Index(
            "ix_file_unread_model",
            "id",
            postgresql_where=text(f"facts IS NULL AND media_type = '{media.MODEL}'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"), index=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("blob.sha256"), index=True)
    role: Mapped[str]
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("job.id"), index=True)
    position: Mapped[int] = mapped_column(server_default=text("0"))
    name: Mapped[str]
    media_type: Mapped[str]
    width: Mapped[int | None]
    height: Mapped[int | None]
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Dataset(Base):
    """A set of pictures: what was brought is checked once, and never changes after that.

    ``samples`` says which sample art to draw, where nothing was uploaded; ``base_sha256`` is the
    pack that the upload is added to. Both uploads are forgotten once the set is checked. Then
    ``sha256`` is its pack, ``album_sha256`` its small pictures, ``sheet_sha256`` its contact sheet.
    ``refused`` holds the code and values of why it cannot be used; ``deaths`` counts the checks
    that broke.
    """

    __tablename__ = "dataset"
    __table_args__ = (
        one_of("state", DatasetState),
        CheckConstraint("(state = 'ready') = (sha256 IS NOT NULL)", name="packed"),
        CheckConstraint("(state = 'refused') = (refused IS NOT NULL)", name="told"),
        Index("ix_dataset_owner_id_id", "owner_id", "id"),
        Index("ix_dataset_checking", "id", postgresql_where=text("state = 'checking'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"))
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("dataset.id", ondelete="SET NULL"))
    name: Mapped[str]
    licence: Mapped[str] = mapped_column(server_default=text("''"))
    samples: Mapped[dict[str, Any] | None]
    upload_sha256: Mapped[str | None] = mapped_column(ForeignKey("blob.sha256"), index=True)
    base_sha256: Mapped[str | None] = mapped_column(ForeignKey("blob.sha256"), index=True)

    state: Mapped[str] = mapped_column(server_default=text("'checking'"))
    progress: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    deaths: Mapped[int] = mapped_column(server_default=text("0"))
    refused: Mapped[dict[str, Any] | None]
    report: Mapped[dict[str, Any] | None]
    sha256: Mapped[str | None] = mapped_column(ForeignKey("blob.sha256"), index=True)
    album_sha256: Mapped[str | None] = mapped_column(ForeignKey("blob.sha256"), index=True)
    sheet_sha256: Mapped[str | None] = mapped_column(ForeignKey("blob.sha256"), index=True)

    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    checked_at: Mapped[datetime | None]


DATASET_BLOBS = (
    Dataset.upload_sha256,
    Dataset.base_sha256,
    Dataset.sha256,
    Dataset.album_sha256,
    Dataset.sheet_sha256,
)
