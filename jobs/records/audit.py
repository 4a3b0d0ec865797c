"""The audit log: who changed what in the administration of the studio, and why.

A row is written in the transaction of the change it tells of, and never changed: the database
refuses it. Against whoever can make the database obey, rows are sealed in batches: each row's
digest is kept in its seal, and a seal's hash is made from them and from the hash of the seal
before, so that nothing sealed can be changed, removed or added without every later hash telling.
The chain's head stands in the keeper's log; written down elsewhere it also proves its own length.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, insert, select
from sqlalchemy.orm import Session

from engines.kind import N_
from jobs.models import AuditRow, AuditSeal, Owner
from jobs.states import Word

# Held shared by whoever writes a row until that is committed, alone by whoever seals: so no row
# with a lower number than a sealed one can appear later.
WRITERS_LOCK = 7_021_888
ROWS_PER_SEAL = 10_000
FIRST_HASH = "0" * 64
BEFORE_ALL = -(2**63)
PAGE_SIZES = range(1, 201)


class Action(Word):
    """What an administrator may change; the meaning completes "somebody ...".

    Whoever adds an administrative change adds its line here.
    """

    SLOT_DRAINED = "slot.drained", N_("drained a slot")
    SLOT_UNDRAINED = "slot.undrained", N_("let a slot take jobs again")
    SLOT_QUARANTINED = "slot.quarantined", N_("put a slot into quarantine")
    SLOT_FORGOTTEN = "slot.forgotten", N_("forgot a slot that was gone")
    QUEUE_PAUSED = "queue.paused", N_("paused a queue")
    QUEUE_RESUMED = "queue.resumed", N_("resumed a queue")
    MAINTENANCE_BEGUN = "maintenance.begun", N_("began maintenance")
    MAINTENANCE_ENDED = "maintenance.ended", N_("ended maintenance")
    JOB_CANCELED = "job.canceled", N_("canceled a job")
    JOB_PRIORITY = "job.priority", N_("changed the priority of a job")
    JOB_FRONT = "job.front", N_("moved a job to the front")
    JOB_DELETED = "job.deleted", N_("deleted a job with all that was made from it")
    FILE_DELETED = "file.deleted", N_("deleted an upload")
    DATASET_DELETED = "dataset.deleted", N_("deleted a set of pictures")
    MODEL_DELETED = "model.deleted", N_("deleted a model")
    RETENTION_CHANGED = "retention.changed", N_("changed how long things are kept")
    JOB_FILE_SEEN = "job.file_seen", N_("looked at a file of somebody's job")
    JOB_REQUEUED = "job.requeued", N_("queued a failed job again")
    PERSON_INVITED = "person.invited", N_("invited somebody")
    PERSON_UNINVITED = "person.uninvited", N_("took an invitation back")
    PERSON_CREATED = "person.created", N_("made an account")
    PERSON_ROLE = "person.role", N_("changed the role of a person")
    PERSON_LIMITS = "person.limits", N_("changed the limits of a person")
    PERSON_DISABLED = "person.disabled", N_("closed an account")
    PERSON_ENABLED = "person.enabled", N_("opened an account again")
    PERSON_TOKENS = "person.tokens", N_("narrowed the tokens of a person")
    PERSON_RESET = "person.reset", N_("made a link that sets a password")


@dataclass(frozen=True)
class Filter:
    """Which rows to list; an empty field lists all. ``actor`` is a name, and counts without an
    ``actor_id``; ``action`` may be the part of an action before its dot."""

    actor: str = ""
    action: str = ""
    target: str = ""
    since: datetime | None = None
    until: datetime | None = None
    actor_id: UUID | None = None


@dataclass(frozen=True)
class Wrong:
    """Something about the log that cannot be: ``subject`` names the row or seal."""

    subject: str
    words: str


@dataclass(frozen=True)
class Checked:
    """What a look at the whole log found. ``head`` is the newest seal's hash; ``unsealed`` rows
    are too young to be sealed and cannot be vouched for yet."""

    rows: int
    seals: int
    unsealed: int
    head: str
    wrong: tuple[Wrong, ...]


def record(
    session: Session,
    by: UUID | str,
    action: Action,
    target: str,
    *,
    reason: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write down a change in the transaction that makes it.

    ``by`` is an owner's id, or the name of a process (``keeper``, ``console``). ``before`` and
    ``after`` hold what changed of ``target``, as JSON; never a secret.
    """
    session.execute(select(func.pg_advisory_xact_lock_shared(WRITERS_LOCK)))
    name = select(Owner.name).where(Owner.id == by).scalar_subquery()
    session.execute(
        insert(AuditRow).values(
            actor_id=by if isinstance(by, UUID) else None,
            actor=func.coalesce(name, str(by)) if isinstance(by, UUID) else by,
            action=str(action),
            target=target,
            reason=reason,
            before=dict(before) if before is not None else None,
            after=dict(after) if after is not None else None,
        )
    )


def page(session: Session, wanted: Filter, size: int, before: int | None = None) -> list[AuditRow]:
    """Rows, newest first, at most ``size`` of them, older than row ``before``."""
    query = _filtered(select(AuditRow), wanted).order_by(AuditRow.id.desc()).limit(size)
    if before is not None:
        query = query.where(AuditRow.id < before)
    return list(session.scalars(query))


def last_targets(session: Session, actor: UUID, action: Action, within: timedelta) -> list[str]:
    """What this person was the last of all to do ``action`` to, in so long."""
    recent = AuditRow.at > func.clock_timestamp() - within
    done = select(func.max(AuditRow.id)).where(AuditRow.action == str(action), recent)
    theirs = AuditRow.id.in_(done.group_by(AuditRow.target)) & (AuditRow.actor_id == actor)
    return list(session.scalars(select(AuditRow.target).where(theirs)))


def seal(session: Session) -> AuditSeal | None:
    """Seal the rows that are not yet; None when there are none, or somebody is writing one."""
    free = select(func.pg_try_advisory_xact_lock(WRITERS_LOCK))
    if not session.execute(free).scalar_one():
        return None
    last = session.scalars(select(AuditSeal).order_by(AuditSeal.number.desc()).limit(1)).first()
    query = select(AuditRow).order_by(AuditRow.id).limit(ROWS_PER_SEAL)
    end = last.last_id if last else BEFORE_ALL
    rows = session.scalars(query.where(AuditRow.id > end)).all()
    if not rows:
        return None
    digests = {str(row.id): _digest(row) for row in rows}
    previous = last.hash if last else FIRST_HASH
    made = AuditSeal(
        number=last.number + 1 if last else 1,
        last_id=rows[-1].id,
        digests=digests,
        previous=previous,
        hash=_chained(previous, digests),
    )
    session.add(made)
    session.flush()
    return made


def check(session: Session, expected_head: str = "") -> Checked:
    """Read the whole log, in one snapshot, and find what was changed, removed or added.

    ``expected_head`` is a hash that was written down earlier: it must still be in the chain.
    """
    wrong: list[Wrong] = []
    rows = seals = 0
    last_id = BEFORE_ALL
    previous, known = FIRST_HASH, set[str]()
    for sealed in session.scalars(select(AuditSeal).order_by(AuditSeal.number)):
        seals += 1
        wrong += _wrong_with(sealed, seals, previous)
        query = select(AuditRow).where(AuditRow.id > last_id, AuditRow.id <= sealed.last_id)
        found = {str(row.id): _digest(row) for row in session.scalars(query.order_by(AuditRow.id))}
        wrong += _differences(sealed.digests, found)
        rows += len(found)
        last_id, previous, seals = sealed.last_id, sealed.hash, sealed.number
        known.add(sealed.hash)
    fresh = select(func.count()).where(AuditRow.id > last_id)
    unsealed = session.execute(fresh).scalar_one()
    if expected_head and expected_head not in known:
        wrong.append(Wrong("audit log", f"no seal has the hash {expected_head}: its end is gone"))
    return Checked(rows + unsealed, seals, unsealed, previous, tuple(wrong))


def _filtered(query: Select[AuditRow], wanted: Filter) -> Select[AuditRow]:
    if wanted.actor_id is not None:
        query = query.where(AuditRow.actor_id == wanted.actor_id)
    elif wanted.actor:
        query = query.where(AuditRow.actor == wanted.actor)
    if wanted.action:
        within = AuditRow.action.startswith(f"{wanted.action}.", autoescape=True)
        query = query.where((AuditRow.action == wanted.action) | within)
    if wanted.target:
        query = query.where(AuditRow.target == wanted.target)
    if wanted.since is not None:
        query = query.where(AuditRow.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(AuditRow.at < wanted.until)
    return query


def _wrong_with(sealed: AuditSeal, due: int, previous: str) -> Iterator[Wrong]:
    subject = f"audit seal {sealed.number}"
    if sealed.number != due:
        yield Wrong(subject, f"seal {due} was due: what stood between is gone")
    if sealed.previous != previous:
        yield Wrong(subject, "it does not follow from the seal before it")
    if sealed.hash != _chained(sealed.previous, sealed.digests):
        yield Wrong(subject, "its hash is not that of what it seals")


def _differences(sealed: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Wrong]:
    for id_ in sorted({*sealed, *found}, key=int):
        subject = f"audit row {id_}"
        if id_ not in found:
            yield Wrong(subject, "it was removed after it was sealed")
        elif id_ not in sealed:
            yield Wrong(subject, "it was put in after its neighbours were sealed")
        elif sealed[id_] != found[id_]:
            yield Wrong(subject, "it was changed after it was sealed")


def _digest(row: AuditRow) -> str:
    """SHA-256 of all that a row says, in hex."""
    at = row.at.astimezone(UTC).isoformat(timespec="microseconds")
    told: Sequence[Any] = (
        *(row.id, at, str(row.actor_id or ""), row.actor, row.action, row.target, row.reason),
        *(row.before, row.after),
    )
    return hashlib.sha256(_canonical(told)).hexdigest()


def _chained(previous: str, digests: Mapping[str, str]) -> str:
    listed = sorted(digests.items(), key=lambda entry: int(entry[0]))
    return hashlib.sha256(_canonical([previous, listed])).hexdigest()


def _canonical(value: Any) -> bytes:
    told = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return told.encode()
