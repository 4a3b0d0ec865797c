"""Models of a run that is under way: asked for, handed out at a step boundary, kept as works.

A wish stands in the job's row until its model is stored. The row of the model, and the end of the
wish, are one transaction under the fence: a runner that dies before has fulfilled nothing, and the
next attempt hears of the wish again; none is fulfilled twice.
"""

from __future__ import annotations

from typing import get_args
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from engines.kind import Snapshot
from engines.registry import KINDS
from jobs import quotas, service
from jobs.ids import new_id
from jobs.lease import Hold, Work, held
from jobs.models import File, Job
from jobs.moves import note
from jobs.refusals import RefusedError
from jobs.settings import Settings

WAYS: tuple[Snapshot, ...] = get_args(Snapshot)
FIRST_POSITION = 1000
"""Position of a job's first snapshot: the works of its end stand before them all."""


def offered(job: Job) -> tuple[Snapshot, ...]:
    """What may be asked of a job now; nothing before it has begun, and after its end."""
    kind = KINDS.get(job.kind)
    under_way = service.shown_status(job) in ("queued", "running", "pausing", "paused")
    return kind.snapshots if kind and under_way and job.attempt else ()


def ask(session: Session, owner_id: UUID, job_id: UUID, of: Snapshot, settings: Settings) -> Job:
    """Ask for the model of now, or for the best so far; asked twice before it is there is once.

    A job that rests hands it out when it goes on. Raises :class:`RefusedError`: ``unknown_job``,
    ``no_snapshots``, ``over_already``, or what the owner's room on the disk says.
    """
    job = service.mine(session, owner_id, job_id)
    kind = KINDS.get(job.kind)
    if kind is None or of not in kind.snapshots:
        raise RefusedError("no_snapshots")
    if service.is_settled(job) or service.shown_status(job) == "canceling":
        raise RefusedError("over_already")
    if of not in job.snapshots:
        quotas.check_disk(session, owner_id, 1, quotas.limits_of(session, owner_id, settings))
        job.snapshots = [*job.snapshots, of]
        note(session, job, "snapshot", {"asked": of})
    return job


def keep(session: Session, hold: Hold, of: Snapshot, work: Work) -> bool:
    """Keep what was asked for; False when it no longer is. :class:`FenceLostError` when outlived.

    A model that is there already, by its name, fulfils the wish as well.
    """
    job = held(session, hold)
    if of not in job.snapshots:
        return False
    job.snapshots = [other for other in job.snapshots if other != of]
    mine = File.job_id == job.id
    last = session.scalar(select(func.max(File.position)).where(mine)) or 0
    known = select(func.count()).select_from(File).where(mine, File.name == work.name)
    if not session.scalar(known):
        session.execute(
            insert(File).values(
                id=new_id(),
                owner_id=job.owner_id,
                job_id=job.id,
                sha256=work.stored.sha256,
                role=work.role,
                position=max(FIRST_POSITION, last + 1),
                name=work.name,
                media_type=work.media_type,
                facts=work.facts,
            )
        )
    note(session, job, "snapshot", {"kept": of, "name": work.name})
    return True
