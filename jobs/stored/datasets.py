"""Sets of pictures: brought, listed, described, deleted; and what a check may say of one.

What belongs to somebody else is unknown to the asker.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import delete as removal
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from jobs import quotas
from jobs.database import Database
from jobs.ids import new_id
from jobs.listing import keyset
from jobs.models import Dataset, Job
from jobs.records import audit
from jobs.refusals import Fault, RefusedError
from jobs.settings import Settings
from jobs.states import ENDED, DatasetState
from jobs.storage import Storage

MOST_NAME, MOST_LICENCE = 200, 500
PER_STYLE, SAMPLE_SIZES, SEEDS = range(1, 501), range(32, 1025), range(2**31)
DEATHS_TOLERATED = 5
USERS_NAMED = 3


@dataclass(frozen=True)
class Brought:
    """What its owner says of a set: its name, its licence or origin, the set it is added to, whose
    name and licence it has unless it is said otherwise."""

    name: str = ""
    licence: str = ""
    parent_id: UUID | None = None


@dataclass(frozen=True)
class SampleOrder:
    """Which sample art to draw: pictures of each style, their side in pixels, the seed."""

    per_style: int = 40
    size: int = 256
    seed: int = 0

    def check(self) -> None:
        """Raise :class:`RefusedError` for numbers out of their ranges."""
        faults = []
        for name, allowed in (("per_style", PER_STYLE), ("size", SAMPLE_SIZES), ("seed", SEEDS)):
            value = getattr(self, name)
            if value not in allowed:
                values = {"value": value, "low": allowed[0], "high": allowed[-1]}
                faults.append(Fault(f"/{name}", "out_of_range", values))
        if faults:
            raise RefusedError("invalid", faults=faults)


@dataclass(frozen=True)
class DatasetPage:
    """A page of datasets, newest first, and the ids from which the neighbouring pages start."""

    datasets: Sequence[Dataset]
    older_than: UUID | None
    newer_than: UUID | None


def receive(
    database: Database,
    storage: Storage,
    owner_id: UUID,
    upload: Path,
    brought: Brought,
    settings: Settings,
) -> Dataset:
    """Keep an upload (a ZIP) to be checked. Raises :class:`RefusedError`, StorageError,
    DatabaseDownError; whatever is raised, nothing is left that anybody could see."""
    with database.begin() as session:
        _checked(session, owner_id, brought)
    stored = storage.put(database, upload)
    with database.begin() as session:
        base = _checked(session, owner_id, brought)
        brought = _like_its_parent(session, brought)
        known = _sent_already(session, owner_id, brought, stored.sha256)
        if known is not None:
            return known
        owned = quotas.limits_of(session, owner_id, settings)
        quotas.check_disk(session, owner_id, stored.size, owned)
        return _insert(session, owner_id, brought, upload_sha256=stored.sha256, base_sha256=base)


def draw(
    session: Session, owner_id: UUID, order: SampleOrder, brought: Brought, settings: Settings
) -> Dataset:
    """Have a set of sample art drawn. Raises :class:`RefusedError`."""
    order.check()
    _checked(session, owner_id, brought)
    quotas.check_disk(session, owner_id, 1, quotas.limits_of(session, owner_id, settings))
    return _insert(session, owner_id, brought, samples=vars(order))


def get(session: Session, owner_id: UUID, dataset_id: UUID) -> Dataset:
    """The owner's dataset. Raises :class:`RefusedError` (``unknown_dataset``)."""
    query = select(Dataset).where(Dataset.id == dataset_id, Dataset.owner_id == owner_id)
    found = session.execute(query).scalar_one_or_none()
    if found is None:
        raise RefusedError("unknown_dataset")
    return found


def page(
    session: Session,
    owner_id: UUID,
    size: int,
    older_than: UUID | None = None,
    newer_than: UUID | None = None,
) -> DatasetPage:
    """One page of an owner's datasets. Raises :class:`RefusedError` for an unusable size."""
    query = select(Dataset).where(Dataset.owner_id == owner_id)
    return DatasetPage(*keyset(session, query, Dataset.id, size, older_than, newer_than))


def usable(session: Session, owner_id: UUID, most: int) -> Sequence[Dataset]:
    """The owner's newest datasets that a job may name: ready, or still being checked."""
    query = (
        select(Dataset)
        .where(Dataset.owner_id == owner_id, Dataset.state != str(DatasetState.REFUSED))
        .order_by(Dataset.id.desc())
        .limit(most)
    )
    return session.scalars(query).all()


def describe(
    session: Session,
    owner_id: UUID,
    dataset_id: UUID,
    name: str | None = None,
    licence: str | None = None,
) -> Dataset:
    """Call a set something else, or note another licence or origin; None leaves what is said.
    Raises :class:`RefusedError`. Its pictures stay as they are."""
    row = get(session, owner_id, dataset_id)
    faults = _too_long(name or "", licence or "")
    if name is not None and not name.strip():
        faults.append(Fault("/name", "bad_length", {"value": 0, "limit": MOST_NAME}))
    if faults:
        raise RefusedError("invalid", faults=faults)
    row.name = row.name if name is None else name.strip()
    row.licence = row.licence if licence is None else licence.strip()
    return row


def delete(session: Session, owner_id: UUID, dataset_id: UUID) -> None:
    """Forget a dataset; jobs that have ended keep what they made.

    Raises :class:`RefusedError`: ``unknown_dataset``, or ``dataset_in_use`` naming by what.
    """
    row = get(session, owner_id, dataset_id)
    # Exclusive, as whoever submits a job holds it shared until the job is there.
    session.execute(select(Dataset.id).where(Dataset.id == row.id).with_for_update())
    users = _users(session, row)
    if users:
        raise RefusedError("dataset_in_use", users=", ".join(users))
    about = {"name": row.name, "state": row.state, "sha256": row.sha256}
    action = audit.Action.DATASET_DELETED
    audit.record(session, owner_id, action, f"dataset {row.id}", before=about)
    session.execute(removal(Dataset).where(Dataset.id == row.id))


def next_to_check(session: Session, passed: Collection[UUID] = ()) -> UUID | None:
    """The dataset that has waited longest for its check, except those that are passed."""
    query = select(Dataset.id).where(Dataset.state == str(DatasetState.CHECKING))
    query = query.where(Dataset.id.not_in(passed))
    return session.scalars(query.order_by(Dataset.deaths, Dataset.id).limit(1)).first()


def note_death(session: Session, dataset_id: UUID) -> Dataset | None:
    """A check broke: it is tried again, or refused after the fifth time. None when it is gone."""
    row = _checking(session, dataset_id)
    if row is None:
        return None
    row.deaths += 1
    if row.deaths >= DEATHS_TOLERATED:
        _refuse(row, "check_failed", {"times": row.deaths})
    return row


def report_progress(session: Session, dataset_id: UUID, done: int, total: int) -> None:
    """How many of its files have been looked at."""
    session.execute(
        update(Dataset)
        .where(Dataset.id == dataset_id, Dataset.state == str(DatasetState.CHECKING))
        .values(progress={"done": done, "total": total})
    )


def refuse(session: Session, dataset_id: UUID, code: str, values: dict[str, Any]) -> None:
    """It cannot be used: ``code`` and ``values`` of :data:`engines.datasets.unpacking.MESSAGES`."""
    row = _checking(session, dataset_id)
    if row is not None:
        _refuse(row, code, values)


def complete(
    session: Session,
    dataset_id: UUID,
    report: dict[str, Any],
    pack: str,
    album: str,
    sheet: str,
) -> None:
    """It is ready: its report, and the SHA-256 of what was stored. The row is the commit."""
    row = _checking(session, dataset_id)
    if row is None:
        return
    twin = session.scalars(
        select(Dataset.name).where(Dataset.owner_id == row.owner_id, Dataset.sha256 == pack)
    ).first()
    if twin is not None:
        report["warnings"].append({"code": "known_already", "values": {"name": twin}})
    row.state = str(DatasetState.READY)
    row.report = report
    row.sha256, row.album_sha256, row.sheet_sha256 = pack, album, sheet
    _forget_uploads(row)


def _checking(session: Session, dataset_id: UUID) -> Dataset | None:
    query = select(Dataset).where(
        Dataset.id == dataset_id, Dataset.state == str(DatasetState.CHECKING)
    )
    return session.execute(query.with_for_update()).scalar_one_or_none()


def _refuse(row: Dataset, code: str, values: dict[str, Any]) -> None:
    row.state = str(DatasetState.REFUSED)
    row.refused = {"code": code, "values": values}
    _forget_uploads(row)


def _forget_uploads(row: Dataset) -> None:
    row.upload_sha256 = row.base_sha256 = None
    row.progress = {}
    row.checked_at = func.clock_timestamp()


def _checked(session: Session, owner_id: UUID, brought: Brought) -> str | None:
    """The pack of the set it is added to, after checking everything that is said of it."""
    faults = _too_long(brought.name, brought.licence)
    base = None
    if brought.parent_id is not None:
        query = select(Dataset).where(Dataset.id == brought.parent_id, Dataset.owner_id == owner_id)
        parent = session.execute(query.with_for_update(read=True)).scalar_one_or_none()
        if parent is None:
            faults.append(Fault("/parent", "unknown_dataset", {"value": brought.parent_id}))
        elif parent.sha256 is None:
            faults.append(Fault("/parent", "dataset_not_ready", {"name": parent.name}))
        else:
            base = parent.sha256
    if faults:
        raise RefusedError("invalid", faults=faults)
    return base


def _like_its_parent(session: Session, brought: Brought) -> Brought:
    """What is not said of a version is what was said of the set it is made from."""
    parent = session.get(Dataset, brought.parent_id) if brought.parent_id else None
    if parent is None:
        return brought
    name, licence = brought.name.strip() or parent.name, brought.licence.strip() or parent.licence
    return replace(brought, name=name, licence=licence)


def _too_long(name: str, licence: str) -> list[Fault]:
    """What is wrong with what is said of a set."""
    return [
        Fault(f"/{field}", "bad_length", {"value": len(text), "limit": most})
        for field, text, most in (("name", name, MOST_NAME), ("licence", licence, MOST_LICENCE))
        if len(text) > most
    ]


def _sent_already(
    session: Session, owner_id: UUID, brought: Brought, upload: str
) -> Dataset | None:
    """The same upload with the same words, not yet checked: its answer was lost on the way."""
    query = select(Dataset).where(
        Dataset.owner_id == owner_id,
        Dataset.state == str(DatasetState.CHECKING),
        Dataset.upload_sha256 == upload,
        Dataset.name == _name(brought),
        Dataset.licence == brought.licence.strip(),
        Dataset.parent_id.is_not_distinct_from(brought.parent_id),
    )
    return session.scalars(query).first()


def _name(brought: Brought) -> str:
    return brought.name.strip() or "dataset"


def _insert(session: Session, owner_id: UUID, brought: Brought, **values: Any) -> Dataset:
    made = insert(Dataset).values(
        id=new_id(),
        owner_id=owner_id,
        parent_id=brought.parent_id,
        name=_name(brought),
        licence=brought.licence.strip(),
        **values,
    )
    return session.execute(made.returning(Dataset)).scalar_one()


def _users(session: Session, row: Dataset) -> list[str]:
    """The jobs that still need a dataset, in words."""
    query = select(Job.id, Job.kind).where(
        Job.owner_id == row.owner_id,
        Job.state.not_in([str(state) for state in ENDED]),
        Job.inputs.has_key(str(row.id)),
    )
    jobs = session.execute(query.order_by(Job.id).limit(USERS_NAMED + 1)).all()
    named = [f"{job.kind} {job.id}" for job in jobs[:USERS_NAMED]]
    return [*named, "..."] if len(jobs) > USERS_NAMED else named
