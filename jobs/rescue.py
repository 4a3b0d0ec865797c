"""Putting back into the queue what lost its worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from jobs import quotas
from jobs.models import Event, Job
from jobs.moves import lock_job, move, note
from jobs.states import Reason, State, Wanted

# More than a job was ever given out between a backup and its restore.
FENCES_SKIPPED = 1_000_000


def expired(session: Session) -> Sequence[UUID]:
    """Jobs whose lease has run out."""
    query = select(Job.id).where(
        Job.state == str(State.RUNNING), Job.lease_until < func.clock_timestamp()
    )
    return session.execute(query).scalars().all()


def rescue_expired(session: Session, job_id: UUID) -> Job | None:
    """Requeue a job whose lease is still out now; None if it lives after all."""
    job = lock_job(session, job_id)
    now = session.execute(select(func.clock_timestamp())).scalar_one()
    if job.state != State.RUNNING or job.lease_until is None or job.lease_until >= now:
        return None
    return _put_back(session, job, by="keeper")


def rescue_predecessor(session: Session, slot: str, place: str) -> Sequence[Job]:
    """Requeue what ran in ``slot`` before its worker died, without waiting for the lease.

    Only who holds the slot's lock may ask, which ``place`` names: who was given the job under the
    same lock is gone, and the kernel has ended its runner with it. Of another machine that by
    mistake is called the same nothing is known, and its lease says the rest.
    """
    query = select(Job.id).where(Job.slot == slot, Job.state == str(State.RUNNING))
    found = session.execute(query).scalars().all()
    jobs = [lock_job(session, job_id) for job_id in found]
    return [
        _put_back(session, job, by="worker")
        for job in jobs
        if job.state == State.RUNNING and job.slot == slot and _place_of(session, job) == place
    ]


def _place_of(session: Session, job: Job) -> str | None:
    """Under which lock a running job was claimed."""
    place: str | None = _of_its_claim(session, job, Event.data["place"].astext)
    return place


def _seconds_held(session: Session, job: Job) -> float:
    """How long it had its slot, as far as anybody can know: until now, or its lease's end."""
    until = func.least(func.clock_timestamp(), job.lease_until)
    held = _of_its_claim(session, job, func.extract("epoch", until - Event.at))
    return max(0.0, float(held or 0))


def _of_its_claim(session: Session, job: Job, what: ColumnElement[Any]) -> Any:
    claims = select(what).where(
        Event.job_id == job.id, Event.data["to"].astext == str(State.RUNNING)
    )
    return session.execute(claims.order_by(Event.seq.desc()).limit(1)).scalar_one_or_none()


def rescue_restored(session: Session) -> Sequence[Job]:
    """Requeue all that ran when a backup was made; only for a studio that does not run yet.

    A worker that still runs may have been given one of the jobs after the backup: no fence that
    it can hold is given out again.
    """
    found = session.scalars(select(Job.id).where(Job.state == str(State.RUNNING))).all()
    jobs = [lock_job(session, job_id) for job_id in found]
    put_back = [_put_back(session, job, by="restore", reason=Reason.RESTORED) for job in jobs]
    waiting = select(Job.id).where(Job.state.in_([str(State.QUEUED), str(State.PAUSED)]))
    for job_id in session.scalars(waiting.order_by(Job.id)).all():
        job = lock_job(session, job_id)
        job.fence += FENCES_SKIPPED
        note(session, job, "fence", {"fence": job.fence, "by": "restore"})
    return put_back


def _put_back(session: Session, job: Job, *, by: str, reason: Reason = Reason.WORKER_LOST) -> Job:
    """The fence rises with the next claim; until then a worker that comes back after all finds
    its row no longer running."""
    ran = 0.0 if reason is Reason.RESTORED else _seconds_held(session, job)
    if job.resource == "gpu":
        quotas.note_gpu(session, job.owner_id, ran)
    if job.wanted == Wanted.CANCEL:
        canceled, now = Reason.CANCELED_BY_USER, func.clock_timestamp()
        return move(session, job, State.CANCELED, by=by, ran=ran, reason=canceled, ended_at=now)
    if job.wanted == Wanted.PAUSE:
        return move(session, job, State.PAUSED, by=by, ran=ran, reason=Reason.PAUSED_BY_USER)
    return move(session, job, State.QUEUED, by=by, ran=ran, reason=reason)
