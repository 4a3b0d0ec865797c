"""Which checkpoints of a job are kept, and in which order they are tried."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from jobs.models import Checkpoint, table

NEWEST_KEPT = 3

# By fence and step, which rise from one to the next, whatever the clocks of the machines say.
_NEWEST_FIRST = (Checkpoint.fence.desc(), Checkpoint.step.desc())
_BEST_FIRST = (Checkpoint.score.desc(), *_NEWEST_FIRST)
_MINE = Checkpoint.job_id == bindparam("job")
_NEWEST = select(Checkpoint.id).where(_MINE).order_by(*_NEWEST_FIRST).limit(NEWEST_KEPT)
_BEST = (
    select(Checkpoint.id)
    .where(_MINE, Checkpoint.score.is_not(None))
    .order_by(*_BEST_FIRST)
    .limit(1)
)
_OTHERS = delete(table(Checkpoint)).where(
    _MINE, Checkpoint.id.not_in(_NEWEST), Checkpoint.id.not_in(_BEST)
)


def newest_first(session: Session, job_id: UUID) -> Sequence[Checkpoint]:
    """All that are kept, in the order in which to try them."""
    query = select(Checkpoint).where(Checkpoint.job_id == job_id).order_by(*_NEWEST_FIRST)
    return session.execute(query).scalars().all()


def forget_others(session: Session, job_id: UUID) -> None:
    """Keep the newest three, and the best of those that have a score: of equals the newest."""
    session.execute(_OTHERS, {"job": job_id})
