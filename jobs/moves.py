"""The one way a job changes its state: a guarded UPDATE and its event, in one transaction.

Lock order everywhere: the gate of :mod:`jobs.closures`, the owner's share, the job, and last what
belongs to the owner, such as the owner's own row, slots and webhooks. Whoever holds the share of
(owner, resource) sees no state of those jobs change, so counts and rows cannot drift apart.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Insert, Update, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from jobs.ids import new_id
from jobs.models import Event, Job, Owner, OwnerShare, Tally
from jobs.post import notices
from jobs.states import ENDED, MOVES, Reason, State, Wanted

# What the tally calls the end of a job that was deleted.
DELETED = "deleted"


class FenceLostError(Exception):
    """The job was given to another attempt; whatever this one still holds must be discarded."""


class PreventedError(Exception):
    """What a move depends on is not so (any more). Its transaction must not be committed."""


class UnknownJobError(Exception):
    """There is no such job, or it belongs to somebody else."""


def lock_share(session: Session, owner_id: UUID, resource: str) -> OwnerShare:
    """Lock the owner's share of a resource, made at its first use with the owner's own limits."""
    share = (
        select(OwnerShare)
        .where(OwnerShare.owner_id == owner_id, OwnerShare.resource == resource)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if (known := session.execute(share).scalar_one_or_none()) is not None:
        return known
    limits = select(Owner.running_limit, Owner.gpu_hours_limit).where(Owner.id == owner_id)
    first = limits.add_columns(literal(owner_id), literal(resource))
    columns = ["running_limit", "gpu_hours_limit", "owner_id", "resource"]
    session.execute(upsert(OwnerShare).from_select(columns, first).on_conflict_do_nothing())
    return session.execute(share).scalar_one()


def lock_shares(session: Session, owner_id: UUID) -> None:
    """Lock all shares of an owner, as whoever changes the owner's own row does before that."""
    mine = select(OwnerShare.resource).where(OwnerShare.owner_id == owner_id)
    session.execute(mine.order_by(OwnerShare.resource).with_for_update()).all()


def lock_job(session: Session, job_id: UUID, owner_id: UUID | None = None) -> Job:
    """Lock a job by the lock order; its state stays as read until the transaction ends.

    Raises :class:`UnknownJobError`, also when it is deleted while this waits.
    """
    found = select(Job.owner_id, Job.resource).where(Job.id == job_id)
    if owner_id is not None:
        found = found.where(Job.owner_id == owner_id)
    row = session.execute(found).one_or_none()
    if row is None:
        raise UnknownJobError(str(job_id))
    lock_share(session, row.owner_id, row.resource)
    job = session.execute(
        select(Job)
        .where(Job.id == job_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if job is None:
        raise UnknownJobError(str(job_id))
    return job


def move(
    session: Session,
    job: Job,
    target: State,
    *,
    by: str,
    reason: Reason | None = None,
    details: dict[str, Any] | None = None,
    ran: float = 0.0,
    only_if: ColumnElement[bool] | None = None,
    **values: Any,
) -> Job:
    """Move a locked ``job`` to ``target`` and append the event; returns the fresh row.

    ``by`` names who did it: ``owner``, ``administrator``, ``worker``, ``keeper``, ``restore``, or
    ``studio`` in the course of the owner's request. ``ran`` are the seconds that the attempt took
    which ends now; a move to running raises the fence. ``values`` are further columns to set.
    Raises ValueError for a move that :data:`jobs.states.MOVES` does not know, and
    :class:`PreventedError` when ``only_if`` does not hold in the very statement that moves it.
    """
    source = State(job.state)
    if (source, target) not in MOVES:
        raise ValueError(f"no move from {source} to {target}")
    if target is State.CANCELED and job.canceled_as:
        reason = Reason(job.canceled_as)
    if target is not State.RUNNING:
        rest = {"lease_until": None, "slot": None, "wanted": str(Wanted.RUN), "canceled_as": None}
        values = {**rest, **values}
    if target is State.QUEUED:
        values = {"queued_at": func.clock_timestamp(), **values}
    # The row is locked, so what it will be is known, and one statement does it all: others wait
    # for the share. Had the row changed after all, none is found.
    seq, fence = job.seq + 1, job.fence + (target is State.RUNNING)
    data = {**(details or {}), "from": str(source), "to": str(target), "by": by, "fence": fence}
    if reason:
        data["reason"] = str(reason)
    told = insert(Event).values(job_id=job.id, seq=seq, type="status", data=data)
    moved = (
        update(Job)
        .where(
            *(Job.id == job.id, Job.state == str(source)),
            *(Job.fence == job.fence, Job.seq == job.seq),
        )
        .values(
            state=str(target),
            reason=str(reason) if reason else None,
            version=Job.version + 1,
            seq=seq,
            fence=fence,
            run_seconds=Job.run_seconds + ran,
            **values,
        )
        .add_cte(
            _counted(job.owner_id, job.resource, {source: -1, target: +1}).cte("counted"),
            _tallied(job, source, target, reason, ran).cte("tallied"),
            told.cte("told"),
        )
        .returning(Job)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    if only_if is not None:
        moved = moved.where(only_if)
    fresh = session.execute(moved).scalar_one_or_none()
    if fresh is None:
        raise PreventedError(f"job {job.id} from {source} to {target}")
    if target in ENDED:
        notices.tell_end(session, fresh)
    return fresh


def enter(session: Session, owner_id: UUID, **values: Any) -> Job:
    """A new job enters the queue: its row, its first event and the counts, in one statement.

    The owner's share must be locked. ``values`` are its columns but for state and numbers.
    """
    job = Job(id=new_id(), owner_id=owner_id, **values)
    data = {"from": None, "to": str(State.QUEUED), "by": "owner"}
    told = insert(Event).values(job_id=job.id, seq=1, type="status", data=data)
    entered = (
        insert(Job)
        .values(id=job.id, owner_id=owner_id, **values, state=str(State.QUEUED), seq=1)
        .add_cte(
            _counted(owner_id, job.resource, {State.QUEUED: +1}).cte("counted"),
            _tallied(job, None, State.QUEUED, None, 0.0).cte("tallied"),
            told.cte("told"),
        )
        .returning(Job)
    )
    return session.execute(entered).scalar_one()


def _counted(owner_id: UUID, resource: str, changes: dict[State, int]) -> Update:
    started = changes.get(State.RUNNING, 0)
    values: dict[str, Any] = {
        "waiting": OwnerShare.waiting + changes.get(State.QUEUED, 0),
        "running": OwnerShare.running + started,
    }
    if started > 0:
        values["served_at"] = func.clock_timestamp()
    return (
        update(OwnerShare)
        .where(OwnerShare.owner_id == owner_id, OwnerShare.resource == resource)
        .values(**values)
    )


def tally(
    session: Session,
    job: Job,
    source: State | None,
    target: State | None,
    reason: Reason | None = None,
    run_seconds: float = 0.0,
) -> None:
    """Count a move for whoever watches the studio; None: not there yet, or no more.

    The owner's share must be locked: then no two writers meet.
    """
    session.execute(_tallied(job, source, target, reason, run_seconds))


def _tallied(
    job: Job, source: State | None, target: State | None, reason: Reason | None, run_seconds: float
) -> Insert:
    key = {
        "owner_id": job.owner_id,
        "resource": job.resource,
        "kind": job.kind,
        "source": str(source or ""),
        "target": str(target or DELETED),
        "reason": str(reason or ""),
    }
    first = upsert(Tally).values(**key, many=1, run_seconds=run_seconds)
    more = {
        "many": Tally.many + 1,
        "run_seconds": Tally.run_seconds + run_seconds,
    }
    return first.on_conflict_do_update(index_elements=list(key), set_=more)


def note(session: Session, job: Job, type_: str, data: dict[str, Any]) -> None:
    """Append an event to a locked job that changes no state."""
    job.seq += 1
    job.version += 1
    session.flush()
    session.execute(insert(Event).values(job_id=job.id, seq=job.seq, type=type_, data=data))
