"""What administrators see of everybody's jobs: lists over all owners, and one job in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from jobs import listing
from jobs.models import Blob, Cause, Checkpoint, Event, File, Job, Owner
from jobs.records import causes
from jobs.refusals import RefusedError
from jobs.states import State

EXAMPLES_SHOWN = 5


@dataclass(frozen=True)
class Filter:
    """Which jobs; an empty field means all. ``since`` and ``until`` bound when a job ended, or
    was asked for if it has not."""

    jobs: listing.Filter = field(default_factory=listing.Filter)
    owner: str = ""
    reason: str = ""
    slot: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def whole(self, **changes: Any) -> listing.Filter:
        """The same for a list, with ``changes``."""
        return replace(self.jobs, conditions=self._conditions(), **changes)

    def _conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.owner:
            found.append(
                Job.owner_id == select(Owner.id).where(Owner.name == self.owner).scalar_subquery()
            )
        if self.reason:
            found.append(Job.reason == self.reason)
        if self.slot:
            found.append(Job.slot == self.slot)
        if self.since is not None:
            began = Job.created_at >= self.since
            found.append(or_(Job.ended_at >= self.since, and_(Job.ended_at.is_(None), began)))
        if self.until is not None:
            began = Job.created_at < self.until
            found.append(or_(Job.ended_at < self.until, and_(Job.ended_at.is_(None), began)))
        return found


@dataclass(frozen=True)
class Attempt:
    """One try of a job in a slot: when it began and how it ended, if it has."""

    number: int
    slot: str
    fence: int
    began_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Saved:
    """A checkpoint with its size in bytes."""

    row: Checkpoint
    size: int


@dataclass(frozen=True)
class Whole:
    """All there is to know of a job, but its log."""

    job: Job
    owner: str
    events: Sequence[Event]
    attempts: Sequence[Attempt]
    checkpoints: Sequence[Saved]
    causes: Sequence[Cause]
    files: Sequence[File]


def page(
    session: Session,
    wanted: Filter,
    size: int,
    older_than: UUID | None = None,
    newer_than: UUID | None = None,
) -> listing.Page:
    """A page of everybody's jobs, newest first. Raises :class:`RefusedError`."""
    return listing.page(session, None, wanted.whole(), size, older_than, newer_than)


def owners(session: Session, rows: Sequence[Job]) -> dict[UUID, str]:
    """The names of these jobs' owners, by id."""
    query = select(Owner.id, Owner.name).where(Owner.id.in_({row.owner_id for row in rows}))
    return {row.id: row.name for row in session.execute(query)}


def get(session: Session, job_id: UUID) -> Job:
    """Anybody's job. Raises :class:`RefusedError` (``unknown_job``)."""
    job = session.get(Job, job_id)
    if job is None:
        raise RefusedError("unknown_job")
    return job


def whole(session: Session, job_id: UUID) -> Whole:
    """A job in full. Raises :class:`RefusedError` (``unknown_job``)."""
    job = get(session, job_id)
    query = select(Event).where(Event.job_id == job_id).order_by(Event.seq)
    events = session.scalars(query).all()
    saved = (
        select(Checkpoint, Blob.size)
        .join(Blob, Blob.sha256 == Checkpoint.sha256)
        .where(Checkpoint.job_id == job_id)
        .order_by(Checkpoint.id.desc())
    )
    inputs = [UUID(id_) for id_ in job.inputs]
    files = select(File).where((File.job_id == job_id) | File.id.in_(inputs))
    return Whole(
        job=job,
        owner=owners(session, [job])[job.owner_id],
        events=events,
        attempts=attempts(events),
        checkpoints=[Saved(row, size) for row, size in session.execute(saved)],
        causes=causes.of_job(session, job_id),
        files=session.scalars(files.order_by(File.job_id.nulls_last(), File.position)).all(),
    )


def attempts(events: Sequence[Event]) -> list[Attempt]:
    """The attempts that a job's events tell of, the first one first."""
    found: list[Attempt] = []
    for event in events:
        if event.type != "status":
            continue
        data: dict[str, Any] = event.data
        if data.get("to") == State.RUNNING:
            number, slot = data.get("attempt", len(found) + 1), data.get("slot", "")
            found.append(Attempt(number, slot, data.get("fence", 0), event.at))
        elif data.get("from") == State.RUNNING and found:
            begun = found[-1]
            found[-1] = Attempt(
                *(begun.number, begun.slot, begun.fence, begun.began_at),
                *(event.at, data.get("to"), data.get("reason")),
            )
    return found


def checkpoint(session: Session, job_id: UUID, checkpoint_id: UUID) -> Checkpoint:
    """A checkpoint of a job. Raises :class:`RefusedError` (``unknown_file``)."""
    row = session.get(Checkpoint, checkpoint_id)
    if row is None or row.job_id != job_id:
        raise RefusedError("unknown_file")
    return row


def file(session: Session, job_id: UUID, file_id: UUID) -> File:
    """A file that a job made or was made from. Raises :class:`RefusedError` (``unknown_file``)."""
    job, row = get(session, job_id), session.get(File, file_id)
    if row is None or (row.job_id != job.id and str(row.id) not in job.inputs):
        raise RefusedError("unknown_file")
    return row


@dataclass(frozen=True)
class Effect:
    """What requeueing would do now: how many jobs it means, and some of them."""

    count: int
    examples: Sequence[Job]


def requeueable(session: Session, wanted: Filter) -> Effect:
    """The failed jobs that a filter means."""
    query = failed(wanted)
    count = session.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    examples = session.scalars(
        select(Job).where(Job.id.in_(query)).order_by(Job.id.desc()).limit(EXAMPLES_SHOWN)
    )
    return Effect(count, examples.all())


def failed(wanted: Filter) -> Any:
    """A query for the ids of the failed jobs that a filter means, whatever status it names."""
    query = listing.filtered(select(Job), wanted.whole(status=("failed",)))
    return query.with_only_columns(Job.id)
