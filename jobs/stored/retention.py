"""What is kept of jobs that have ended, and for how long: rules, what they would remove, doing it.

A rule speaks of one thing (``previews``, ``frames``, ``checkpoints``, ``logs`` or ``works``) of one
person or of everybody; a person's own rule replaces everybody's. It lets go of what is older than
``days`` since the job's end, but never of a person's ``keep`` newest jobs. ``works`` removes the
whole job. Jobs that have not ended are never touched, nor works that are shared or that a job
waits for; without a rule everything is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlalchemy.orm import Session

from engines.kind import N_
from jobs.access import people
from jobs.database import Database
from jobs.models import Checkpoint, Frame, Job, LogChunk, Owner, RetentionRule
from jobs.moves import UnknownJobError, lock_job, note
from jobs.records import audit
from jobs.refusals import Fault, RefusedError
from jobs.states import ENDED, State, Word
from jobs.stored import deletion

DAYS = range(36_501)
KEEP = range(1_000_001)
# As many jobs of each rule in one turn of the keeper; more wait for the next, and are not weighed.
AT_A_TIME = 200
RULES_LOCK = 7_021_892
SHOWN = 10


class What(Word):
    """What a rule lets go of; the meaning is shown to administrators."""

    PREVIEWS = "previews", N_("Previews of jobs that have ended")
    FRAMES = "frames", N_("Frames of the timelines of trainings")
    CHECKPOINTS = "checkpoints", N_("Checkpoints of jobs that failed or were canceled")
    LOGS = "logs", N_("Logs of runs")
    WORKS = "works", N_("Whole jobs with their works")


@dataclass(frozen=True)
class Rule:
    """Let go of ``what`` after ``days``, except of a person's ``keep`` newest jobs.

    ``owner`` is a name; None means everybody who has no rule of their own.
    """

    what: What
    days: int
    keep: int = 0
    owner: str | None = None


@dataclass(frozen=True)
class Effect:
    """What a rule would remove now: from how many jobs, some ids, and how many bytes of the first
    ``weighed`` of them."""

    rule: Rule
    jobs: int
    bytes: int
    weighed: int
    some: tuple[UUID, ...]


def hold(session: Session) -> None:
    """Let nobody else change the rules until this transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(RULES_LOCK)))


def rules(session: Session) -> list[Rule]:
    """Every rule: everybody's first."""
    query = select(RetentionRule, Owner.name).outerjoin(Owner, Owner.id == RetentionRule.owner_id)
    found = [Rule(What(row.what), row.days, row.keep, name) for row, name in session.execute(query)]
    order = list(What)
    return sorted(found, key=lambda rule: (rule.owner or "", order.index(rule.what)))


def replace(session: Session, by: UUID | str, new: Sequence[Rule], reason: str = "") -> None:
    """Let ``new`` be the rules from now on. Raises :class:`RefusedError` naming every fault."""
    hold(session)
    owners = _checked(session, new)
    before = [asdict(rule) for rule in rules(session)]
    session.execute(delete(RetentionRule))
    for rule in new:
        owner_id = owners[rule.owner] if rule.owner is not None else None
        values = {"what": str(rule.what), "days": rule.days, "keep": rule.keep}
        session.add(RetentionRule(owner_id=owner_id, **values))
    session.flush()
    after = [asdict(rule) for rule in rules(session)]
    if before != after:
        audit.record(
            session,
            by,
            audit.Action.RETENTION_CHANGED,
            "retention",
            reason=reason,
            before={"rules": before},
            after={"rules": after},
        )


def effects(session: Session) -> list[Effect]:
    """What the rules would remove now; nothing is changed."""
    found = []
    for rule, due in _dues(session):
        ids = due.with_only_columns(Job.id)
        counted = select(func.count()).select_from(ids.order_by(None).subquery())
        jobs = session.execute(counted).scalar_one()
        weighed = session.scalars(ids.limit(AT_A_TIME)).all()
        size = deletion.size_of(session, weighed, str(rule.what))
        found.append(Effect(rule, jobs, size, len(weighed), tuple(weighed[:SHOWN])))
    return found


def apply(
    database: Database,
    by: UUID | str = "keeper",
    most: int = AT_A_TIME,
    pulse: Callable[[], None] = lambda: None,
) -> dict[What, int]:
    """Remove what the rules let go of, each job in a transaction of its own; how many jobs.

    At most ``most`` jobs of each rule; ``pulse`` is called after each. Raises DatabaseDownError.
    """
    removed: dict[What, int] = {}
    with database.begin() as session:
        dues = [
            (rule, session.scalars(due.with_only_columns(Job.id).limit(most)).all())
            for rule, due in _dues(session)
        ]
    for rule, ids in dues:
        for job_id in ids:
            with database.begin() as session:
                removed[rule.what] = removed.get(rule.what, 0) + _apply(session, rule, job_id, by)
            pulse()
    return removed


def _apply(session: Session, rule: Rule, job_id: UUID, by: UUID | str) -> bool:
    try:
        job = lock_job(session, job_id)
    except UnknownJobError:
        return False  # its owner was faster
    if rule.what is What.WORKS:
        deletion.hold_works(session, job)
    if State(job.state) not in ENDED:
        return False
    if rule.what is What.WORKS:
        if deletion.is_kept(session, job):
            return False
        deletion.remove(session, job, by)
        return True
    if rule.what is What.PREVIEWS:
        session.execute(
            update(Job)
            .where(Job.id == job.id)
            .values(preview_sha256=None)
            .execution_options(synchronize_session="fetch")
        )
    else:
        table = _TABLES[rule.what]
        session.execute(delete(table).where(table.job_id == job.id))
        if rule.what is What.CHECKPOINTS:
            job.best_score = None  # else a retry would never have its best checkpoint again
    note(session, job, "retired", {"what": str(rule.what), "by": str(by)})
    return True


_TABLES: dict[What, Any] = {
    What.FRAMES: Frame,
    What.CHECKPOINTS: Checkpoint,
    What.LOGS: LogChunk,
}


def _dues(session: Session) -> Iterator[tuple[Rule, Any]]:
    """Each rule with the question for the jobs that it lets go of, oldest end first."""
    known = rules(session)
    names = {rule.owner for rule in known if rule.owner}
    found = session.execute(select(Owner.name, Owner.id).where(Owner.name.in_(names))).all()
    owners = {row.name: row.id for row in found}
    for rule in known:
        if rule.owner is not None:
            whose: ColumnElement[bool] = Job.owner_id == owners[rule.owner]
        else:
            own = [owners[r.owner] for r in known if r.owner and r.what is rule.what]
            whose = Job.owner_id.not_in(own)
        yield rule, _due(rule, whose)


def _due(rule: Rule, whose: ColumnElement[bool]) -> Any:
    ended = Job.state.in_([str(state) for state in ENDED])
    old = Job.ended_at < func.clock_timestamp() - timedelta(days=rule.days)
    # What may not go is left out here already: else it would stand before all that may, for ever.
    query = select(Job).where(ended, old, whose, _has(rule.what)).order_by(Job.ended_at)
    if rule.keep:
        place = func.row_number().over(partition_by=Job.owner_id, order_by=Job.ended_at.desc())
        ranked = select(Job.id, place.label("place")).where(ended, whose).subquery()
        older = select(ranked.c.id).where(ranked.c.place > rule.keep)
        query = query.where(Job.id.in_(older))
    return query


def _has(what: What) -> ColumnElement[bool]:
    if what is What.WORKS:
        return ~deletion.kept()
    if what is What.PREVIEWS:
        return Job.preview_sha256.is_not(None)
    table = _TABLES[what]
    return exists().where(table.job_id == Job.id)


def _checked(session: Session, new: Sequence[Rule]) -> dict[str, UUID]:
    """The ids of those whom rules of their own name, by the names as they are written there."""
    named = {name: people.named(session, name) for name in {rule.owner for rule in new} if name}
    owners = {name: found.id for name, found in named.items() if found is not None}
    faults, seen = [], set()
    for position, rule in enumerate(new):
        at = f"/rules/{position}"
        for name, value, limits in (("days", rule.days, DAYS), ("keep", rule.keep, KEEP)):
            if value not in limits:
                told = {"value": value, "low": limits[0], "high": limits[-1]}
                faults.append(Fault(f"{at}/{name}", "out_of_range", told))
        if rule.owner is not None and rule.owner not in owners:
            faults.append(Fault(f"{at}/owner", "unknown_person", {"value": rule.owner}))
        whose = (rule.what, owners.get(rule.owner, rule.owner) if rule.owner else None)
        if whose in seen:
            faults.append(Fault(at, "said_twice", {"value": str(rule.what)}))
        seen.add(whose)
    if faults:
        raise RefusedError("invalid", faults=faults)
    return owners
