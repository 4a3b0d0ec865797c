"""What is closed: a queue that is paused, or the whole studio while it is under maintenance.

A closed queue keeps its jobs waiting; what runs runs on. Slots learn it in the registration
that they make before every claim. None begins a job once the closing was answered, and none is
taken: a claim and an order hold the gate shared until they are committed, and whoever closes waits
there for those on their way.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from jobs.models import Closure, Slot
from jobs.refusals import Fault, RefusedError

QUEUES = ("cpu", "gpu")
STUDIO = "studio"
GATE_LOCK = 7_021_891
RETRY_SECONDS = range(1, 86_401)
USUAL_RETRY_SECONDS = 300
_HOLD_GATE = select(func.pg_advisory_xact_lock_shared(GATE_LOCK))


def is_open(resource: Any) -> ColumnElement[bool]:
    """Whether waiting jobs of a resource, a text or a column, may begin."""
    return ~select(Closure.scope).where(Closure.scope.in_([resource, STUDIO])).exists()


def may_begin(resource: str, slot: str) -> ColumnElement[bool]:
    """Whether a slot may begin a job now. True for good, as far as a transaction is concerned that
    has held the gate since a statement before the one that asks."""
    drained = select(Slot.name).where(Slot.name == slot, Slot.drained_at.is_not(None))
    return is_open(resource) & ~drained.exists()


def held_gate() -> ColumnElement[bool]:
    """A condition that is true and holds the gate shared until the transaction ends."""
    return select(func.pg_advisory_xact_lock_shared(GATE_LOCK)).scalar_subquery().is_not(None)


def shut_gate(session: Session) -> None:
    """Wait for the claims and orders on their way, and let none pass until this transaction
    ends: whoever closes a queue or drains a slot does so before saying that it is done."""
    session.execute(select(func.pg_advisory_xact_lock(GATE_LOCK)))


def current(session: Session) -> dict[str, Closure]:
    """What is closed now, by scope."""
    return {row.scope: row for row in session.scalars(select(Closure))}


def check_takes_jobs(session: Session) -> None:
    """Raise :class:`RefusedError` (``maintenance``) while no new job is taken; until this
    transaction ends, nobody is answered that none is."""
    session.execute(_HOLD_GATE)
    closed = session.get(Closure, STUDIO)
    if closed is not None:
        seconds = closed.retry_seconds
        raise RefusedError("maintenance", message=closed.message, seconds=seconds)


def close(
    session: Session, scope: str, message: str, retry_seconds: int = USUAL_RETRY_SECONDS
) -> None:
    """Close a queue or the studio; one that is closed already gets the new message."""
    if retry_seconds not in RETRY_SECONDS:
        limits = {"value": retry_seconds, "low": RETRY_SECONDS[0], "high": RETRY_SECONDS[-1]}
        raise RefusedError("invalid", faults=[Fault("/retry_seconds", "out_of_range", limits)])
    shut_gate(session)
    told = {"message": message, "retry_seconds": retry_seconds}
    session.execute(
        upsert(Closure)
        .values(scope=scope, **told)
        .on_conflict_do_update(index_elements=[Closure.scope], set_=told)
    )


def reopen(session: Session, scope: str) -> None:
    """Open it again; nothing happens when it is open."""
    session.execute(delete(Closure).where(Closure.scope == scope))
