"""Which checkpoints of a job are kept, and in which order they are tried."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from jobs.models import Checkpoint

NEWEST_KEPT = 3

# By fence and step, which rise from one to the next, whatever the clocks of the machines say.
_NEWEST_FIRST = (Checkpoint.fence.desc(), Checkpoint.step.desc())
_BEST_FIRST = (Checkpoint.score.desc(), *_NEWEST_FIRST)


def newest_first(session: Session, job_id: UUID) -> Sequence[Checkpoint]:
    """All that are kept, in the order in which to try them."""
    query = select(Checkpoint).where(Checkpoint.job_id == job_id).order_by(*_NEWEST_FIRST)
    return session.execute(query).scalars().all()


def forget_others(session: Session, job_id: UUID) -> None:
    """Keep the newest three, and the best of those that have a score: of equals the newest."""
    mine = Checkpoint.job_id == job_id
    newest = select(Checkpoint.id).where(mine).order_by(*_NEWEST_FIRST).limit(NEWEST_KEPT)
    scored = select(Checkpoint.id).where(mine, Checkpoint.score.is_not(None))
    best = scored.order_by(*_BEST_FIRST).limit(1)
    session.execute(
        delete(Checkpoint)
        .where(mine, Checkpoint.id.not_in(newest), Checkpoint.id.not_in(best))
        .execution_options(synchronize_session=False)
    )
