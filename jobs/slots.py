"""The slots that serve the studio: who is here, who is drained, who is idle beside work."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from jobs import closures, quotas
from jobs.figures import SILENT
from jobs.models import Job, OwnerShare, Slot, table
from jobs.refusals import RefusedError
from jobs.states import State

FRESH = timedelta(seconds=5)
SERVING = Slot.beat_at > func.now() - timedelta(minutes=5)
"""That a slot was heard of lately."""

_INSERT = upsert(table(Slot)).values(beat_at=func.clock_timestamp())
_CHANGED = ("machine", "resource", "device", "standby", "beat_at")
_OPEN = Slot.drained_at.is_(None) & closures.is_open(bindparam("queue"))
_REGISTER, _REGISTER_VITALS = (
    _INSERT.on_conflict_do_update(
        index_elements=["name"], set_={name: _INSERT.excluded[name] for name in changed}
    ).returning(_OPEN)
    for changed in (_CHANGED, (*_CHANGED, "vitals"))
)


def register(
    session: Session,
    name: str,
    *,
    machine: str,
    resource: str,
    device: str,
    standby: bool,
    vitals: Mapping[str, Any] | None = None,
) -> bool:
    """Say that a slot is here and whether a runner waits in it; whether it may take a job.

    It may not while it is drained, its queue paused or the studio under maintenance. ``vitals``
    is what was measured since the last time, if anything was.
    """
    row: dict[str, Any] = {
        "name": name,
        "machine": machine,
        "resource": resource,
        "device": device,
        "standby": standby,
        "queue": resource,
    }
    register = _REGISTER
    if vitals is not None:
        row["vitals"], register = dict(vitals), _REGISTER_VITALS
    return bool(session.execute(register, row).scalar_one())


def note_rate(session: Session, name: str, rate: float) -> None:
    """Keep what the slot's machine does: operations a second of a matrix product. Raises
    :class:`RefusedError` (``unknown_slot``)."""
    _update(session, name, rate=rate)


def listing(session: Session) -> list[tuple[Slot, Job | None]]:
    """Every slot with the job that runs in it, by name."""
    running = (Job.slot == Slot.name) & (Job.state == str(State.RUNNING))
    query = select(Slot, Job).outerjoin(Job, running).order_by(Slot.name)
    return [(slot, job) for slot, job in session.execute(query)]


def drain(session: Session, name: str) -> None:
    """Let the slot finish what runs in it and take nothing more.

    Raises :class:`RefusedError` (``unknown_slot``).
    """
    closures.shut_gate(session)
    _update(session, name, drained_at=_since())


def quarantine(session: Session, name: str, cause: str) -> None:
    """The same, because its device cannot be used or is not trusted: ``cause`` is for the
    administrator, who lets it take jobs again once it is mended. Raises :class:`RefusedError`
    (``unknown_slot``).
    """
    closures.shut_gate(session)
    _update(session, name, drained_at=_since(), drained_because=cause)


def undrain(session: Session, name: str) -> None:
    """Let the slot take jobs again. Raises :class:`RefusedError` (``unknown_slot``)."""
    _update(session, name, drained_at=None, drained_because=None)


def is_silent(slot: Slot, job: Job | None, now: datetime) -> bool:
    """Whether a slot's worker is not heard of: neither of itself nor, if one runs, of its job."""
    if job is not None and job.lease_until is not None and job.lease_until > now:
        return False
    return now - slot.beat_at > SILENT


def forget(session: Session, name: str) -> None:
    """Strike a slot off whose worker is gone for good; should it come back, it registers anew.

    Raises :class:`RefusedError` (``unknown_slot``, ``slot_alive``).
    """
    slot = session.get(Slot, name, with_for_update=True)
    if slot is None:
        raise RefusedError("unknown_slot")
    now = session.execute(select(func.clock_timestamp())).scalar_one()
    running = select(Job).where(Job.slot == name, Job.state == str(State.RUNNING)).limit(1)
    if not is_silent(slot, session.scalars(running).first(), now):
        raise RefusedError("slot_alive")
    session.delete(slot)


def idle_beside_work(session: Session, seconds: float, running_limit: int) -> frozenset[str]:
    """Resources with a slot that has been ready beside a waiting job for ``seconds``.

    A job that its owner's limit holds back waits rightly.
    """
    silence = func.clock_timestamp() - FRESH
    long_ago = func.clock_timestamp() - timedelta(seconds=seconds)
    busy = select(Job.id).where(Job.slot == Slot.name, Job.state == str(State.RUNNING))
    due = (
        select(Job.id)
        .join(
            OwnerShare,
            (OwnerShare.owner_id == Job.owner_id) & (OwnerShare.resource == Job.resource),
        )
        .where(
            Job.resource == Slot.resource,
            Job.state == str(State.QUEUED),
            Job.queued_at < long_ago,
            quotas.may_run(running_limit),
        )
    )
    idle = select(Slot.resource).where(
        Slot.standby,
        Slot.drained_at.is_(None),
        closures.is_open(Slot.resource),
        Slot.beat_at > silence,
        ~busy.exists(),
        due.exists(),
    )
    return frozenset(session.execute(idle.distinct()).scalars())


def _since() -> Any:
    return func.coalesce(Slot.drained_at, func.clock_timestamp())


def _update(session: Session, name: str, **values: Any) -> None:
    found = session.execute(
        update(Slot)
        .where(Slot.name == name)
        .values(**values)
        .returning(Slot.name)
        .execution_options(synchronize_session=False)
    ).first()
    if found is None:
        raise RefusedError("unknown_slot")
