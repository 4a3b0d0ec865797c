"""What a new job may expect: how many are ahead, until when, and how long it should take."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engines.kind import Kind
from jobs import listing
from jobs.ids import new_id
from jobs.models import Job, Slot
from jobs.states import State

RECENT_RUNS = 20


@dataclass(frozen=True)
class Outlook:
    """``run_seconds`` by preset (empty name: none chosen); unknown ones are left out."""

    ahead: int
    wait_seconds: float | None
    machines: int
    run_seconds: dict[str, float]


def outlook(session: Session, kind: Kind) -> Outlook:
    """What a job of ``kind`` would meet if it were submitted now."""
    counted = select(Slot.resource, func.count().label("slots")).where(
        Slot.beat_at > func.now() - listing.SLOT_SILENCE
    )
    rows = session.execute(counted.group_by(Slot.resource)).all()
    machines: dict[str, int] = {row.resource: row.slots for row in rows}
    resource = kind.resource
    if resource == "auto":
        resource = "gpu" if "gpu" in machines else "cpu"
    imagined = Job(id=new_id(), resource=resource, state=str(State.QUEUED), priority=0)
    place = listing.place(session, imagined)
    return Outlook(
        ahead=place.position - 1 if place else 0,
        wait_seconds=place.eta_seconds if place else None,
        machines=machines.get(resource, 0),
        run_seconds={
            name: seconds
            for name in ("", *kind.params.PRESETS)
            if (seconds := _usual_seconds(session, kind, name)) is not None
        },
    )


def _usual_seconds(session: Session, kind: Kind, preset: str) -> float | None:
    """The mean of recent runs with this preset that changed nothing the preset fills in."""
    query = select(Job.run_seconds).where(Job.kind == kind.name, Job.state == str(State.SUCCEEDED))
    for name, value in kind.params.PRESETS.get(preset, {}).items():
        query = query.where(Job.params.contains({name: value}))
    recent = query.order_by(Job.id.desc()).limit(RECENT_RUNS).subquery()
    mean = session.execute(select(func.avg(recent.c.run_seconds))).scalar_one()
    return None if mean is None else float(mean)
