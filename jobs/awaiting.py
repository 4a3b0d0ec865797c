"""Jobs that wait for a dataset to be checked: when they rest, and what lets them go on.

Such a job is ``paused`` for ``awaiting_dataset``; nobody but the end of the check moves it on.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engines.kind import N_, Params, Referred
from engines.registry import KINDS
from jobs.models import Dataset, Job
from jobs.moves import move
from jobs.refusals import Fault
from jobs.states import DatasetState, Reason, State

AWAITS = (Job.state == str(State.PAUSED)) & (Job.reason == str(Reason.AWAITING_DATASET))
GONE = N_("The set of pictures it should learn from was deleted.")
REFUSED = N_("The set of pictures it should learn from cannot be used; its report says why.")
NEXT = N_("Choose another set and run the job again.")


def awaits(job: Job) -> bool:
    """Whether the job rests until a dataset is checked."""
    return job.state == State.PAUSED and job.reason == Reason.AWAITING_DATASET


def resolved(
    session: Session, owner_id: UUID, references: Iterable[Referred], params: Params | None = None
) -> tuple[dict[str, str | None], list[Fault]]:
    """The packs' SHA-256 by the datasets' ids, None while one is checked; and what cannot be used,
    of ``params`` too, with a set that is checked.

    The rows stay shared until the transaction ends: nobody deletes them before the job is there.
    """
    inputs: dict[str, str | None] = {}
    faults = []
    for found in references:
        pointer = f"/params{found.pointer}"
        row = _shared(session, owner_id, found.id)
        if row is None:
            faults.append(Fault(pointer, "unknown_dataset", {"value": found.id}))
        elif row.state == DatasetState.REFUSED:
            faults.append(Fault(pointer, "dataset_refused", {"name": row.name}))
        else:
            inputs[found.id] = row.sha256
            faults += _unfit(params, row) if params and row.report else ()
    return inputs, faults


def settle(session: Session, job: Job) -> Job:
    """Bring a locked job that waits to where its datasets are: to rest while one of them is
    checked, into the queue when all are ready, to its end when one cannot be used."""
    if job.state != State.QUEUED and not awaits(job):
        return job
    inputs, faults = resolved(session, job.owner_id, _sets(job))
    if faults:
        return _fail(session, job, faults[0])
    known = {**job.inputs, **inputs}
    ready = None not in inputs.values()
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


def _unfit(params: Params, row: Dataset) -> list[Fault]:
    assert row.report is not None
    return [
        Fault(f"/params/{name}", "not_usable", {"value": getattr(params, name), "why": why})
        for name, why in params.unfit(len(row.report["labels"]))
    ]


def _sets(job: Job) -> list[Referred]:
    """The sets that a job names. One whose pack is not known yet counts also where its parameters
    do not tell: they may be of an older version of the kind."""
    named = [found for found in _references(job) if found.to == "dataset"]
    told = {found.id for found in named}
    unknown = [id_ for id_, sha256 in job.inputs.items() if sha256 is None and id_ not in told]
    return [*named, *(Referred("", "dataset", id_) for id_ in unknown)]


def _references(job: Job) -> Iterable[Referred]:
    kind = KINDS.get(job.kind)
    if kind is None:
        return ()
    try:
        return kind.params.model_validate(job.params).references()
    except ValidationError:  # of an older version of the kind: the run itself will say so
        return ()


def _shared(session: Session, owner_id: UUID, dataset_id: str) -> Dataset | None:
    query = select(Dataset).where(Dataset.id == UUID(dataset_id), Dataset.owner_id == owner_id)
    return session.execute(query.with_for_update(read=True)).scalar_one_or_none()


def _fail(session: Session, job: Job, fault: Fault) -> Job:
    error = {
        "message": GONE if fault.code == "unknown_dataset" else REFUSED,
        "pointer": fault.pointer.removeprefix("/params"),
        "hint": NEXT,
    }
    by = "keeper" if awaits(job) else "studio"
    details = {"error": error}
    ended = func.clock_timestamp()
    return move(
        session,
        job,
        State.FAILED,
        by=by,
        reason=Reason.BAD_INPUT,
        details=details,
        error=error,
        ended_at=ended,
    )
