"""How long jobs should take: what they compute, over how fast such jobs were here of late."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engines.registry import KINDS
from jobs.models import Job, Slot
from jobs.slots import SERVING
from jobs.states import ENDED, State

RECENT_RUNS = 20
_SPEEDS, _USUAL = "speeds", "usual"


class Expected(NamedTuple):
    """Seconds that a run should take; ``guessed`` from what the machine does, because no such job
    has ended here."""

    seconds: float
    guessed: bool


@dataclass(frozen=True)
class Speed:
    """Operations of :meth:`engines.kind.Params.arithmetic` that runs of a kind do in a second."""

    rate: float
    guessed: bool

    def expected(self, work: float | None) -> Expected | None:
        """How long so much should take."""
        return None if work is None else Expected(work / self.rate, self.guessed)


def speed(session: Session, kind: str, resource: str) -> Speed | None:
    """How fast a kind is on a resource: as its recent runs were together, whatever their settings;
    else as its machines should be; None where neither is known. Asked once a transaction."""
    told: dict[tuple[str, str], Speed | None] = session.info.setdefault(_SPEEDS, {})
    if (kind, resource) not in told:
        told[kind, resource] = _seen(session, kind, resource) or _guessed(session, kind, resource)
    return told[kind, resource]


def of(session: Session, job: Job) -> Expected | None:
    """How long a job should run from its beginning to its end; None for one that has ended, and for
    one that runs and knows itself how much is left: it is looked at each second."""
    state = State(job.state)
    knows = state is State.RUNNING and job.progress.get("seconds_left") is not None
    if state in ENDED or knows:
        return None
    found = speed(session, job.kind, job.resource)
    return found.expected(job.work) if found else None


def seconds(session: Session, kind: str, resource: str, work: float | None) -> float:
    """How long a job should run; where nothing is known of it, as long as recent jobs of any kind
    did, and infinitely where none has ended yet."""
    found = speed(session, kind, resource)
    if found is None or work is None:
        return _usual(session, resource)
    return work / found.rate


def _seen(session: Session, kind: str, resource: str) -> Speed | None:
    recent = (
        select(Job.run_seconds, Job.work)
        .where(
            Job.kind == kind,
            Job.resource == resource,
            Job.state == str(State.SUCCEEDED),
            Job.work.is_not(None),
        )
        .order_by(Job.id.desc())
        .limit(RECENT_RUNS)
        .subquery()
    )
    sums = select(func.sum(recent.c.run_seconds), func.sum(recent.c.work))
    seconds, work = session.execute(sums).one()
    return Speed(work / seconds, guessed=False) if seconds and work else None


def _guessed(session: Session, kind: str, resource: str) -> Speed | None:
    known = KINDS.get(kind)
    mean = select(func.avg(Slot.rate)).where(Slot.resource == resource, SERVING)
    rate = session.execute(mean).scalar_one()
    return Speed(rate * known.speed, guessed=True) if known and rate else None


def _usual(session: Session, resource: str) -> float:
    """The mean of recent runs, asked once a transaction."""
    told: dict[str, float] = session.info.setdefault(_USUAL, {})
    if resource not in told:
        recent = (
            select(Job.run_seconds)
            .where(Job.resource == resource, Job.state == str(State.SUCCEEDED))
            .order_by(Job.id.desc())
            .limit(RECENT_RUNS)
            .subquery()
        )
        mean = session.execute(select(func.avg(recent.c.run_seconds))).scalar_one()
        told[resource] = math.inf if mean is None else float(mean)
    return told[resource]
