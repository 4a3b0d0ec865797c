"""What administrators may do to slots, queues, the studio and anybody's jobs.

Every function changes something and writes its audit row in the caller's transaction; asked a
second time it finds nothing to change, and then writes nothing. ``by`` is the administrator.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.orm import Session

from jobs import awaiting, closures, inputs, slots
from jobs.database import Database
from jobs.models import Checkpoint, Closure, Job, OwnerShare, Slot
from jobs.moves import UnknownJobError, lock_job, move, note
from jobs.office import review
from jobs.records import audit
from jobs.records.audit import Action
from jobs.refusals import Fault, RefusedError
from jobs.service import PRIORITIES, shown_status
from jobs.states import ENDED, Reason, State, Wanted

REASON_LENGTH = 500
REQUEUED_AT_A_TIME = 500
BY = "administrator"


def drain(session: Session, by: UUID, name: str, reason: str = "") -> None:
    """Let a slot finish what runs in it and take nothing more."""
    closures.shut_gate(session)  # before the slot's row, as a worker does that closes itself
    before = _slot(session, name)
    if before["drained"]:
        return
    slots.drain(session, name)
    _record_slot(session, by, Action.SLOT_DRAINED, name, reason, before)


def undrain(session: Session, by: UUID, name: str, reason: str = "") -> None:
    """Let a slot take jobs again, also one in quarantine."""
    before = _slot(session, name)
    if not before["drained"]:
        return
    slots.undrain(session, name)
    _record_slot(session, by, Action.SLOT_UNDRAINED, name, reason, before)


def quarantine(session: Session, by: UUID, name: str, reason: str) -> None:
    """Let a slot take nothing more because it is not trusted; ``reason`` is shown beside it."""
    cause = said(reason, required=True)
    closures.shut_gate(session)
    before = _slot(session, name)
    if before["drained"] and before["because"] == cause:
        return
    slots.quarantine(session, name, cause)
    _record_slot(session, by, Action.SLOT_QUARANTINED, name, reason, before)


def forget(session: Session, by: UUID, name: str, reason: str = "") -> None:
    """Strike a slot off whose worker is gone for good. Raises :class:`RefusedError`."""
    before = _slot(session, name)
    slots.forget(session, name)
    audit.record(session, by, Action.SLOT_FORGOTTEN, name, reason=said(reason), before=before)


def pause_queue(session: Session, by: UUID, resource: str, reason: str = "") -> None:
    """Let no waiting job of a resource begin; what runs runs on."""
    _close(session, by, Action.QUEUE_PAUSED, queue_named(resource), said(reason), said(reason))


def resume_queue(session: Session, by: UUID, resource: str, reason: str = "") -> None:
    """Let waiting jobs of a resource begin again."""
    _reopen(session, by, Action.QUEUE_RESUMED, queue_named(resource), reason)


def begin_maintenance(
    session: Session,
    by: UUID,
    message: str,
    retry_seconds: int = closures.USUAL_RETRY_SECONDS,
    reason: str = "",
) -> None:
    """Take no new jobs and begin none; people are shown ``message``. What runs runs on."""
    told = said(message, "message", required=True)
    scope, why = closures.STUDIO, said(reason)
    _close(session, by, Action.MAINTENANCE_BEGUN, scope, told, why, retry_seconds)


def end_maintenance(session: Session, by: UUID, reason: str = "") -> None:
    """Take jobs again and let those that wait begin."""
    _reopen(session, by, Action.MAINTENANCE_ENDED, closures.STUDIO, reason)


def cancel(session: Session, by: UUID, job_id: UUID, reason: str) -> Job:
    """Stop anybody's job for good; its owner sees that an administrator did. ``reason`` is for
    the audit log."""
    why = said(reason, required=True)
    job = _locked(session, job_id)
    before = {"status": shown_status(job)}
    if job.state in (State.QUEUED, State.PAUSED):
        canceled, now = Reason.CANCELED_BY_ADMINISTRATOR, func.clock_timestamp()
        job = move(session, job, State.CANCELED, by=BY, reason=canceled, ended_at=now)
    elif job.state == State.RUNNING and job.wanted != Wanted.CANCEL:
        job.wanted = str(Wanted.CANCEL)
        job.canceled_as = str(Reason.CANCELED_BY_ADMINISTRATOR)
        note(session, job, "wanted", {"wanted": str(Wanted.CANCEL), "by": BY})
    else:
        return job
    _record_job(session, by, Action.JOB_CANCELED, job, why, before, {"status": shown_status(job)})
    return job


def set_priority(session: Session, by: UUID, job_id: UUID, priority: int, reason: str = "") -> Job:
    """Give a job that has not ended another priority among its owner's jobs."""
    if priority not in PRIORITIES:
        limits = {"value": priority, "low": PRIORITIES[0], "high": PRIORITIES[-1]}
        raise RefusedError("invalid", faults=[Fault("/priority", "out_of_range", limits)])
    job = _locked(session, job_id)
    if job.priority != priority and State(job.state) not in ENDED:
        _prioritise(session, by, Action.JOB_PRIORITY, job, priority, reason)
    return job


def move_to_front(session: Session, by: UUID, job_id: UUID, reason: str = "") -> Job:
    """Put a waiting job before every other of its queue. Its owner is served before others who
    have as many jobs running; who has more running waits, as fair shares want it.
    """
    job = _locked(session, job_id)
    if job.state != State.QUEUED:
        return job
    others = select(func.max(Job.priority)).where(
        Job.resource == job.resource, Job.state == str(State.QUEUED), Job.id != job.id
    )
    highest = session.execute(others).scalar_one_or_none()
    front = max(PRIORITIES[-1], highest if highest is not None else PRIORITIES[-1]) + 1
    if job.priority < front:
        _prioritise(session, by, Action.JOB_FRONT, job, front, reason)
    # Before all who were served earlier, those moved to the front before included.
    first = select(func.min(OwnerShare.served_at)).where(OwnerShare.resource == job.resource)
    mine = (OwnerShare.owner_id == job.owner_id) & (OwnerShare.resource == job.resource)
    served_at = first.scalar_subquery() - timedelta(seconds=1)
    session.execute(
        update(OwnerShare)
        .where(mine)
        .values(served_at=served_at)
        .execution_options(synchronize_session=False)
    )
    return job


def requeue(
    session: Session, by: UUID, job_id: UUID, reason: str = "", from_start: bool = False
) -> Job:
    """Queue anybody's failed job again, from its newest checkpoint or from its start.

    Raises :class:`RefusedError` where it is gone, or what it was to be made from is, or that does
    not fit.
    """
    job = _locked(session, job_id)
    if job.state != State.FAILED:
        return job
    inputs.hold(session, job)
    before = {"status": job.state, "reason": job.reason}
    if from_start:
        session.execute(delete(Checkpoint).where(Checkpoint.job_id == job.id))
        job.best_score = None
    start = "start" if from_start else "checkpoint"
    job = move(
        session,
        job,
        State.QUEUED,
        by=BY,
        reason=Reason.RETRIED_BY_ADMINISTRATOR,
        details={"resume": start},
        deaths=0,
        error=None,
        ended_at=None,
        deadline_at=case((Job.deadline_at > func.clock_timestamp(), Job.deadline_at)),
    )
    # It may have failed for want of a set, which is still not there, or is checked again.
    job = awaiting.settle(session, job)
    after = {"status": job.state, "from": start}
    _record_job(session, by, Action.JOB_REQUEUED, job, said(reason), before, after)
    return job


def requeue_many(
    database: Database, by: UUID, wanted: review.Filter, reason: str, from_start: bool = False
) -> list[Job]:
    """Queue the failed jobs that a filter means again, each in a transaction of its own, at most
    :data:`REQUEUED_AT_A_TIME` of them, the oldest first; those that were queued again."""
    why = said(reason, required=True)
    with database.begin() as session:
        oldest = review.failed(wanted).order_by(Job.id).limit(REQUEUED_AT_A_TIME)
        ids = session.scalars(oldest).all()
    done = []
    for job_id in ids:
        with suppress(RefusedError):  # gone since it was found, or what it was to be made from is
            with database.begin() as session:
                job = requeue(session, by, job_id, why, from_start)
            if job.state == State.QUEUED:
                done.append(job)
    return done


def queue_named(resource: str) -> str:
    """``resource`` if it is a queue's name. Raises :class:`RefusedError` (``unknown_queue``)."""
    if resource not in closures.QUEUES:
        raise RefusedError("unknown_queue")
    return resource


def said(words: str, name: str = "reason", *, required: bool = False) -> str:
    """What an administrator wrote, trimmed. Raises :class:`RefusedError` naming the field."""
    words = words.strip()
    if required and not words:
        raise RefusedError("invalid", faults=[Fault(f"/{name}", "missing")])
    if len(words) > REASON_LENGTH:
        limits = {"value": len(words), "limit": REASON_LENGTH}
        raise RefusedError("invalid", faults=[Fault(f"/{name}", "too_long", limits)])
    return words


def _locked(session: Session, job_id: UUID) -> Job:
    try:
        return lock_job(session, job_id)
    except UnknownJobError:
        raise RefusedError("unknown_job") from None


def _slot(session: Session, name: str) -> dict[str, Any]:
    row = session.execute(
        select(Slot.drained_at, Slot.drained_because).where(Slot.name == name).with_for_update()
    ).one_or_none()
    if row is None:
        raise RefusedError("unknown_slot")
    return {"drained": row.drained_at is not None, "because": row.drained_because}


def _record_slot(
    session: Session, by: UUID, action: Action, name: str, reason: str, before: dict[str, Any]
) -> None:
    after = _slot(session, name)
    audit.record(session, by, action, name, reason=said(reason), before=before, after=after)


def _close(
    session: Session,
    by: UUID,
    action: Action,
    scope: str,
    message: str,
    reason: str,
    retry_seconds: int = closures.USUAL_RETRY_SECONDS,
) -> None:
    before = _closed(session, scope)
    closures.close(session, scope, message, retry_seconds)
    after = _closed(session, scope)
    if after != before:
        audit.record(session, by, action, scope, reason=reason, before=before, after=after)


def _reopen(session: Session, by: UUID, action: Action, scope: str, reason: str) -> None:
    before = _closed(session, scope)
    if before["closed"]:
        closures.reopen(session, scope)
        after = {"closed": False}
        audit.record(session, by, action, scope, reason=said(reason), before=before, after=after)


def _closed(session: Session, scope: str) -> dict[str, Any]:
    row = session.get(Closure, scope, populate_existing=True)
    if row is None:
        return {"closed": False}
    return {"closed": True, "message": row.message, "retry_seconds": row.retry_seconds}


def _prioritise(
    session: Session, by: UUID, action: Action, job: Job, priority: int, reason: str
) -> None:
    before = {"priority": job.priority}
    job.priority = priority
    note(session, job, "priority", {"priority": priority, "by": BY})
    _record_job(session, by, action, job, said(reason), before, {"priority": priority})


def _record_job(
    session: Session,
    by: UUID,
    action: Action,
    job: Job,
    reason: str,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    audit.record(session, by, action, str(job.id), reason=reason, before=before, after=after)
