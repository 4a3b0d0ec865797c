"""How much of the studio one person may have, and how much they have.

A limit is the person's own where an administrator has set one, else the studio's. Running jobs and
GPU hours are bounded where a job is claimed, under the lock of its owner's share; waiting jobs
where one is submitted, under the same lock; disk where a file is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, union, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from jobs.models import (
    DATASET_BLOBS,
    Blob,
    Checkpoint,
    Dataset,
    File,
    Frame,
    GpuUse,
    Job,
    Owner,
    OwnerShare,
)
from jobs.moves import lock_shares
from jobs.refusals import TYPES, Fault, RefusedError
from jobs.settings import Settings

GPU_DAYS = 7
HOUR = 3600.0
ASKED_AT_ONCE = 50
# The highest that each may be set to; the lowest is 1, and 0 where that means no limit.
HIGHEST = {
    "running_limit": 1_000,
    "waiting_limit": 1_000_000,
    "disk_limit": 10**15,
    "gpu_hours_limit": 100_000,
}
UNLIMITED_BY_ZERO = frozenset({"disk_limit", "gpu_hours_limit"})


@dataclass(frozen=True)
class Limits:
    """What one person may have. ``running`` counts per resource (CPU, GPU); 0 bytes of disk or 0
    GPU hours a week mean no limit.
    """

    running: int
    waiting: int
    disk_bytes: int
    gpu_hours: float


@dataclass(frozen=True)
class Use:
    """What one person has. ``gpu_rest_until`` is when GPU jobs are started again, if they rest."""

    running: int
    waiting: int
    disk_bytes: int
    gpu_hours: float
    gpu_rest_until: datetime | None


def limits(owner: Owner, settings: Settings) -> Limits:
    """What this person may have."""

    def own(value: Any, studio: Any) -> Any:
        return studio if value is None else value

    return Limits(
        running=own(owner.running_limit, settings.running_per_owner),
        waiting=own(owner.waiting_limit, settings.waiting_per_owner),
        disk_bytes=own(owner.disk_limit, settings.disk_per_owner),
        gpu_hours=own(owner.gpu_hours_limit, settings.gpu_hours_per_owner),
    )


def limits_of(session: Session, owner_id: UUID, settings: Settings) -> Limits:
    """What the person of that id may have."""
    return limits(session.execute(select(Owner).where(Owner.id == owner_id)).scalar_one(), settings)


def use(session: Session, owner: Owner, settings: Settings) -> Use:
    """What the person has now."""
    return uses(session, [owner], settings)[owner.id]


def uses(session: Session, owners: Sequence[Owner], settings: Settings) -> dict[UUID, Use]:
    """What each of these people has now, in a few questions for :data:`ASKED_AT_ONCE` of them."""
    found: dict[UUID, Use] = {}
    for start in range(0, len(owners), ASKED_AT_ONCE):
        some = owners[start : start + ASKED_AT_ONCE]
        ids = [owner.id for owner in some]
        jobs, days, kept = _jobs(session, ids), _gpu_days(session, ids), _disk(session, ids)
        for owner in some:
            running, waiting = jobs.get(owner.id, (0, 0))
            mine = days.get(owner.id, {})
            found[owner.id] = Use(
                running=running,
                waiting=waiting,
                disk_bytes=kept.get(owner.id, 0),
                gpu_hours=sum(mine.values()) / HOUR,
                gpu_rest_until=_rest_until(mine, limits(owner, settings).gpu_hours),
            )
    return found


def _jobs(session: Session, ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """Jobs running and waiting, by owner."""
    counts = func.sum(OwnerShare.running), func.sum(OwnerShare.waiting)
    query = select(OwnerShare.owner_id, *counts).where(OwnerShare.owner_id.in_(ids))
    rows = session.execute(query.group_by(OwnerShare.owner_id))
    return {owner: (int(running), int(waiting)) for owner, running, waiting in rows}


def change(session: Session, owner_id: UUID, changes: Mapping[str, float | None]) -> None:
    """Set a person's own limits; None gives back the studio's. Raises :class:`RefusedError`."""
    faults = [
        Fault(f"/{name}", "out_of_range", {"value": value, "low": low, "high": HIGHEST[name]})
        for name, value in changes.items()
        for low in [0 if name in UNLIMITED_BY_ZERO else 1]
        if value is not None and not low <= value <= HIGHEST[name]
    ]
    faults += [
        Fault(f"/{name}", "wrong_type", {"value": value, "expected": TYPES["int"]})
        for name, value in changes.items()
        if isinstance(value, float) and name != "gpu_hours_limit"
    ]
    if faults:
        raise RefusedError("invalid", faults=faults)
    lock_shares(session, owner_id)
    row = update(Owner).where(Owner.id == owner_id)
    session.execute(row.values(**changes).execution_options(synchronize_session="fetch"))
    claimed = {name: value for name, value in changes.items() if hasattr(OwnerShare, name)}
    if claimed:
        # A rest of the past was counted with the limit of the past.
        enabled = select(Owner.id).where(Owner.id == owner_id, Owner.disabled_at.is_(None))
        shares = update(OwnerShare).where(OwnerShare.owner_id == owner_id)
        session.execute(shares.values(**claimed).execution_options(synchronize_session=False))
        awake = shares.where(OwnerShare.owner_id.in_(enabled)).values(rest_until=None)
        session.execute(awake.execution_options(synchronize_session=False))


def may_run(running_limit: int) -> ColumnElement[bool]:
    """Whether a share's owner may have one more of it running, as a condition of a query."""
    own = func.coalesce(OwnerShare.running_limit, running_limit)
    rested = OwnerShare.rest_until.is_(None) | (OwnerShare.rest_until <= func.clock_timestamp())
    return (OwnerShare.running < own) & rested


def check_waiting(session: Session, share: OwnerShare, owned: Limits) -> None:
    """Raises :class:`RefusedError` when one more job may not wait on the locked ``share``."""
    if share.waiting >= owned.waiting:
        raise RefusedError("queue_full", used=share.waiting, limit=owned.waiting)
    if share.resource == "gpu" and owned.gpu_hours:
        days = _gpu_days(session, [share.owner_id]).get(share.owner_id, {})
        until = _rest_until(days, owned.gpu_hours)
        if until is not None:
            raise RefusedError(
                "gpu_hours_used",
                used=f"{sum(days.values()) / HOUR:.1f}",
                limit=f"{owned.gpu_hours:g}",
                until=f"{until:%Y-%m-%d %H:%M} UTC",
                seconds=max(1, round((until - datetime.now(UTC)).total_seconds())),
            )


def rests(session: Session, owner_id: UUID, resource: str, gpu_hours: float) -> bool:
    """Whether an owner, whose share is locked, has used up their GPU hours; it rests then until
    enough of them are a week old. ``gpu_hours`` is the studio's limit.
    """
    if resource != "gpu":
        return False
    mine = (OwnerShare.owner_id == owner_id) & (OwnerShare.resource == resource)
    fresh = {"populate_existing": True}
    share = session.execute(select(OwnerShare).where(mine).execution_options(**fresh)).scalar_one()
    limit = gpu_hours if share.gpu_hours_limit is None else share.gpu_hours_limit
    if not limit:
        return False
    days = _gpu_days(session, [share.owner_id]).get(share.owner_id, {})
    share.rest_until = _rest_until(days, limit)
    session.flush()
    return share.rest_until is not None


def note_gpu(session: Session, owner_id: UUID, seconds: float) -> None:
    """An attempt of this owner had a GPU that long."""
    row = {"owner_id": owner_id, "day": func.current_date(), "seconds": seconds}
    more = {"seconds": GpuUse.seconds + seconds}
    known = [GpuUse.owner_id, GpuUse.day]
    session.execute(
        upsert(GpuUse).values(row).on_conflict_do_update(index_elements=known, set_=more)
    )


def check_disk(session: Session, owner_id: UUID, coming: int, owned: Limits) -> None:
    """Raises :class:`RefusedError` when ``coming`` bytes more are too many; what is kept in the
    same transaction cannot pass the limit beside another.
    """
    if not (limit := owned.disk_bytes):
        return
    session.execute(select(Owner.id).where(Owner.id == owner_id).with_for_update(key_share=True))
    used = disk_bytes(session, owner_id)
    if used + coming > limit:
        raise RefusedError("disk_used", used=size(used), limit=size(limit))


def disk_bytes(session: Session, owner_id: UUID) -> int:
    """Bytes of what this person's files, sets, checkpoints and pictures of timelines are; the same
    bytes once.
    """
    return _disk(session, [owner_id]).get(owner_id, 0)


def _disk(session: Session, ids: Sequence[UUID]) -> dict[UUID, int]:
    """The same, by owner."""

    def of_jobs(table: Any) -> Any:
        query = select(Job.owner_id, table.sha256).join_from(table, Job, table.job_id == Job.id)
        return query.where(Job.owner_id.in_(ids))

    kept = union(
        select(File.owner_id, File.sha256).where(File.owner_id.in_(ids)),
        of_jobs(Checkpoint),
        of_jobs(Frame),
        select(Job.owner_id, Job.preview_sha256).where(Job.owner_id.in_(ids)),
        *(
            select(Dataset.owner_id, bytes_).where(Dataset.owner_id.in_(ids))
            for bytes_ in DATASET_BLOBS
        ),
    ).subquery()
    query = select(kept.c.owner_id, func.sum(Blob.size)).join(Blob, kept.c.sha256 == Blob.sha256)
    rows = session.execute(query.group_by(kept.c.owner_id))
    return {owner: int(size) for owner, size in rows}


def size(count: float) -> str:
    """Bytes as people say them: ``12.3 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.4g} TB"


def _gpu_days(session: Session, ids: Sequence[UUID]) -> dict[UUID, dict[date, float]]:
    """Seconds by owner and day, of the days that count, the oldest first."""
    query = (
        select(GpuUse.owner_id, GpuUse.day, GpuUse.seconds)
        .where(GpuUse.owner_id.in_(ids), GpuUse.day > func.current_date() - GPU_DAYS)
        .order_by(GpuUse.day)
    )
    found: dict[UUID, dict[date, float]] = {}
    for row in session.execute(query):
        found.setdefault(row.owner_id, {})[row.day] = row.seconds
    return found


def _rest_until(days: Mapping[date, float], limit_hours: float) -> datetime | None:
    """When so many of these days no longer count that the rest is below the limit."""
    left = sum(days.values())
    if not limit_hours or left < limit_hours * HOUR:
        return None
    for day, seconds in days.items():
        left -= seconds
        if left < limit_hours * HOUR:
            return datetime.combine(day + timedelta(days=GPU_DAYS), time(), UTC)
    raise AssertionError("days that hold nothing are below any limit")
