"""The studio itself: its slots, its chores and rules, what was changed in it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from jobs.models.base import Base


class Slot(Base):
    """A place where one job at a time runs: a GPU, or the CPU, of one machine.

    ``drained_at`` is since when it takes no further job: because an administrator wants so, or
    because it is in quarantine, which ``drained_because`` explains. ``vitals`` is what its worker
    last measured; :mod:`worker.vitals` says what is in it. ``rate`` is what its machine does when
    nothing else runs, in floating-point operations a second of a matrix product; null until then.
    """

    __tablename__ = "slot"

    name: Mapped[str] = mapped_column(primary_key=True)
    machine: Mapped[str]
    resource: Mapped[str]
    device: Mapped[str]
    standby: Mapped[bool] = mapped_column(server_default=text("false"))
    beat_at: Mapped[datetime]
    drained_at: Mapped[datetime | None]
    drained_because: Mapped[str | None]
    vitals: Mapped[dict[str, Any] | None]
    rate: Mapped[float | None]


class Closure(Base):
    """While the row is there, a queue (``cpu``, ``gpu``) is paused, or the whole ``studio`` is
    under maintenance: no waiting job begins, and in maintenance none is taken."""

    __tablename__ = "closure"
    __table_args__ = (CheckConstraint("scope IN ('cpu', 'gpu', 'studio')", name="scope"),)

    scope: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    message: Mapped[str] = mapped_column(server_default=text("''"))
    retry_seconds: Mapped[int] = mapped_column(server_default=text("300"))


class Tally(Base):
    """How often an owner's jobs went from one state to another, and for how long they ran.

    ``source`` is empty for a commission, ``target`` is ``deleted`` for a job that is no more.
    Counted in the move's own transaction, under the lock of the owner's share.
    """

    __tablename__ = "job_tally"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"), primary_key=True)
    resource: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    target: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    many: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    run_seconds: Mapped[float] = mapped_column(server_default=text("0"))


class Chore(Base):
    """When something that is done again and again was last done."""

    __tablename__ = "chore"

    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class DiskSample(Base):
    """How full the disk of the stored files was."""

    __tablename__ = "disk_sample"

    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp(), primary_key=True)
    free_bytes: Mapped[int] = mapped_column(BigInteger)
    total_bytes: Mapped[int] = mapped_column(BigInteger)


class RetentionRule(Base):
    """How long something of ended jobs is kept; without an owner it speaks of everybody."""

    __tablename__ = "retention_rule"
    __table_args__ = (
        Index(
            "uq_retention_rule", "what", "owner_id", unique=True, postgresql_nulls_not_distinct=True
        ),
        CheckConstraint("days >= 0 AND keep >= 0", name="limits"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    what: Mapped[str]
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("owner.id"))
    days: Mapped[int]
    keep: Mapped[int]


class AuditRow(Base):
    """A change in the administration of the studio; the database refuses to change or remove it.

    ``actor`` is their name at that time, ``actor_id`` their owner row if a person did it.
    """

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    actor_id: Mapped[UUID | None]
    actor: Mapped[str]
    action: Mapped[str]
    target: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default=text("''"))
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]


class AuditSeal(Base):
    """The rows of ``audit`` up to ``last_id`` that no earlier seal covers, each with its digest.

    ``hash`` is made from them and from ``previous``, the hash of the seal before.
    """

    __tablename__ = "audit_seal"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    last_id: Mapped[int] = mapped_column(BigInteger)
    digests: Mapped[dict[str, Any]]
    previous: Mapped[str]
    hash: Mapped[str]
