"""Jobs and all that is kept of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from jobs.models.base import Base, one_of
from jobs.states import State, Wanted


class Job(Base):
    """One commissioned computation; the row is the truth about it.

    ``given`` is what was asked, ``params`` the same with every preset and default filled in,
    ``inputs`` the SHA-256 of each file and dataset it names, by id; null while that is not known.
    ``work`` is :meth:`engines.kind.Params.arithmetic` of it as it was commissioned; null where that
    is not known.
    ``smaller`` counts how often memory ran out, ``best_score`` is the highest score of its
    checkpoints so far.
    ``snapshots`` are the models it was asked for on its way and has not handed out yet.
    ``webhook_id`` is the webhook that is told of its end, however short it was; no foreign key, so
    that whoever removes a webhook waits for no job.
    ``canceled_as`` is the reason that a running job's cancel will have, when it is not its owner
    who wants it.
    """

    __tablename__ = "job"
    __table_args__ = (
        one_of("state", State),
        one_of("wanted", Wanted),
        CheckConstraint("resource IN ('cpu', 'gpu')", name="resource"),
        CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name="leased"),
        Index(
            "ix_job_waiting",
            "owner_id",
            "resource",
            text("priority DESC"),
            "id",
            postgresql_where=text("state = 'queued'"),
        ),
        Index(
            "ix_job_queue",
            "resource",
            text("priority DESC"),
            "id",
            postgresql_where=text("state = 'queued'"),
        ),
        Index("ix_job_lease", "lease_until", postgresql_where=text("state = 'running'")),
        Index(
            "ix_job_deadline",
            "deadline_at",
            postgresql_where=text("state = 'queued' AND deadline_at IS NOT NULL"),
        ),
        Index(
            "ix_job_full",
            "reason",
            postgresql_where=text("state = 'paused' AND reason = 'disk_full'"),
        ),
        Index(
            "ix_job_awaiting",
            "id",
            postgresql_where=text("state = 'paused' AND reason = 'awaiting_dataset'"),
        ),
        Index(
            "ix_job_queued_at",
            "resource",
            "queued_at",
            postgresql_where=text("state = 'queued'"),
        ),
        # The newest that ended, from which it is told how long the next should take.
        Index(
            "ix_job_told",
            "resource",
            "kind",
            "id",
            postgresql_where=text("state = 'succeeded' AND work IS NOT NULL"),
        ),
        Index("ix_job_failed", "ended_at", postgresql_where=text("state = 'failed'")),
        Index("ix_job_owner_id_id", "owner_id", "id"),
        Index("ix_job_tags", "tags", postgresql_using="gin"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"))
    kind: Mapped[str]
    given: Mapped[dict[str, Any]]
    params: Mapped[dict[str, Any]]
    inputs: Mapped[dict[str, Any]]
    work: Mapped[float | None]
    resource: Mapped[str]
    priority: Mapped[int] = mapped_column(server_default=text("0"))
    tags: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("job.id"))
    deadline_at: Mapped[datetime | None]
    webhook_id: Mapped[UUID | None]

    state: Mapped[str]
    wanted: Mapped[str] = mapped_column(server_default=text("'run'"))
    canceled_as: Mapped[str | None]
    reason: Mapped[str | None]
    error: Mapped[dict[str, Any] | None]
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    seq: Mapped[int] = mapped_column(server_default=text("0"))

    fence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    lease_until: Mapped[datetime | None]
    slot: Mapped[str | None]
    attempt: Mapped[int] = mapped_column(server_default=text("0"))
    deaths: Mapped[int] = mapped_column(server_default=text("0"))
    smaller: Mapped[int] = mapped_column(server_default=text("0"))
    best_score: Mapped[float | None]
    snapshots: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))

    progress: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    preview_sha256: Mapped[str | None] = mapped_column(ForeignKey("blob.sha256"))
    resumed_from_step: Mapped[int | None]

    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    queued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    run_seconds: Mapped[float] = mapped_column(server_default=text("0"))


class Event(Base):
    """What happened to a job, append-only, numbered without gaps under the job's row lock."""

    __tablename__ = "event"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str]
    data: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class LogChunk(Base):
    """A piece of what a job's runs said: whole lines, appended under the fence, never changed.

    ``start`` is how many bytes of the job's log stand before it.
    """

    __tablename__ = "job_log"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id"), primary_key=True)
    start: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    fence: Mapped[int] = mapped_column(BigInteger)
    content: Mapped[bytes]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class MetricChunk(Base):
    """Figures of the steps ``first`` to ``last``, packed as :mod:`jobs.records.series` does it.

    A job's chunks tell one run: what an attempt measured beyond the step from which a later one
    went on is taken away when that one begins.
    """

    __tablename__ = "metric_chunk"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id"), primary_key=True)
    first: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)
    fence: Mapped[int] = mapped_column(BigInteger)
    content: Mapped[bytes]


class Frame(Base):
    """A picture of a job's timeline: what it looked like at a step, and how good it was then."""

    __tablename__ = "frame"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id"), primary_key=True)
    step: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("blob.sha256"), index=True)
    fence: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int]
    height: Mapped[int]
    score: Mapped[float | None]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Checkpoint(Base):
    """A saved engine state. The row is the commit; the file was stored before it."""

    __tablename__ = "checkpoint"
    __table_args__ = (Index("ix_checkpoint_job_id_id", "job_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id"))
    sha256: Mapped[str] = mapped_column(ForeignKey("blob.sha256"), index=True)
    fence: Mapped[int] = mapped_column(BigInteger)
    step: Mapped[int]
    state_version: Mapped[int]
    threads: Mapped[int]
    score: Mapped[float | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Cause(Base):
    """Why an attempt broke, traceback included: for administrators, never for artists."""

    __tablename__ = "cause"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id"), primary_key=True)
    fence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    words: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class OwnerShare(Base):
    """How many jobs an owner has waiting and running on a resource; a claim locks this row.

    The owner's own limits stand here once more, so that a claim reads nothing else. Until
    ``rest_until`` none of the jobs is started.
    """

    __tablename__ = "owner_share"
    __table_args__ = (
        CheckConstraint("waiting >= 0 AND running >= 0", name="counts"),
        Index(
            "ix_owner_share_fair",
            "resource",
            "running",
            "served_at",
            postgresql_where=text("waiting > 0"),
        ),
    )

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"), primary_key=True)
    resource: Mapped[str] = mapped_column(primary_key=True)
    waiting: Mapped[int] = mapped_column(server_default=text("0"))
    running: Mapped[int] = mapped_column(server_default=text("0"))
    served_at: Mapped[datetime] = mapped_column(server_default=func.now())
    running_limit: Mapped[int | None]
    gpu_hours_limit: Mapped[float | None]
    rest_until: Mapped[datetime | None]


class IdempotencyKey(Base):
    """A caller's promise that a repeated request is the same one; kept 24 hours."""

    __tablename__ = "idempotency_key"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[bytes]
    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
