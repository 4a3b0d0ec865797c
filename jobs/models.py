"""The tables. Everything has an owner; times are UTC; the database clock is the clock."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from jobs.roles import Access, Role
from jobs.states import DatasetState, State, Wanted, Word


class Base(DeclarativeBase):
    """Common types; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  (SQLAlchemy reads it from the class)
        str: Text,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: ARRAY(Text),
        bytes: LargeBinary,
    }


def _one_of(column: str, words: type[Word]) -> CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class Owner(Base):
    """A person everything else belongs to; a local studio has one.

    ``password`` is an Argon2 hash. ``totp_secret`` (base32) counts once a code has confirmed it,
    until then it is ``totp_pending``; ``totp_step`` is the last time step whose code was used.
    Limits that are NULL are the studio's own.
    """

    __tablename__ = "owner"
    __table_args__ = (_one_of("role", Role),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str] = mapped_column(server_default=text("'artist'"))
    password: Mapped[str | None]
    language: Mapped[str | None]
    disabled_at: Mapped[datetime | None]
    totp_secret: Mapped[str | None]
    totp_pending: Mapped[str | None]
    totp_step: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    running_limit: Mapped[int | None]
    waiting_limit: Mapped[int | None]
    disk_limit: Mapped[int | None] = mapped_column(BigInteger)
    gpu_hours_limit: Mapped[float | None]
    recipe_inside: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Token(Base):
    """A secret that proves an owner, kept as its SHA-256.

    ``login`` and ``reset`` tokens work once; a ``half`` one says that the password was right and
    the second factor is still to come; ``metrics`` ones read /metrics and nothing else. ``access``
    bounds what an ``api`` token may do.
    """

    __tablename__ = "token"
    __table_args__ = (
        CheckConstraint(
            "scope IN ('api', 'session', 'login', 'metrics', 'reset', 'half')", name="scope"
        ),
        _one_of("access", Access),
    )

    sha256: Mapped[bytes] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(unique=True, server_default=func.gen_random_uuid())
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"), index=True)
    scope: Mapped[str]
    access: Mapped[str] = mapped_column(server_default=text("'admin'"))
    name: Mapped[str] = mapped_column(server_default=text("''"))
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    used_at: Mapped[datetime | None]


class Invitation(Base):
    """A link that lets somebody become a person of the studio, once."""

    __tablename__ = "invitation"
    __table_args__ = (_one_of("role", Role),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sha256: Mapped[bytes] = mapped_column(unique=True)
    role: Mapped[str]
    note: Mapped[str] = mapped_column(server_default=text("''"))
    invited_by: Mapped[UUID | None] = mapped_column(ForeignKey("owner.id"))
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class RecoveryCode(Base):
    """A code that stands in for the second factor once; deleted when it is used."""

    __tablename__ = "recovery_code"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"), primary_key=True)
    sha256: Mapped[bytes] = mapped_column(primary_key=True)


class Attempt(Base):
    """How often something was tried in vain, by a hash of what is protected; ``free_at`` is when
    the next try is heard."""

    __tablename__ = "attempt"

    key: Mapped[bytes] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    free_at: Mapped[datetime] = mapped_column(server_default=func.now())
    tried_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class GpuUse(Base):
    """Seconds an owner's runs had a GPU, by the UTC day on which their attempts ended."""

    __tablename__ = "gpu_use"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    seconds: Mapped[float]


class ShareLink(Base):
    """A link that shows one file to whoever has it. Its address is signed with ``key``; deleting
    the row revokes it."""

    __tablename__ = "share_link"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"), index=True)
    file_id: Mapped[UUID] = mapped_column(ForeignKey("file.id", ondelete="CASCADE"), index=True)
    key: Mapped[bytes]
    recipe: Mapped[bool]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    views: Mapped[int] = mapped_column(server_default=text("0"))


class Blob(Base):
    """Stored bytes, once per content. ``touched_at`` shields a blob about to be referenced."""

    __tablename__ = "blob"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    touched_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class File(Base):
    """An upload, or a finished work of a job; either can be another job's input."""

    __tablename__ = "file"
    __table_args__ = (
        CheckConstraint("role IN ('upload', 'result', 'model', 'samples', 'report')", name="role"),
        CheckConstraint("(role = 'upload') = (job_id IS NULL)", name="made_by_job"),
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
        _one_of("state", DatasetState),
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


class Job(Base):
    """One commissioned computation; the row is the truth about it.

    ``given`` is what was asked, ``params`` the same with every preset and default filled in,
    ``inputs`` the SHA-256 of each file and dataset it names, by id; null while that is not known.
    ``smaller`` counts how often memory ran out, ``best_score`` is the highest score of its
    checkpoints so far.
    ``canceled_as`` is the reason that a running job's cancel will have, when it is not its owner
    who wants it.
    """

    __tablename__ = "job"
    __table_args__ = (
        _one_of("state", State),
        _one_of("wanted", Wanted),
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
    resource: Mapped[str]
    priority: Mapped[int] = mapped_column(server_default=text("0"))
    tags: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("job.id"))
    deadline_at: Mapped[datetime | None]

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
    """Figures of the steps ``first`` to ``last``, packed as :mod:`jobs.series` does it.

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


class NoticeWish(Base):
    """What somebody wants to be told of jobs that took at least ``long_seconds``."""

    __tablename__ = "notice_wish"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"), primary_key=True)
    mail: Mapped[str | None]
    long_seconds: Mapped[int]


class Webhook(Base):
    """Where a person's programs want to be told. ``secret`` signs, so it cannot be kept hashed."""

    __tablename__ = "webhook"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"), index=True)
    url: Mapped[str]
    secret: Mapped[str]
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


class Slot(Base):
    """A place where one job at a time runs: a GPU, or the CPU, of one machine.

    ``drained_at`` is since when it takes no further job: because an administrator wants so, or
    because it is in quarantine, which ``drained_because`` explains. ``vitals`` is what its worker
    last measured; :mod:`worker.vitals` says what is in it.
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


class Closure(Base):
    """While the row is there, a queue (``cpu``, ``gpu``) is paused, or the whole ``studio`` is
    under maintenance: no waiting job begins, and in maintenance none is taken."""

    __tablename__ = "closure"
    __table_args__ = (CheckConstraint("scope IN ('cpu', 'gpu', 'studio')", name="scope"),)

    scope: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    message: Mapped[str] = mapped_column(server_default=text("''"))
    retry_seconds: Mapped[int] = mapped_column(server_default=text("300"))


class DiskSample(Base):
    """How full the disk of the stored files was."""

    __tablename__ = "disk_sample"

    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp(), primary_key=True)
    free_bytes: Mapped[int] = mapped_column(BigInteger)
    total_bytes: Mapped[int] = mapped_column(BigInteger)


class Cause(Base):
    """Why an attempt broke, traceback included: for administrators, never for artists."""

    __tablename__ = "cause"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id"), primary_key=True)
    fence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    words: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


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


class IdempotencyKey(Base):
    """A caller's promise that a repeated request is the same one; kept 24 hours."""

    __tablename__ = "idempotency_key"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[bytes]
    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
