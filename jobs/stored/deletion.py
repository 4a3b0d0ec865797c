"""Deleting works for good: what would go is told first, and all that was derived goes with it.

Rows go in one transaction; the bytes that nobody refers to any more go by the keeper's sweep, and
thumbnails after them. That something was deleted, by whom, stays in the audit log and the tally.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Table,
    Text,
    cast,
    delete,
    func,
    or_,
    select,
    union,
    update,
)
from sqlalchemy.orm import Session, aliased

from jobs import references
from jobs.models import Base, Blob, Checkpoint, File, Frame, Job, LogChunk
from jobs.moves import tally
from jobs.records import audit
from jobs.refusals import RefusedError
from jobs.service import get as get_job
from jobs.service import mine as lock_mine
from jobs.states import ENDED, State
from jobs.stored.files import get as get_file

_JOB, _FILE = Base.metadata.tables["job"], Base.metadata.tables["file"]
UNSETTLED = [str(state) for state in State if state not in ENDED]


@dataclass(frozen=True)
class Removal:
    """What a deletion removes. ``bytes`` counts stored files that nobody else needs."""

    works: int
    frames: int
    checkpoints: int
    preview: bool
    log_bytes: int
    shared: int
    bytes: int


def of_job(session: Session, owner_id: UUID, job_id: UUID) -> Removal:
    """What deleting the owner's job would remove. Raises :class:`RefusedError` as that does."""
    job = get_job(session, owner_id, job_id)
    _check_may_go(session, job)
    return removal(session, job)


def delete_job(session: Session, owner_id: UUID, job_id: UUID) -> Removal:
    """Delete an ended job of the owner's with its works and all that was derived.

    Raises :class:`RefusedError`: ``unknown_job``, ``not_ended``, ``in_use``.
    """
    job = lock_mine(session, owner_id, job_id)
    hold_works(session, job)
    _check_may_go(session, job)
    return remove(session, job, owner_id)


def delete_file(session: Session, owner_id: UUID, file_id: UUID) -> int:
    """Delete an upload of the owner's; its size in bytes.

    Raises :class:`RefusedError`: ``unknown_file``, ``part_of_job``, ``in_use``.
    """
    file = get_file(session, owner_id, file_id)
    if file.job_id is not None:
        raise RefusedError("part_of_job", job=str(file.job_id))
    _hold(session, File.id == file.id)
    if _wanted_by(session, [file.id]):
        raise RefusedError("in_use")
    size = session.execute(select(Blob.size).where(Blob.sha256 == file.sha256)).scalar_one()
    about = {"name": file.name, "media_type": file.media_type, "sha256": file.sha256}
    audit.record(session, owner_id, audit.Action.FILE_DELETED, f"file {file.id}", before=about)
    _let_go(session, _FILE, [file.id])
    session.execute(delete(File).where(File.id == file.id))
    return int(size)


def remove(session: Session, job: Job, by: UUID | str) -> Removal:
    """Delete a locked, ended job that nobody waits for, in the name of ``by``."""
    removed = removal(session, job)
    about = {"kind": job.kind, "state": job.state, "owner": str(job.owner_id), **vars(removed)}
    audit.record(session, by, audit.Action.JOB_DELETED, f"job {job.id}", before=about)
    tally(session, job, State(job.state), None)
    works = session.scalars(select(File.id).where(File.job_id == job.id)).all()
    _let_go(session, _FILE, works)
    _let_go(session, _JOB, [job.id])
    session.execute(
        delete(Job).where(Job.id == job.id).execution_options(synchronize_session=False)
    )
    session.expunge(job)
    return removed


def removal(session: Session, job: Job) -> Removal:
    """What removing ``job`` takes away."""
    works = list(session.scalars(select(File.id).where(File.job_id == job.id)))

    def many(column: Any, belongs: Any) -> int:
        return int(session.execute(select(func.count(column)).where(belongs)).scalar_one())

    log = select(func.coalesce(func.sum(func.length(LogChunk.content)), 0))
    return Removal(
        works=len(works),
        frames=many(Frame.sha256, Frame.job_id == job.id),
        checkpoints=many(Checkpoint.id, Checkpoint.job_id == job.id),
        preview=job.preview_sha256 is not None,
        log_bytes=int(session.execute(log.where(LogChunk.job_id == job.id)).scalar_one()),
        shared=sum(
            session.execute(
                select(func.count()).select_from(column.table).where(column.in_(works))
            ).scalar_one()
            for column in referring(_FILE)
        ),
        bytes=size_of(session, [job.id], "works"),
    )


def is_kept(session: Session, job: Job) -> bool:
    """Whether something else refers to a work of this job (a shared link), or waits for it."""
    return session.execute(select(Job.id).where(Job.id == job.id, kept())).first() is not None


def kept() -> ColumnElement[bool]:
    """The same as a condition of a query for jobs."""
    taker = aliased(Job)
    taken = select(func.jsonb_object_keys(taker.inputs)).where(taker.state.in_(UNSETTLED))
    shown = [select(column).where(column == File.id).exists() for column in referring(_FILE)]
    needed = or_(cast(File.id, Text).in_(taken), *shown)
    return select(File.id).where(File.job_id == Job.id, needed).exists()


def hold_works(session: Session, job: Job) -> None:
    """Lock the works of a locked job before asking who takes them: whoever submits a job that does
    holds them until it is there."""
    _hold(session, File.job_id == job.id)


def _hold(session: Session, which: ColumnElement[bool]) -> None:
    session.execute(select(File.id).where(which).order_by(File.id).with_for_update())


def referring(target: Table) -> Iterator[Column[Any]]:
    """Columns with a foreign key to ``target``'s ``id``."""
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if any(key.column is target.c.id for key in column.foreign_keys):
                yield column


def _check_may_go(session: Session, job: Job) -> None:
    if State(job.state) not in ENDED:
        raise RefusedError("not_ended")
    works = list(session.scalars(select(File.id).where(File.job_id == job.id)))
    if _wanted_by(session, works):
        raise RefusedError("in_use")


def _wanted_by(session: Session, files: list[UUID]) -> bool:
    """Whether a job that has not ended takes one of these files, whoever owns it."""
    if not files:
        return False
    names = [str(file) for file in files]
    query = select(Job.id).where(
        Job.state.in_(UNSETTLED), Job.inputs.has_any(cast(names, ARRAY(Text)))
    )
    return session.execute(query.limit(1)).first() is not None


def _let_go(session: Session, target: Table, ids: Any) -> None:
    """Remove what belongs to these rows; what only mentions them forgets them."""
    for column in referring(target):
        mentions = column.nullable and column is not _FILE.c.job_id
        change = update(column.table).values({column.name: None}) if mentions else None
        done = delete(column.table) if change is None else change
        session.execute(done.where(column.in_(ids)))


def size_of(session: Session, job_ids: Sequence[UUID], what: str) -> int:
    """Bytes that only ``what`` of these jobs needs: ``previews``, ``frames``, ``checkpoints``, all
    that goes with their ``works``; the length of ``logs``."""
    if what == "logs":
        query = select(func.coalesce(func.sum(func.length(LogChunk.content)), 0))
        return int(session.execute(query.where(LogChunk.job_id.in_(job_ids))).scalar_one())
    return _bytes_of(session, job_ids, *_HOLDERS[what])


_HOLDERS: dict[str, tuple[Any, ...]] = {
    "previews": (Job,),
    "frames": (Frame,),
    "checkpoints": (Checkpoint,),
    "works": (File, Frame, Checkpoint, Job),
}


def _bytes_of(session: Session, job_ids: Sequence[UUID], *tables: Any) -> int:
    """Bytes that only rows of these tables need, as far as they are these jobs'."""

    def rows(table: Any) -> tuple[Any, Any]:
        return (Job.preview_sha256, Job.id) if table is Job else (table.sha256, table.job_id)

    mine = union(
        *(
            select(sha256.label("sha256")).where(id_.in_(job_ids))
            for sha256, id_ in map(rows, tables)
        )
    ).subquery()
    elsewhere = []
    for column in references.columns():
        query = select(column).where(column == Blob.sha256)
        own = next((id_ for sha256, id_ in map(rows, tables) if _same(sha256, column)), None)
        if own is not None:
            query = query.where(own.is_(None) | own.not_in(job_ids))
        elsewhere.append(query.exists())
    size = select(func.coalesce(func.sum(Blob.size), 0)).where(
        Blob.sha256.in_(select(mine.c.sha256)), ~or_(*elsewhere)
    )
    return int(session.execute(size).scalar_one())


def _same(mapped: Any, column: Column[Any]) -> bool:
    return mapped.property.columns[0] is column
