"""Trained models: brought, listed, named, deleted, and where each comes from.

A model is a file like any other; what belongs to somebody else is unknown to the asker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from sqlalchemy import Select, func, insert, select
from sqlalchemy import delete as removal
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import Session

from engines import media, models
from engines.kind import ReferenceTo
from engines.models import ModelError, ModelFacts
from jobs import quotas, snapshots
from jobs.database import Database
from jobs.ids import new_id
from jobs.listing import keyset
from jobs.models import Blob, Dataset, File, Job
from jobs.records import audit
from jobs.refusals import Fault, RefusedError
from jobs.settings import Settings
from jobs.states import ENDED
from jobs.storage import Storage
from jobs.stored import facts, files
from jobs.stored.naming import SUFFIX, named_by, titles

USERS_NAMED = 3
MOST_USES = 500


@dataclass(frozen=True)
class Origin:
    """What a model was made from; ``name`` is None where that is gone."""

    to: ReferenceTo
    id: str
    name: str | None


@dataclass(frozen=True)
class Use:
    """A job that a model was given to, the models that came of it with what they are called, and
    its first picture."""

    job: Job
    models: Sequence[File]
    titles: Mapping[UUID, str]
    picture: File | None


@dataclass(frozen=True)
class Trained:
    """A model with its lineage. ``picture`` shows what it makes: the first work of the job that
    made it, else of a job that used it."""

    row: File
    title: str
    size: int
    made_by: Job | None
    origins: Sequence[Origin] = ()
    uses: Sequence[Use] = ()
    picture: File | None = None
    children: Sequence[File] = field(default=())

    @property
    def facts(self) -> ModelFacts | None:
        """What it is; None where its file could not be read."""
        return facts.read(self.row.facts)


@dataclass(frozen=True)
class ModelPage:
    """A page of models, newest first, and the ids from which the neighbouring pages start."""

    models: Sequence[Trained]
    older_than: UUID | None
    newer_than: UUID | None


def receive(
    database: Database,
    storage: Storage,
    owner_id: UUID,
    upload: Path,
    name: str,
    settings: Settings,
) -> File:
    """Check and keep a model file. Raises :class:`RefusedError` (``bad_model``, ``disk_used``),
    StorageError, DatabaseDownError; whatever is raised, nothing is left that anybody could see."""
    try:
        known = models.inspect(upload)
    except ModelError as unfit:
        fault = Fault("/file", "unfit_model", {"why": str(unfit)})
        raise RefusedError("bad_model", faults=[fault]) from unfit
    shown = _named(name)
    stored = storage.put(database, upload)
    row = insert(File).values(
        id=new_id(),
        owner_id=owner_id,
        sha256=stored.sha256,
        role="upload",
        name=shown,
        media_type=media.MODEL,
        facts=known.as_json(),
    )
    with database.begin() as session:
        owned = quotas.limits_of(session, owner_id, settings)
        quotas.check_disk(session, owner_id, stored.size, owned)
        return session.execute(row.returning(File)).scalar_one()


def get(session: Session, owner_id: UUID, model_id: UUID) -> File:
    """The owner's model. Raises :class:`RefusedError` (``unknown_model``)."""
    query = _all(owner_id).where(File.id == model_id)
    found = session.execute(query).scalar_one_or_none()
    if found is None:
        raise RefusedError("unknown_model")
    return found


def page(
    session: Session,
    owner_id: UUID,
    size: int,
    older_than: UUID | None = None,
    newer_than: UUID | None = None,
) -> ModelPage:
    """One page of an owner's models. Raises :class:`RefusedError` for an unusable size."""
    rows, older, newer = keyset(session, _all(owner_id), File.id, size, older_than, newer_than)
    return ModelPage(with_lineage(session, rows), older, newer)


def rename(session: Session, owner_id: UUID, model_id: UUID, name: str) -> File:
    """Call a model something else. Raises :class:`RefusedError`."""
    row = get(session, owner_id, model_id)
    if not 0 < len(name.strip()) <= files.MAX_NAME_LENGTH:
        values = {"value": len(name.strip()), "limit": files.MAX_NAME_LENGTH}
        raise RefusedError("invalid", faults=[Fault("/name", "bad_length", values)])
    row.name = _named(name)
    return row


def delete(session: Session, owner_id: UUID, model_id: UUID) -> None:
    """Forget a model; what was made with it stays.

    Raises :class:`RefusedError`: ``unknown_model``, ``model_in_use`` naming by what, or
    ``only_work`` where its job would have nothing to show for itself.
    """
    row = get(session, owner_id, model_id)
    # Exclusive, as whoever submits a job holds it shared until the job is there.
    session.execute(select(File.id).where(File.id == row.id).with_for_update())
    live = Job.state.not_in([str(state) for state in ENDED])
    query = _users(owner_id, [row]).where(live).limit(USERS_NAMED + 1)
    users = [f"{job.kind} {job.id}" for job in session.scalars(query)]
    if users:
        more = ["..."] if len(users) > USERS_NAMED else []
        raise RefusedError("model_in_use", users=", ".join([*users[:USERS_NAMED], *more]))
    if row.job_id is not None and row.position < snapshots.FIRST_POSITION:
        final = (File.job_id == row.job_id) & (File.position < snapshots.FIRST_POSITION)
        works = select(func.count()).select_from(File).where(final)
        if session.execute(works).scalar_one() == 1:
            raise RefusedError("only_work", job=row.job_id)
    about = {"name": row.name, "job": str(row.job_id or ""), "sha256": row.sha256}
    audit.record(session, owner_id, audit.Action.MODEL_DELETED, f"model {row.id}", before=about)
    session.execute(removal(File).where(File.id == row.id))


def with_lineage(session: Session, rows: Sequence[File]) -> list[Trained]:
    """Models with what they came from and what came of them; a handful of queries for all."""
    if not rows:
        return []
    owner_id, made_in = rows[0].owner_id, {row.job_id for row in rows if row.job_id}
    makers = {job.id: job for job in session.scalars(select(Job).where(Job.id.in_(made_in)))}
    users = session.scalars(_users(owner_id, rows).limit(MOST_USES)).all()
    works = _works(session, [*makers, *(job.id for job in users)])
    kept = select(Blob).where(Blob.sha256.in_({row.sha256 for row in rows}))
    sizes = {blob.sha256: blob.size for blob in session.scalars(kept)}
    named = _references(session, makers.values())
    made = [file for found in works.values() for file in found if file.media_type == media.MODEL]
    called = titles(session, [*rows, *made])
    found = []
    for row in rows:
        given = [job for job in users if str(row.id) in job.inputs]
        uses = [_use(job, works.get(job.id, ()), called) for job in given]
        maker = makers.get(row.job_id) if row.job_id else None
        # A model of the way does not make what the end of its job shows.
        ends = maker is not None and row.position < snapshots.FIRST_POSITION
        jobs = [maker] if maker and ends else [use.job for use in uses]
        shown = [work for job in jobs for work in works.get(job.id, ()) if _is_picture(work)]
        found.append(
            Trained(
                row,
                called[row.id],
                sizes[row.sha256],
                maker,
                named.get(row.job_id, ()) if row.job_id else (),
                uses,
                max(shown, key=lambda work: work.width or 0, default=None),
                [work for use in uses for work in use.models],
            )
        )
    return found


def _use(job: Job, works: Sequence[File], called: Mapping[UUID, str]) -> Use:
    pictures = [work for work in works if _is_picture(work)]
    made = [work for work in works if work.media_type == media.MODEL]
    titles_of = {work.id: called[work.id] for work in made}
    return Use(job, made, titles_of, pictures[0] if pictures else None)


def _all(owner_id: UUID) -> Select[File]:
    return select(File).where(File.owner_id == owner_id, File.media_type == media.MODEL)


def _users(owner_id: UUID, rows: Sequence[File]) -> Select[Job]:
    """The jobs that were given one of ``rows``, newest first."""
    given = Job.inputs.has_any(array([str(row.id) for row in rows]))
    return select(Job).where(Job.owner_id == owner_id, given).order_by(Job.id.desc())


def _works(session: Session, jobs: Iterable[UUID]) -> dict[UUID, list[File]]:
    """By job: the first work, and the models."""
    wanted = (File.position == 0) | (File.media_type == media.MODEL)
    query = select(File).where(File.job_id.in_(jobs), wanted).order_by(File.position)
    found: dict[UUID, list[File]] = {}
    for row in session.scalars(query):
        if row.job_id is not None:
            found.setdefault(row.job_id, []).append(row)
    return found


def _references(session: Session, jobs: Iterable[Job]) -> dict[UUID, list[Origin]]:
    """By job: the sets and models that its parameters name."""
    named = {job.id: named_by(job) for job in jobs}
    ids = {UUID(found.id) for references in named.values() for found in references}
    files_named = session.scalars(select(File).where(File.id.in_(ids))).all()
    sets_named = session.scalars(select(Dataset).where(Dataset.id.in_(ids)))
    names = {str(id_): called for id_, called in titles(session, files_named).items()}
    names |= {str(row.id): row.name for row in sets_named}
    return {
        job: [Origin(found.to, found.id, names.get(found.id)) for found in references]
        for job, references in named.items()
    }


def _is_picture(row: File) -> bool:
    return row.media_type.startswith("image/")


def _named(name: str) -> str:
    """A model's file name: what it is called, with the suffix that programs know it by."""
    plain = files.shown_name(name, "model").removesuffix(SUFFIX)
    return plain[: files.MAX_NAME_LENGTH - len(SUFFIX)] + SUFFIX
