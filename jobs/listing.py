"""Lists of jobs, and where a waiting job stands in its queue."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true
from sqlalchemy.orm import Session

from jobs import closures, expectation
from jobs.models import Base, Job, Slot
from jobs.refusals import Fault, RefusedError
from jobs.slots import SERVING
from jobs.states import State, Wanted

PAGE_SIZES = range(1, 101)
# Positions beyond this are shown as it: counting further would cost more than it tells.
FARTHEST_POSITION = 1000
Listed = TypeVar("Listed", bound=Base)

STATUSES: dict[str, ColumnElement[bool]] = {
    **{str(state): Job.state == str(state) for state in State if state is not State.RUNNING},
    "running": and_(Job.state == str(State.RUNNING), Job.wanted == str(Wanted.RUN)),
    "pausing": and_(Job.state == str(State.RUNNING), Job.wanted == str(Wanted.PAUSE)),
    "canceling": and_(Job.state == str(State.RUNNING), Job.wanted == str(Wanted.CANCEL)),
}


@dataclass(frozen=True)
class Filter:
    """Which jobs to list; an empty field lists all. ``conditions`` must hold as well."""

    status: Sequence[str] = ()
    kind: str = ""
    tag: str = ""
    q: str = ""
    conditions: Sequence[ColumnElement[bool]] = ()


@dataclass(frozen=True)
class Page:
    """A page of jobs, newest first, and the ids from which the neighbouring pages start."""

    jobs: Sequence[Job]
    older_than: UUID | None
    newer_than: UUID | None


@dataclass(frozen=True)
class Place:
    """Where a waiting job stands: 1 is next; estimated seconds until it starts, if known."""

    position: int
    eta_seconds: float | None


class Waits(NamedTuple):
    """Of a waiting job what tells how long it should take."""

    kind: str
    work: float | None


def page(
    session: Session,
    owner_id: UUID | None,
    wanted: Filter,
    size: int,
    older_than: UUID | None = None,
    newer_than: UUID | None = None,
) -> Page:
    """One page of an owner's jobs, or of everybody's.

    Raises :class:`RefusedError` for an unusable filter.
    """
    query = filtered(select(Job), wanted)
    if owner_id is not None:
        query = query.where(Job.owner_id == owner_id)
    return Page(*keyset(session, query, Job.id, size, older_than, newer_than))


def keyset(
    session: Session,
    query: Select[Listed],
    column: Any,
    size: int,
    older_than: UUID | None,
    newer_than: UUID | None,
) -> tuple[list[Listed], UUID | None, UUID | None]:
    """``size`` rows, newest first, and the ids from which the older and newer pages start.

    Raises :class:`RefusedError` for an unusable size.
    """
    if size not in PAGE_SIZES:
        limits = {"value": size, "low": PAGE_SIZES[0], "high": PAGE_SIZES[-1]}
        raise RefusedError("invalid", faults=[Fault("/limit", "out_of_range", limits)])
    if newer_than is not None:
        query = query.where(column > newer_than).order_by(column)
    else:
        query = query.order_by(column.desc())
        if older_than is not None:
            query = query.where(column < older_than)
    found = list(session.execute(query.limit(size + 1)).scalars())
    more, found = len(found) > size, found[:size]
    ids: list[UUID] = [getattr(row, column.key) for row in found]
    if newer_than is not None:
        return found[::-1], ids[0] if ids else None, ids[-1] if more else None
    came_from_newer = older_than is not None and bool(ids)
    return found, ids[-1] if more else None, ids[0] if came_from_newer else None


def place(session: Session, job: Job) -> Place | None:
    """Where a waiting job stands in its queue; None when it does not wait."""
    if job.state != State.QUEUED:
        return None
    before = or_(
        Job.priority > job.priority,
        and_(Job.priority == job.priority, Job.id < job.id),
    )
    ahead = _ahead(session, job.resource, before)
    return Place(1 + len(ahead), _free_in(session, job.resource, ahead))


def wait_seconds(session: Session, resource: str) -> float | None:
    """Seconds until a job that came now would begin; None where that is not known."""
    return _free_in(session, resource, _ahead(session, resource, true()))


def _ahead(session: Session, resource: str, before: ColumnElement[bool]) -> Sequence[Waits]:
    """Kind and work of the waiting jobs of a queue that stand ``before``, the next one first; of
    very many those that come first."""
    query = (
        select(Job.kind, Job.work)
        .where(Job.resource == resource, Job.state == str(State.QUEUED), before)
        .order_by(Job.priority.desc(), Job.id)
        .limit(FARTHEST_POSITION)
    )
    return [Waits(*row) for row in session.execute(query)]


def _free_in(session: Session, resource: str, ahead: Sequence[Waits]) -> float | None:
    """Seconds until a slot is free for whoever comes after those ``ahead``: running jobs as they
    tell of themselves, others as they should take; None when that is not known, as while the queue
    is closed."""
    counted = select(func.count()).select_from(Slot).where(Slot.resource == resource, SERVING)
    slots = session.execute(counted).scalar_one()
    is_open = session.execute(select(closures.is_open(resource))).scalar_one()
    if not slots or not is_open:
        return None
    free_in = [*_remaining(session, resource)]
    free_in += [0.0] * (slots - len(free_in))
    heapq.heapify(free_in)
    for kind, work in ahead:
        takes = expectation.seconds(session, kind, resource, work)
        heapq.heapreplace(free_in, free_in[0] + takes)
    return free_in[0] if math.isfinite(free_in[0]) else None


def _remaining(session: Session, resource: str) -> Iterator[float]:
    """Seconds that each running job still takes; one that does not tell yet is half done."""
    left = Job.progress["seconds_left"].as_float()
    running = select(Job.kind, Job.work, left).where(
        Job.resource == resource, Job.state == str(State.RUNNING)
    )
    for kind, work, told in session.execute(running):
        yield expectation.seconds(session, kind, resource, work) / 2 if told is None else told


def filtered(query: Select[Job], wanted: Filter) -> Select[Job]:
    """The jobs of ``query`` that a filter lets through. Raises :class:`RefusedError`."""
    query = query.where(*wanted.conditions)
    if wanted.status:
        unknown = [status for status in wanted.status if status not in STATUSES]
        if unknown:
            values = {"value": unknown[0], "expected": ", ".join(STATUSES)}
            raise RefusedError("invalid", faults=[Fault("/status", "not_one_of", values)])
        query = query.where(or_(*(STATUSES[status] for status in wanted.status)))
    if wanted.kind:
        query = query.where(Job.kind == wanted.kind)
    if wanted.tag:
        query = query.where(Job.tags.contains([wanted.tag]))
    if wanted.q:
        joined = func.array_to_string(Job.tags, " ")
        query = query.where(
            or_(
                joined.icontains(wanted.q, autoescape=True),
                Job.kind.icontains(wanted.q, autoescape=True),
            )
        )
    return query
