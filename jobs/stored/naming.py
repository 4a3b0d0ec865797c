"""What trained models are called, told apart where several share a name, by one rule."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Text, select
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import Session

from engines import media
from engines.kind import Referred
from engines.registry import KINDS
from jobs.models import Dataset, File, Job

SUFFIX = ".safetensors"
# What runs call the models they make: all alike, so people are told the set's name instead.
BY_ITS_STEP = re.compile(r"(-best)?-step-\d+$")
BY_A_RUN = re.compile(r"model((?:-best)?-step-\d+)?")


def titles(session: Session, rows: Sequence[File]) -> dict[UUID, str]:
    """What an owner's models are called: as they were named, else like the set that they learned
    from, as long as that is there; where several share that name, with the time of each (UTC)."""
    called = _called(session, rows)
    if not called:
        return called
    shared = Counter(_called(session, _rivals(session, rows[0].owner_id, called)).values())
    return {
        row.id: f"{called[row.id]}, {row.created_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        if shared[called[row.id]] > 1
        else called[row.id]
        for row in rows
    }


def _rivals(session: Session, owner_id: UUID, called: Mapping[UUID, str]) -> Sequence[File]:
    """The owner's models that may be called like some of those, themselves included."""
    names = {*called.values(), *(BY_ITS_STEP.sub("", name) for name in called.values())}
    sets = select(Dataset.id).where(Dataset.owner_id == owner_id, Dataset.name.in_(names))
    learned = array([str(id_) for id_ in session.scalars(sets)], type_=Text)
    jobs = select(Job.id).where(Job.owner_id == owner_id, Job.inputs.has_any(learned))
    mine = (File.owner_id == owner_id) & (File.media_type == media.MODEL)
    named = File.name.in_([name + SUFFIX for name in called.values()])
    return session.scalars(select(File).where(mine, named | File.job_id.in_(jobs))).all()


def _called(session: Session, rows: Sequence[File]) -> dict[UUID, str]:
    """What they are called, whoever is called so too."""
    named = {row.id: row.name.removesuffix(SUFFIX) for row in rows}
    by_runs = {
        row.id: (row.job_id, found[1] or "")
        for row in rows
        if row.job_id is not None and (found := BY_A_RUN.fullmatch(named[row.id]))
    }
    if not by_runs:
        return named
    jobs = session.scalars(select(Job).where(Job.id.in_({job for job, _ in by_runs.values()})))
    learned = {
        job.id: UUID(found.id) for job in jobs for found in named_by(job) if found.to == "dataset"
    }
    query = select(Dataset.id, Dataset.name).where(Dataset.id.in_(learned.values()))
    sets = {row.id: row.name for row in session.execute(query)}
    for id_, (job_id, rest) in by_runs.items():
        if name := sets.get(learned.get(job_id)):
            named[id_] = f"{name}{rest}"
    return named


def named_by(job: Job) -> list[Referred]:
    """The sets and models that a job's parameters name."""
    try:
        params = KINDS[job.kind].params.model_validate(job.params)
    except (KeyError, ValidationError):  # commissioned when the kind was another
        return []
    return [found for found in params.references() if found.to != "picture"]
