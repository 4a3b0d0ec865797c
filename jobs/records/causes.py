"""Why attempts broke, in the machine's own words: kept for administrators, shown to nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from jobs.lease import Hold
from jobs.models import Cause

# The end of a traceback tells what broke.
CHARACTERS_KEPT = 64_000


def keep(session: Session, hold: Hold, words: str) -> None:
    """Keep why an attempt broke, in the transaction that records its end."""
    # PostgreSQL stores no NUL, and what a library prints may hold one.
    told = words[-CHARACTERS_KEPT:].replace("\0", "\N{REPLACEMENT CHARACTER}")
    session.execute(
        upsert(Cause)
        .values(job_id=hold.job_id, fence=hold.fence, words=told)
        .on_conflict_do_update(index_elements=[Cause.job_id, Cause.fence], set_={"words": told})
    )


def of_job(session: Session, job_id: UUID) -> Sequence[Cause]:
    """Why a job's attempts broke, the newest first."""
    query = select(Cause).where(Cause.job_id == job_id).order_by(Cause.fence.desc())
    return session.scalars(query).all()
