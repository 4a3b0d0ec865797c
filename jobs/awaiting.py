"""Jobs that wait for a dataset to be checked: when they rest, and what lets them go on.

Such a job is ``paused`` for ``awaiting_dataset``; nobody but the end of the check moves it on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Session

from engines.kind import N_, Misfit, Referred
from jobs import inputs
from jobs.models import Job
from jobs.moves import move
from jobs.states import Reason, State

AWAITS = (Job.state == str(State.PAUSED)) & (Job.reason == str(Reason.AWAITING_DATASET))
GONE = N_("The set of pictures it should learn from was deleted.")
REFUSED = N_("The set of pictures it should learn from cannot be used; its report says why.")
NEXT = N_("Choose another set and run the job again.")


def awaits(job: Job) -> bool:
    """Whether the job rests until a dataset is checked."""
    return job.state == State.PAUSED and job.reason == Reason.AWAITING_DATASET


def settle(session: Session, job: Job) -> Job:
    """Bring a locked job that waits to where its datasets are: to rest while one of them is
    checked, into the queue when all are ready, to its end when one is of no use or does not fit."""
    if job.state != State.QUEUED and not awaits(job):
        return job
    hashes, faults = inputs.of_sets(session, job.owner_id, _sets(job))
    if faults:
        message = GONE if faults[0].code == "unknown_dataset" else REFUSED
        return _fail(session, job, _told(faults[0].pointer.removeprefix("/params"), message, NEXT))
    known = {**job.inputs, **hashes}
    ready = None not in hashes.values()
    if ready and None in job.inputs.values() and (misfit := _misfit(session, job)):
        told = _told(f"/{misfit.name}", misfit.message, misfit.hint, misfit.values)
        return _fail(session, job, told)
    if ready and awaits(job):
        reason = Reason.DATASET_READY
        return move(session, job, State.QUEUED, by="keeper", reason=reason, inputs=known)
    if not ready and job.state == State.QUEUED:
        reason = Reason.AWAITING_DATASET
        return move(session, job, State.PAUSED, by="studio", reason=reason, inputs=known)
    if job.inputs != known:  # checked while its owner had it rest, or canceled
        job.inputs = known
        session.flush()
    return job


def _sets(job: Job) -> list[Referred]:
    """The sets that a job names. One whose pack is not known yet counts also where its parameters
    do not tell: they may be of an older version of the kind."""
    params = inputs.params_of(job)
    named = [found for found in params.references() if found.to == "dataset"] if params else []
    told = {found.id for found in named}
    unknown = [id_ for id_, sha256 in job.inputs.items() if sha256 is None and id_ not in told]
    return [*named, *(Referred("", "dataset", id_) for id_ in unknown)]


def _misfit(session: Session, job: Job) -> Misfit | None:
    """What does not fit the sets that are known only now."""
    params = inputs.params_of(job)
    found = params.misfits(inputs.known(session, job.owner_id, params)) if params else iter(())
    return next(found, None)


def _told(
    pointer: str, message: str, hint: str, values: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {"pointer": pointer, "message": message, "hint": hint, "values": dict(values or {})}


def _fail(session: Session, job: Job, error: dict[str, Any]) -> Job:
    return move(
        session,
        job,
        State.FAILED,
        by="keeper" if awaits(job) else "studio",
        reason=Reason.BAD_INPUT,
        details={"error": error},
        error=error,
        ended_at=func.clock_timestamp(),
    )
