"""The timeline of a job: its pictures at the steps at which its engine wanted one kept.

The pictures lie in the storage by their content; a row is the commit. A worker writes rows
under its fence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from jobs.models import Frame
from jobs.refusals import RefusedError
from jobs.storage import Stored

# Kinds keep a hundred or two. Beyond this no further ones are kept, and the job's log says so.
MOST_FRAMES = 5000
MEDIA_TYPE = "image/jpeg"


@dataclass(frozen=True)
class Shown:
    """A stored picture of a run: of which step, its size in pixels, how good the run was then."""

    stored: Stored
    step: int
    width: int
    height: int
    score: float | None = None


def keep(session: Session, job_id: UUID, fence: int, shown: Shown) -> bool:
    """Add a picture, or replace the one of its step; False when there are too many already.

    The caller has made sure that the attempt holds its job.
    """
    many = select(func.count()).where(Frame.job_id == job_id, Frame.step != shown.step)
    if session.execute(many).scalar_one() >= MOST_FRAMES:
        return False
    values = {
        "sha256": shown.stored.sha256,
        "fence": fence,
        "width": shown.width,
        "height": shown.height,
        "score": shown.score,
        "at": func.clock_timestamp(),
    }
    session.execute(
        upsert(Frame)
        .values(job_id=job_id, step=shown.step, **values)
        .on_conflict_do_update(index_elements=[Frame.job_id, Frame.step], set_=values)
    )
    return True


def rewind(session: Session, job_id: UUID, step: int | None) -> None:
    """Take away the pictures of later steps; all of them where ``step`` is None."""
    later = delete(Frame).where(Frame.job_id == job_id)
    session.execute(later if step is None else later.where(Frame.step > step))


def listing(session: Session, job_id: UUID) -> Sequence[Frame]:
    """Every picture, in the order of the steps."""
    query = select(Frame).where(Frame.job_id == job_id).order_by(Frame.step)
    return session.scalars(query).all()


def get(session: Session, job_id: UUID, step: int) -> Frame:
    """The picture of a step. Raises :class:`RefusedError` (``not_found``)."""
    found = session.get(Frame, (job_id, step))
    if found is None:
        raise RefusedError("not_found")
    return found


def version(session: Session, job_id: UUID) -> str:
    """Changes whenever the pictures do."""
    fence, last, many = session.execute(
        select(func.max(Frame.fence), func.max(Frame.step), func.count()).where(
            Frame.job_id == job_id
        )
    ).one()
    return f"{fence or 0}-{last or 0}-{many}"


def name(frame: Frame) -> str:
    """What the file of a picture is called; names sort as steps do."""
    return f"step-{frame.step:08d}.jpg"


def best_step(progress: Mapping[str, Any], shown: Sequence[Frame]) -> int | None:
    """The step after which a run was best so far, as it says itself; of one that says none, as
    runs of earlier versions, that of the first picture with the best score."""
    said: int | None = progress.get("best_step")
    if said is not None:
        return said
    scored = [frame for frame in shown if frame.score is not None]
    found = max(scored, key=lambda frame: (frame.score, -frame.step), default=None)
    return found.step if found else None
