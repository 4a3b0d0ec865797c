"""Which waiting job is next: the best one of the owner who has least running.

A claim holds the owner's share from the first statement to its commit, so finding the share,
locking it and finding its best job is one statement, and nothing in it sorts: each of both
indexes has its rows in the order that is asked for.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, literal_column, select
from sqlalchemy.orm import Session

from jobs import closures, quotas
from jobs.models import Job, OwnerShare
from jobs.moves import lock_share
from jobs.states import State

TRIES = 5
# Written out: a prepared plan can only use an index of queued jobs when it knows the state.
QUEUED: ColumnElement[str] = literal_column(f"'{State.QUEUED}'")


def lock_next(
    session: Session, resource: str, running_limit: int, *, patient: bool = True
) -> Job | None:
    """The next job for a slot, locked after its owner's share; None when none may run.

    Unless ``patient`` it waits for nobody: for who holds a share already, and might be waited for.
    """
    eligible, best = _fairest(resource, running_limit)
    for _ in range(TRIES):
        job = session.execute(best).scalar_one_or_none()
        if job is not None or not patient:
            return job
        contended = session.execute(eligible).scalar_one_or_none()
        if contended is None:
            return None
        job = _when_free(session, contended, resource, running_limit)
        if job is not None:
            return job
    return None


def _when_free(session: Session, owner_id: UUID, resource: str, running_limit: int) -> Job | None:
    """The owner's best job, once whoever claims from the same share is done.

    Every eligible share was held by somebody: wait for one rather than give up. For exactly one: a
    query that waits with ORDER BY and LIMIT may keep the locks of rows it passed over, and two of
    those deadlock. If the wait made it ineligible, rolling back the savepoint gives its lock back.
    """
    with session.begin_nested() as trial:
        lock_share(session, owner_id, resource)
        still = _eligible(resource, running_limit).where(OwnerShare.owner_id == owner_id)
        if session.execute(still).scalar_one_or_none() is not None:
            # Asked only now that the share is ours: it sees what the one before us left.
            job = session.execute(_best(resource, owner_id)).scalar_one_or_none()
            if job is not None:
                return job
        trial.rollback()
    return None


@lru_cache(maxsize=16)
def _fairest(resource: str, running_limit: int) -> tuple[Select[UUID], Select[Job]]:
    """The fairest share's owner, and the statement that locks it and its best job."""
    eligible = _eligible(resource, running_limit)
    # The gate before anything else: the next statement asks whether it was closed meanwhile.
    locked = eligible.where(closures.held_gate()).with_for_update(skip_locked=True).cte("fairest")
    return eligible, _best(resource, select(locked.c.owner_id).scalar_subquery())


def _eligible(resource: str, running_limit: int) -> Select[UUID]:
    """Least running first, then who was served longest ago: the order of ix_owner_share_fair."""
    return (
        select(OwnerShare.owner_id)
        .where(
            OwnerShare.resource == resource,
            OwnerShare.waiting > literal_column("0"),
            quotas.may_run(running_limit),
        )
        .order_by(OwnerShare.running, OwnerShare.served_at)
        .limit(1)
    )


def _best(resource: str, owner_id: Any) -> Select[Job]:
    """Highest priority first, then the oldest: the order of ix_job_waiting."""
    return (
        select(Job)
        .where(Job.owner_id == owner_id, Job.resource == resource, Job.state == QUEUED)
        .order_by(Job.priority.desc(), Job.id)
        .limit(1)
        .with_for_update(of=Job)
        .execution_options(populate_existing=True)
    )
