"""What a worker may say about a job, always under the fence it was given at its claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Interval, Update, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from jobs import checkpoints, claims, closures, quotas
from jobs.ids import new_id
from jobs.models import Checkpoint, File, Job, table
from jobs.moves import FenceLostError, lock_job, move
from jobs.records import frames, metrics
from jobs.records.frames import Shown
from jobs.records.series import Columns
from jobs.states import ENDED, Reason, State, Wanted
from jobs.storage import Stored

# A worker renews its lease this many times before it would run out.
BEATS_PER_LEASE = 6
DEATHS_TOLERATED = 5
OOM_DEATHS_TOLERATED = 2
SMALLER_TRIES = 1

# What a worker says again and again is written down once, without the ORM: to build such a
# statement anew costs the worker twice what it costs to send it.
_JOB = table(Job)
_MINE = (
    _JOB.c.id == bindparam("held_job"),
    _JOB.c.fence == bindparam("held_fence"),
    _JOB.c.state == str(State.RUNNING),
)
_LOOK = select(_JOB.c.wanted).where(*_MINE)
_SNAPSHOTS = select(_JOB.c.snapshots).where(*_MINE)
_CONFIRM = select(_JOB.c.id).where(*_MINE).with_for_update()
_TOUCH = update(_JOB).where(*_MINE).returning(_JOB.c.wanted)
_BEAT = _TOUCH.values(
    lease_until=func.clock_timestamp() + bindparam("seconds_more", type_=Interval)
)
_SHOW = _TOUCH.values(version=_JOB.c.version + 1)
_SAVE = _TOUCH.values(
    deaths=0,
    best_score=func.greatest(_JOB.c.best_score, bindparam("reached", type_=_JOB.c.best_score.type)),
)
_SAVED = insert(table(Checkpoint))


@dataclass(frozen=True)
class Hold:
    """What names one attempt: a write that shows an outdated fence changes nothing."""

    job_id: UUID
    fence: int


@dataclass(frozen=True)
class SavedState:
    """A checkpoint that may be resumed from, if its file still hashes right.

    ``score`` is the engine's own judgement of the run there, higher is better; None without one.
    """

    sha256: str
    step: int
    state_version: int
    threads: int
    score: float | None = None


@dataclass(frozen=True)
class Claim:
    """A job given to a slot, with all that running it takes. Checkpoints: newest first.

    ``seconds_left`` is how long after the claim its deadline passes; None without one.
    ``smaller`` counts how often memory has run out: so often are its pieces halved.
    """

    hold: Hold
    owner_id: UUID
    kind: str
    params: dict[str, Any]
    attempt: int
    inputs: dict[str, str]
    checkpoints: tuple[SavedState, ...]
    seconds_left: float | None = None
    smaller: int = 0


@dataclass(frozen=True)
class Work:
    """A stored output of a finished run; ``facts`` say what a model is."""

    role: str
    name: str
    media_type: str
    stored: Stored
    width: int | None = None
    height: int | None = None
    facts: dict[str, Any] | None = None


def claim(
    session: Session,
    slot: str,
    resource: str,
    lease: float,
    running_limit: int,
    gpu_hours: float = 0.0,
    place: str = "",
) -> Claim | None:
    """Give the slot the best waiting job of the owner who has least running; None if none waits.

    ``running_limit`` and ``gpu_hours`` (a week; 0 is no limit) hold for owners without their own.
    ``place`` names the slot's lock, see :func:`jobs.rescue.rescue_predecessor`.
    Raises :class:`PreventedError` when the slot may not begin a job: it is drained, its queue
    paused or the studio under maintenance, and were it only since a moment ago.
    """
    best = claims.lock_next(session, resource, running_limit)
    while best is not None and quotas.rests(session, best.owner_id, resource, gpu_hours):
        # The share that rests is held until this is committed: two who wait like that deadlock.
        best = claims.lock_next(session, resource, running_limit, patient=False)
    if best is None:
        return None
    now = func.clock_timestamp()
    job = move(
        session,
        best,
        State.RUNNING,
        by="worker",
        details={"slot": slot, "attempt": best.attempt + 1, **({"place": place} if place else {})},
        only_if=closures.may_begin(resource, slot),
        attempt=Job.attempt + 1,
        slot=slot,
        wanted=str(Wanted.RUN),
        error=None,
        lease_until=now + timedelta(seconds=lease),
        started_at=func.coalesce(Job.started_at, now),
    )
    return _claim_of(session, job)


def beat(session: Session, hold: Hold, lease: float) -> Wanted:
    """Renew the lease; returns what the owner wants. :class:`FenceLostError` when outlived."""
    return _touch(session, hold, how=_BEAT, seconds_more=timedelta(seconds=lease))


def look(session: Session, hold: Hold) -> Wanted:
    """What the owner wants now."""
    wanted = session.execute(_LOOK, _as_held(hold)).scalar_one_or_none()
    if wanted is None:
        raise FenceLostError(str(hold.job_id))
    return Wanted(wanted)


def snapshots_wanted(session: Session, hold: Hold) -> list[str]:
    """Which models the attempt shall hand out; none where the fence is lost."""
    return list(session.execute(_SNAPSHOTS, _as_held(hold)).scalar_one_or_none() or ())


def confirm(session: Session, hold: Hold) -> None:
    """Make sure that the attempt holds its job until this transaction ends.

    Raises :class:`FenceLostError` when it was outlived.
    """
    if session.execute(_CONFIRM, _as_held(hold)).one_or_none() is None:
        raise FenceLostError(str(hold.job_id))


def report_progress(session: Session, hold: Hold, progress: dict[str, Any]) -> Wanted:
    """Write how far the run is; returns what the owner wants."""
    return _touch(session, hold, how=_SHOW, progress=progress)


def report_preview(session: Session, hold: Hold, stored: Stored) -> None:
    """Show a newer preview."""
    _touch(session, hold, how=_SHOW, preview_sha256=stored.sha256)


def report_frame(session: Session, hold: Hold, shown: Shown) -> bool:
    """Add a picture to the timeline; the preview is never older. False when it is full."""
    _touch(session, hold, how=_SHOW, preview_sha256=shown.stored.sha256)
    return frames.keep(session, hold.job_id, hold.fence, shown)


def report_metrics(session: Session, hold: Hold, columns: Columns) -> bool:
    """Write the figures of a chunk; True when it is full, see :func:`jobs.records.metrics.keep`."""
    confirm(session, hold)
    return metrics.keep(session, hold.job_id, hold.fence, columns)


def report_resume(session: Session, hold: Hold, step: int | None) -> None:
    """Say from which step this attempt goes on, None for the start.

    What earlier attempts measured and showed beyond it gives way: it is made again.
    """
    _touch(session, hold, how=_SHOW, resumed_from_step=step)
    # A run that begins anew measures what it begins from anew, too: the figures of step 0.
    metrics.rewind(session, hold.job_id, -1 if step is None else step)
    frames.rewind(session, hold.job_id, step)


def commit_checkpoint(session: Session, hold: Hold, saved: SavedState) -> None:
    """Make a stored state one to resume from; keep the newest few and the best."""
    _touch(session, hold, how=_SAVE, reached=saved.score)
    row = {"id": new_id(), "job_id": hold.job_id, "fence": hold.fence, **asdict(saved)}
    session.execute(_SAVED, row)
    checkpoints.forget_others(session, hold.job_id)


def finish(session: Session, hold: Hold, works: Sequence[Work], run_seconds: float) -> None:
    """The results are stored: the job succeeded, unless its fence is lost.

    A cancel that was acknowledged before stays one: the results are then left out.
    """
    job = held(session, hold)
    if job.wanted == Wanted.CANCEL:
        _end(session, job, State.CANCELED, Reason.CANCELED_BY_USER, run_seconds)
        return
    for position, work in enumerate(works):
        session.execute(
            insert(File).values(
                id=new_id(),
                owner_id=job.owner_id,
                job_id=job.id,
                sha256=work.stored.sha256,
                role=work.role,
                position=position,
                name=work.name,
                media_type=work.media_type,
                width=work.width,
                height=work.height,
                facts=work.facts,
            )
        )
    # The models that were asked for on the way give way to that of the end.
    _end(session, job, State.SUCCEEDED, None, run_seconds, snapshots=[])
    session.query(Checkpoint).where(Checkpoint.job_id == hold.job_id).delete(
        synchronize_session=False
    )


def stop(
    session: Session,
    hold: Hold,
    target: State,
    reason: Reason,
    run_seconds: float,
    error: dict[str, Any] | None = None,
) -> None:
    """The process is gone: canceled, paused, failed, or back in the queue."""
    _end(session, held(session, hold), target, reason, run_seconds, error)


def runner_died(
    session: Session, hold: Hold, reason: Reason, cause: str, run_seconds: float
) -> State:
    """The runner died alone: back to the queue, or failed after the fifth time in one place."""
    job = held(session, hold)
    deaths = job.deaths + 1
    error = {"cause": cause, "deaths": deaths}
    target = State.QUEUED
    if deaths >= DEATHS_TOLERATED:
        target, reason = State.FAILED, Reason.POISONED
    return _end(session, job, target, reason, run_seconds, error, deaths=deaths)


def ran_out_of_memory(
    session: Session,
    hold: Hold,
    run_seconds: float,
    error: dict[str, Any] | None,
    *,
    pieces: bool,
    killed: bool,
) -> State:
    """Once more in a fresh process, in ``pieces`` half as large where the kind has them; the
    second time it failed, and ``error`` names what would fit.

    A runner that the kernel has ``killed`` gets its second try even where it has no pieces:
    others may have used the memory up.
    """
    job = held(session, hold)
    deaths = job.deaths + killed
    if pieces and job.smaller < SMALLER_TRIES:
        details, reason = {"smaller": job.smaller + 1}, Reason.SMALLER_PIECES
        return _end(
            session, job, State.QUEUED, reason, run_seconds, None, details, deaths=0, **details
        )
    again = killed and not pieces and deaths < OOM_DEATHS_TOLERATED
    target = State.QUEUED if again else State.FAILED
    return _end(session, job, target, Reason.OUT_OF_MEMORY, run_seconds, error, deaths=deaths)


def _end(
    session: Session,
    job: Job,
    target: State,
    reason: Reason | None,
    run_seconds: float,
    error: dict[str, Any] | None = None,
    details: dict[str, Any] | None = None,
    **values: Any,
) -> State:
    """Where it is to go, unless its owner was told meanwhile where it will: who was told that it
    is canceled finds it so however it ended, and who was told that it rests finds it resting."""
    if job.wanted == Wanted.CANCEL:
        target, reason, error = State.CANCELED, Reason.CANCELED_BY_USER, None
    elif target in (State.QUEUED, State.PAUSED) and job.wanted == Wanted.PAUSE:
        # Not for a full disk either: what rests for that goes on by itself.
        target, reason = State.PAUSED, Reason.PAUSED_BY_USER
    elif reason is Reason.PAUSED_BY_USER and job.wanted == Wanted.RUN:
        # Resumed while its process was stopping, which nothing takes back.
        target, reason = State.QUEUED, Reason.RESUMED_BY_USER
    values["error"] = error
    if target in ENDED:
        values["ended_at"] = func.clock_timestamp()
    told = {"error": error} if error else {}
    if job.resource == "gpu":
        quotas.note_gpu(session, job.owner_id, run_seconds)
    move(
        session,
        job,
        target,
        by="worker",
        reason=reason,
        details={**told, **(details or {})},
        ran=run_seconds,
        **values,
    )
    return target


def held(session: Session, hold: Hold) -> Job:
    """The attempt's job, locked. :class:`FenceLostError` when outlived."""
    job = lock_job(session, hold.job_id)
    if job.fence != hold.fence or job.state != str(State.RUNNING):
        raise FenceLostError(str(hold.job_id))
    return job


def _touch(session: Session, hold: Hold, *, how: Update = _TOUCH, **values: Any) -> Wanted:
    wanted = session.execute(how, {**_as_held(hold), **values}).scalar_one_or_none()
    if wanted is None:
        raise FenceLostError(str(hold.job_id))
    return Wanted(wanted)


def _as_held(hold: Hold) -> dict[str, Any]:
    return {"held_job": hold.job_id, "held_fence": hold.fence}


def _claim_of(session: Session, job: Job) -> Claim:
    saved = checkpoints.newest_first(session, job.id) if job.attempt > 1 else ()
    return Claim(
        hold=Hold(job.id, job.fence),
        owner_id=job.owner_id,
        kind=job.kind,
        params=job.params,
        attempt=job.attempt,
        inputs=job.inputs,
        checkpoints=tuple(
            SavedState(row.sha256, row.step, row.state_version, row.threads, row.score)
            for row in saved
        ),
        seconds_left=_seconds_left(session, job),
        smaller=job.smaller,
    )


def _seconds_left(session: Session, job: Job) -> float | None:
    if job.deadline_at is None:
        return None
    now = session.execute(select(func.clock_timestamp())).scalar_one()
    return float((job.deadline_at - now).total_seconds())
