"""Checks that a studio's records agree with each other and with the stored files.

It only reads, in batches, each of them in one snapshot: what it says is right while jobs run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from jobs import references
from jobs.checkpoints import NEWEST_KEPT
from jobs.database import Database
from jobs.history import History
from jobs.models import (
    DATASET_BLOBS,
    Blob,
    Checkpoint,
    Dataset,
    Event,
    File,
    Frame,
    Job,
    OwnerShare,
)
from jobs.moves import lock_share
from jobs.records import audit
from jobs.states import State
from jobs.storage import Storage, StorageError

JOBS_AT_A_TIME = 100
EVENTS_AT_A_TIME = 1000
BLOBS_AT_A_TIME = 500

FIX_ROW = (
    "The events are the record of what happened. Set the row right in the database while no"
    " process of the studio runs, or restore a backup."
)
FIX_GAP = "Only a backup of the database brings it back; the job itself can go on."
FIX_EVENT = "Atelier writes no such event: find out who wrote to the database, or report a defect."
FIX_COUNT = "Let it be counted anew, also while jobs run: atelier admin recount"
FIX_CHECKPOINT = "Nothing: the job goes on from the checkpoint before it, or from its start."
FIX_BEST = "Nothing: the run goes on from its newest checkpoint; a better one is kept anew."
FIX_TOO_MANY = "Nothing: the next checkpoint retires what is too much."
FIX_PREVIEW = "Nothing: the next preview or the result takes its place."
FIX_FRAME = (
    "Restore it from a backup. Nothing else relies on it: the run goes on and its timeline"
    " lacks this picture."
)
FIX_UPLOAD = "Restore it from a backup, or remove what is there and upload the same file again."
FIX_AUDIT = (
    "Somebody changed the audit log past the studio: find out who can write to the database, and"
    " compare with a backup."
)
FIX_DATASET = "Restore it from a backup, or delete the dataset and upload its pictures again."
FIX_WORK = "Restore it from a backup, or make it again: atelier rerun {job_id}"


@dataclass(frozen=True)
class Finding:
    """Something that is wrong: ``subject`` names what it is about, ``fix`` what to do.

    ``check`` is for programs: ``row``, ``gap``, ``event``, ``count``, ``outputs``, ``audit``,
    ``checkpoints`` or ``bytes``.
    """

    check: str
    subject: str
    wrong: str
    fix: str
    job_id: str | None = None

    def line(self) -> str:
        """For people."""
        return f"WRONG {self.subject}: {self.wrong}\n      Fix: {self.fix}"

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


class Verifier:
    """One look at everything. ``jobs`` and ``blobs`` count what was looked at so far."""

    def __init__(self, database: Database, storage: Storage) -> None:
        self._database, self._storage = database, storage
        self.jobs = self.blobs = 0

    def findings(self) -> Iterator[Finding]:
        """Everything that is wrong, as it is found.

        Raises DatabaseDownError; files that cannot be read are findings.
        """
        yield from self._of_jobs()
        yield from self._of_shares()
        yield from self._of_audit()
        yield from self._of_blobs()

    def _of_jobs(self) -> Iterator[Finding]:
        last: UUID | None = None
        while True:
            # The snapshot ends before anything is told: a reader may take its time.
            with self._database.snapshot() as session:
                query = select(Job).order_by(Job.id).limit(JOBS_AT_A_TIME)
                rows = session.scalars(query if last is None else query.where(Job.id > last)).all()
                found = _wrong_with(session, rows)
            if not rows:
                return
            last = rows[-1].id
            self.jobs += len(rows)
            yield from found

    def _of_shares(self) -> Iterator[Finding]:
        with self._database.snapshot() as session:
            wrong = list(_wrong_shares(session))
        for owner_id, resource, said, true in wrong:
            yield Finding(
                "count",
                f"share of owner {owner_id} on {resource}",
                f"it says {said[0]} waiting and {said[1]} running, the rows say {true[0]} and"
                f" {true[1]}",
                FIX_COUNT,
            )

    def _of_audit(self) -> Iterator[Finding]:
        with self._database.snapshot() as session:
            checked = audit.check(session)
        for wrong in checked.wrong:
            yield Finding("audit", wrong.subject, wrong.words, FIX_AUDIT)

    def _of_blobs(self) -> Iterator[Finding]:
        last = ""
        while True:
            with self._database.begin() as session:
                query = select(Blob.sha256).where(Blob.sha256 > last).order_by(Blob.sha256)
                names = session.scalars(query.limit(BLOBS_AT_A_TIME)).all()
                needed = references.needed_among(session, names)
            if not names:
                return
            last = names[-1]
            for sha256 in sorted(needed):
                self.blobs += 1
                yield from self._wrong_bytes(sha256)

    def _wrong_bytes(self, sha256: str) -> Iterator[Finding]:
        try:
            self._storage.check(sha256)
        except StorageError as failed:
            # Asked once more: what was needed a moment ago may since have been retired.
            with self._database.begin() as session:
                referrers = _referrers(session, sha256)
            for subject, fix, job_id in referrers:
                wrong = f"stored file {failed} ({self._storage.place(sha256)})"
                yield Finding("bytes", subject, wrong, fix, job_id)


def recount(database: Database) -> int:
    """Count anew what owners have waiting and running; how many counts were wrong.

    Safe while jobs run: no job of a share changes its state while the share is locked.
    """
    with database.snapshot() as session:
        wrong = [(owner_id, resource) for owner_id, resource, _, _ in _wrong_shares(session)]
    for owner_id, resource in wrong:
        with database.begin() as session:
            lock_share(session, owner_id, resource)
            waiting, running = (
                select(func.count())
                .where(
                    Job.owner_id == owner_id, Job.resource == resource, Job.state == str(counted)
                )
                .scalar_subquery()
                for counted in (State.QUEUED, State.RUNNING)
            )
            session.execute(
                update(OwnerShare)
                .where(OwnerShare.owner_id == owner_id, OwnerShare.resource == resource)
                .values(waiting=waiting, running=running)
                .execution_options(synchronize_session=False)
            )
    return len(wrong)


def _wrong_with(session: Session, rows: Sequence[Job]) -> list[Finding]:
    """What is wrong with these jobs, their events and works, all of one snapshot."""
    histories = {row.id: History() for row in rows}
    events = session.execute(
        select(Event.job_id, Event.seq, Event.type, Event.data)
        .where(Event.job_id.in_(histories))
        .order_by(Event.job_id, Event.seq)
        .execution_options(yield_per=EVENTS_AT_A_TIME)
    )
    for event in events:
        histories[event.job_id].hear(event.seq, event.type, event.data)
    done = [row.id for row in rows if row.state == State.SUCCEEDED]
    with_works = set(session.scalars(select(File.job_id).where(File.job_id.in_(done)).distinct()))
    found = []
    for row in rows:
        history, job_id, subject = histories[row.id], str(row.id), f"job {row.id}"
        differences = list(history.differences(row))
        found += [Finding("gap", subject, f"{gap} gone", FIX_GAP, job_id) for gap in history.gaps]
        found += [Finding("event", subject, fault, FIX_EVENT, job_id) for fault in history.faults]
        found += [Finding("row", subject, wrong, FIX_ROW, job_id) for wrong in differences]
        if row.state == State.SUCCEEDED and row.id not in with_works:
            fix = FIX_WORK.format(job_id=job_id)
            found.append(Finding("outputs", subject, "it succeeded without a work", fix, job_id))
    return found + _wrong_checkpoints(session, rows)


def _wrong_checkpoints(session: Session, rows: Sequence[Job]) -> list[Finding]:
    """More than the newest and the best, or the best is gone; a success keeps none."""
    kept: dict[UUID, list[float | None]] = {row.id: [] for row in rows}
    query = select(Checkpoint.job_id, Checkpoint.score).where(Checkpoint.job_id.in_(kept))
    for of_job, score in session.execute(query):
        kept[of_job].append(score)
    found = []
    for row in rows:
        scores, subject, job_id = kept[row.id], f"job {row.id}", str(row.id)
        if len(scores) > NEWEST_KEPT + (row.best_score is not None):
            wrong = f"it keeps {len(scores)} checkpoints"
            found.append(Finding("checkpoints", subject, wrong, FIX_TOO_MANY, job_id))
        if row.state != State.SUCCEEDED and row.best_score not in (None, *scores):
            wrong = f"its best checkpoint, of score {row.best_score:g}, is gone"
            found.append(Finding("checkpoints", subject, wrong, FIX_BEST, job_id))
    return found


def _wrong_shares(
    session: Session,
) -> Iterator[tuple[UUID, str, tuple[int, int], tuple[int, int]]]:
    """Owner and resource, what the share says, what the rows say, where these differ."""

    def many(state: State) -> Any:
        return func.count().filter(Job.state == str(state))

    rows = (
        select(
            Job.owner_id,
            Job.resource,
            many(State.QUEUED).label("waiting"),
            many(State.RUNNING).label("running"),
        )
        .where(Job.state.in_([str(State.QUEUED), str(State.RUNNING)]))
        .group_by(Job.owner_id, Job.resource)
        .subquery()
    )
    same = (OwnerShare.owner_id == rows.c.owner_id) & (OwnerShare.resource == rows.c.resource)
    said = func.coalesce(OwnerShare.waiting, 0), func.coalesce(OwnerShare.running, 0)
    true = func.coalesce(rows.c.waiting, 0), func.coalesce(rows.c.running, 0)
    query = (
        select(
            func.coalesce(OwnerShare.owner_id, rows.c.owner_id),
            func.coalesce(OwnerShare.resource, rows.c.resource),
            *said,
            *true,
        )
        .select_from(OwnerShare)
        .join(rows, same, full=True)
        .where((said[0] != true[0]) | (said[1] != true[1]))
    )
    for owner_id, resource, *counts in session.execute(query):
        yield owner_id, resource, (counts[0], counts[1]), (counts[2], counts[3])


def _referrers(session: Session, sha256: str) -> list[tuple[str, str, str | None]]:
    """Who needs these bytes: in words, what to do when they are gone, and the job it is about."""
    found: list[tuple[str, str, str | None]] = []
    for file in session.scalars(select(File).where(File.sha256 == sha256)):
        if file.job_id is None:
            found.append((f"upload {file.name} (file {file.id})", FIX_UPLOAD, None))
        else:
            job_id = str(file.job_id)
            subject = f"{file.role} {file.name} of job {job_id}"
            found.append((subject, FIX_WORK.format(job_id=job_id), job_id))
    for saved in session.scalars(select(Checkpoint).where(Checkpoint.sha256 == sha256)):
        subject = f"checkpoint at step {saved.step} of job {saved.job_id}"
        found.append((subject, FIX_CHECKPOINT, str(saved.job_id)))
    for frame in session.scalars(select(Frame).where(Frame.sha256 == sha256)):
        subject = f"picture of step {frame.step} in the timeline of job {frame.job_id}"
        found.append((subject, FIX_FRAME, str(frame.job_id)))
    for shown in session.scalars(select(Job.id).where(Job.preview_sha256 == sha256)):
        found.append((f"preview of job {shown}", FIX_PREVIEW, str(shown)))
    for column in DATASET_BLOBS:
        for dataset in session.scalars(select(Dataset).where(column == sha256)):
            part = column.key.removesuffix("_sha256").replace("sha256", "pack")
            subject = f"{part} of dataset {dataset.name} ({dataset.id})"
            found.append((subject, FIX_DATASET, None))
    return found
