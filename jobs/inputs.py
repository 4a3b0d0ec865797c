"""What a job is made from: found, held against deletion, and whether its parameters fit it.

What a set or a model is stands in its row, so nothing here waits for the storage. The engine asks
the same of :meth:`engines.kind.Params.misfits` once more when the run starts.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from engines import media
from engines.kind import Known, Params, Referred, SetFacts
from engines.registry import KINDS
from jobs.models import Dataset, File, Job
from jobs.refusals import Fault, RefusedError
from jobs.states import DatasetState
from jobs.stored import facts

# Which media types satisfy a reference to a file, by what it refers to.
REFERENCE_MEDIA = {"picture": "image/", "model": media.MODEL}
Hashes = dict[str, str | None]
"""SHA-256 by id; None for a dataset that is still being checked."""


def resolved(session: Session, owner_id: UUID, params: Params) -> Hashes:
    """Everything the parameters name; all must be the owner's, and usable.

    The rows stay shared until the transaction ends: nobody deletes them before the job is there.
    Raises :class:`RefusedError`.
    """
    references = list(params.references())
    hashes, faults = of_sets(session, owner_id, [each for each in references if _is_set(each)])
    files = [found for found in references if not _is_set(found)]
    rows = session.execute(
        select(File.id, File.sha256, File.media_type)
        .where(File.owner_id == owner_id, File.id.in_([UUID(found.id) for found in files]))
        # Whoever deletes a file waits until the job is there, and then finds it.
        .order_by(File.id)
        .with_for_update(read=True, key_share=True)
    )
    mine = {str(row.id): row for row in rows}
    for found in files:
        row = mine.get(found.id)
        if row is None:
            # Missing and foreign are the same answer: nobody can probe for others' ids.
            faults.append(Fault(f"/params{found.pointer}", "unknown_file", {"value": found.id}))
        elif not row.media_type.startswith(REFERENCE_MEDIA[found.to]):
            values = {"value": row.media_type, "wanted": found.to}
            faults.append(Fault(f"/params{found.pointer}", "wrong_media_type", values))
    if faults:
        raise RefusedError("invalid", faults=faults)
    return hashes | {id_: row.sha256 for id_, row in mine.items()}


def of_sets(
    session: Session, owner_id: UUID, references: Iterable[Referred]
) -> tuple[Hashes, list[Fault]]:
    """The packs of datasets, whose rows stay shared; and which of them cannot be used."""
    hashes: Hashes = {}
    faults = []
    for found in references:
        pointer = f"/params{found.pointer}"
        mine = select(Dataset).where(Dataset.id == UUID(found.id), Dataset.owner_id == owner_id)
        row = session.execute(mine.with_for_update(read=True)).scalar_one_or_none()
        if row is None:
            faults.append(Fault(pointer, "unknown_dataset", {"value": found.id}))
        elif row.state == DatasetState.REFUSED:
            faults.append(Fault(pointer, "dataset_refused", {"name": row.name}))
        else:
            hashes[found.id] = row.sha256
    return hashes, faults


def known(session: Session, owner_id: UUID, params: Params) -> Known:
    """What the owner's works are that parameters name, as far as that is known."""
    references = list(params.references())
    sets = [UUID(found.id) for found in references if _is_set(found)]
    models = [UUID(found.id) for found in references if found.to == "model"]
    reports = select(Dataset.id, Dataset.report).where(
        Dataset.id.in_(sets), Dataset.owner_id == owner_id
    )
    kept = select(File.id, File.facts).where(File.id.in_(models), File.owner_id == owner_id)
    found_sets = {
        str(id_): SetFacts(report["pictures"], len(report["labels"]))
        for id_, report in (session.execute(reports) if sets else ())
        if report is not None
    }
    found_models = {
        str(id_): told
        for id_, row in (session.execute(kept) if models else ())
        if (told := facts.read(row)) is not None
    }
    return Known(found_sets, found_models, _sides(session, owner_id, references))


def _sides(
    session: Session, owner_id: UUID, references: Iterable[Referred]
) -> dict[str, tuple[int, int]]:
    pictures = [UUID(found.id) for found in references if found.to == "picture"]
    sides = select(File.id, File.width, File.height).where(
        File.id.in_(pictures), File.owner_id == owner_id
    )
    rows = session.execute(sides) if pictures else ()
    return {str(id_): (width, height) for id_, width, height in rows if width and height}


def refuse_misfits(params: Params, stored: Known) -> None:
    """Raise :class:`RefusedError` naming every parameter that does not fit what is ``stored``."""
    if faults := [Fault.of_misfit(misfit) for misfit in params.misfits(stored)]:
        raise RefusedError("invalid", faults=faults)


def hold(session: Session, job: Job) -> None:
    """Refuse to try a locked job again whose inputs were deleted since, or do not fit; whoever
    deletes what is left waits until this transaction ends, and then finds the job.

    Raises :class:`RefusedError`.
    """
    wanted = [UUID(id_) for id_ in job.inputs]
    left: set[UUID] = set()
    for table in (File, Dataset):
        # In the order in which whoever deletes several takes them.
        query = select(table.id).where(table.id.in_(wanted)).order_by(table.id)
        left.update(session.scalars(query.with_for_update(read=True, key_share=True)))
    faults = [
        Fault("/params", "unknown_file", {"value": str(id_)}) for id_ in wanted if id_ not in left
    ]
    if faults:
        raise RefusedError("invalid", faults=faults)
    if (params := params_of(job)) is not None:
        refuse_misfits(params, known(session, job.owner_id, params))


def params_of(job: Job) -> Params | None:
    """A job's parameters; None where they are of another version of its kind: the run itself will
    say so."""
    kind = KINDS.get(job.kind)
    try:
        return kind.params.model_validate(job.params) if kind else None
    except ValidationError:
        return None


def _is_set(found: Referred) -> bool:
    return found.to == "dataset"
