"""How the whole studio stands, in a few cheap queries: slots, queues, keeper, disk, failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs import closures, figures, listing, slots
from jobs.closures import QUEUES
from jobs.models import (
    Checkpoint,
    Chore,
    Closure,
    DiskSample,
    Event,
    Job,
    Owner,
    OwnerShare,
    Slot,
)
from jobs.states import Reason, State

# A job that could have begun so long ago, beside an idle slot, waits for no good reason.
LONG_WAIT_SECONDS = 60.0
RECENT = timedelta(hours=1)
POISON_SHOWN = timedelta(days=7)
# A job that ends its whole worker is never given up, as machines die without its doing. So often
# without anything saved between is for somebody to look at.
LOSSES = 5
# The trend of the disk is that of the last days; fewer samples, or over less time, tell nothing.
TREND = timedelta(days=7)
LEAST_SAMPLES, LEAST_TREND = 6, timedelta(minutes=25)
# A trend reaches no farther into the future than this.
FARTHEST_FULL = timedelta(days=365)


@dataclass(frozen=True)
class SlotStand:
    """A slot, the job in it and whose it is. ``silent``: its worker is not heard of."""

    slot: Slot
    job: Job | None
    owner: str | None
    silent: bool

    @property
    def quarantined(self) -> bool:
        """Whether it takes nothing because it is not trusted."""
        return self.slot.drained_at is not None and self.slot.drained_because is not None


@dataclass(frozen=True)
class QueueStand:
    """A queue. ``eta_seconds``: until a job that came now would begin. ``stuck``: a job waits
    long beside a slot that is idle."""

    name: str
    waiting: int
    running: int
    slots: int
    oldest_seconds: float | None
    eta_seconds: float | None
    closure: Closure | None
    stuck: bool


@dataclass(frozen=True)
class Disk:
    """The newest sample of the disk, and when it will be full as things go.

    ``known`` is false until there are samples enough; then ``full_at`` is None for a disk that
    will not be full within a year.
    """

    free_bytes: int
    total_bytes: int
    at: datetime
    known: bool
    full_at: datetime | None


@dataclass(frozen=True)
class Overview:
    """Everything at one moment of the database's clock."""

    at: datetime
    slots: Sequence[SlotStand]
    queues: Sequence[QueueStand]
    maintenance: Closure | None
    keeper_at: datetime | None
    disk: Disk | None
    failures: Mapping[str, int] = field(default_factory=dict)
    poisoned: int = 0
    losing: int = 0

    @property
    def keeper_silence(self) -> float | None:
        """Seconds since the keeper's last turn; None when there never was one."""
        return None if self.keeper_at is None else (self.at - self.keeper_at).total_seconds()


def look(session: Session, running_limit: int) -> Overview:
    """The studio now; ``running_limit`` is how many jobs one owner may have running."""
    now = session.execute(select(func.clock_timestamp())).scalar_one()
    closed = closures.current(session)
    standing = _slots(session, now)
    stuck = slots.idle_beside_work(session, LONG_WAIT_SECONDS, running_limit)
    return Overview(
        at=now,
        slots=standing,
        queues=[
            _queue(session, name, now, closed.get(name), name in stuck, standing) for name in QUEUES
        ],
        maintenance=closed.get(closures.STUDIO),
        keeper_at=session.scalar(select(Chore.at).where(Chore.name == figures.KEEPER)),
        disk=disk(session),
        failures=_failures(session, now),
        poisoned=_poisoned(session, now),
        losing=_losing(session),
    )


def disk(session: Session) -> Disk | None:
    """The disk of the stored files; None before its first sample, or where there is none."""
    newest = session.scalars(select(DiskSample).order_by(DiskSample.at.desc()).limit(1)).first()
    if newest is None:
        return None
    seconds = func.extract("epoch", DiskSample.at)
    trend = session.execute(
        select(
            func.count(),
            func.max(DiskSample.at) - func.min(DiskSample.at),
            func.regr_slope(DiskSample.free_bytes, seconds),
        ).where(DiskSample.at > newest.at - TREND)
    ).one()
    count, span, slope = trend
    known = count >= LEAST_SAMPLES and span >= LEAST_TREND
    full_at = _full_at(newest, float(slope)) if known and slope is not None else None
    return Disk(newest.free_bytes, newest.total_bytes, newest.at, known, full_at)


def _full_at(newest: DiskSample, slope: float) -> datetime | None:
    """When nothing is free any more, at ``slope`` bytes a second."""
    if slope >= 0:
        return None
    seconds = newest.free_bytes / -slope
    if seconds > FARTHEST_FULL.total_seconds():
        return None
    return newest.at + timedelta(seconds=seconds)


def _slots(session: Session, now: datetime) -> list[SlotStand]:
    running = (Job.slot == Slot.name) & (Job.state == str(State.RUNNING))
    query = (
        select(Slot, Job, Owner.name)
        .outerjoin(Job, running)
        .outerjoin(Owner, Owner.id == Job.owner_id)
        .order_by(Slot.machine, Slot.name)
    )
    return [
        SlotStand(slot, job, owner, slots.is_silent(slot, job, now))
        for slot, job, owner in session.execute(query)
    ]


def _queue(
    session: Session,
    name: str,
    now: datetime,
    closure: Closure | None,
    stuck: bool,
    standing: Sequence[SlotStand],
) -> QueueStand:
    counts = select(
        func.coalesce(func.sum(OwnerShare.waiting), 0),
        func.coalesce(func.sum(OwnerShare.running), 0),
    )
    waiting, running = session.execute(counts.where(OwnerShare.resource == name)).one()
    oldest: datetime | None = session.execute(
        select(func.min(Job.queued_at)).where(Job.resource == name, Job.state == str(State.QUEUED))
    ).scalar_one()
    serving = [
        each
        for each in standing
        if each.slot.resource == name and not each.silent and each.slot.drained_at is None
    ]
    return QueueStand(
        name=name,
        waiting=int(waiting),
        running=int(running),
        slots=len(serving),
        oldest_seconds=None if oldest is None else (now - oldest).total_seconds(),
        eta_seconds=listing.wait_seconds(session, name),
        closure=closure,
        stuck=stuck,
    )


def _failures(session: Session, now: datetime) -> dict[str, int]:
    """Jobs that failed within the last hour, by reason."""
    query = (
        select(Job.reason, func.count())
        .where(Job.state == str(State.FAILED), Job.ended_at > now - RECENT)
        .group_by(Job.reason)
        .order_by(func.count().desc())
    )
    return {reason or "": count for reason, count in session.execute(query)}


def _poisoned(session: Session, now: datetime) -> int:
    query = select(func.count()).where(
        Job.state == str(State.FAILED),
        Job.ended_at > now - POISON_SHOWN,
        Job.reason == str(Reason.POISONED),
    )
    return session.execute(query).scalar_one()


def _losing(session: Session) -> int:
    """Jobs that run and have lost :data:`LOSSES` workers since they last saved anything."""
    saved = select(func.max(Checkpoint.created_at)).where(Checkpoint.job_id == Job.id)
    since = func.coalesce(saved.correlate(Job).scalar_subquery(), Job.created_at)
    lost = select(func.count()).where(
        *(Event.job_id == Job.id, Event.type == "status", Event.at > since),
        Event.data["reason"].astext == str(Reason.WORKER_LOST),
    )
    running = (Job.state == str(State.RUNNING)) & (Job.attempt > LOSSES)
    losing = running & (lost.correlate(Job).scalar_subquery() >= LOSSES)
    return session.execute(select(func.count()).select_from(Job).where(losing)).scalar_one()
