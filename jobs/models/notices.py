"""Telling people: what they wish to hear, where it goes, what was sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from jobs.models.base import Base


class NoticeWish(Base):
    """What somebody wants to be told of jobs that took at least ``long_seconds``."""

    __tablename__ = "notice_wish"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"), primary_key=True)
    mail: Mapped[str | None]
    long_seconds: Mapped[int]


class Webhook(Base):
    """Where a person's programs want to be told: of every long job, or with ``of_jobs`` only of the
    jobs that name it. ``secret`` signs, so it cannot be kept hashed."""

    __tablename__ = "webhook"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"), index=True)
    url: Mapped[str]
    secret: Mapped[str]
    of_jobs: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    disabled_at: Mapped[datetime | None]


class Delivery(Base):
    """Something to be told, by a webhook or to a mail address, and how that went."""

    __tablename__ = "delivery"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="state"),
        CheckConstraint("(webhook_id IS NULL) <> (mail IS NULL)", name="one_way"),
        Index("ix_delivery_owner_id_id", "owner_id", "id"),
        Index("ix_delivery_due", "due_at", postgresql_where=text("state = 'waiting'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"))
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("job.id"), index=True)
    webhook_id: Mapped[UUID | None] = mapped_column(ForeignKey("webhook.id"), index=True)
    mail: Mapped[str | None]
    body: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(server_default=text("'waiting'"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    tried_at: Mapped[datetime | None]
    answer: Mapped[str] = mapped_column(server_default=text("''"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
