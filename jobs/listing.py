"""Lists of jobs, and where a waiting job stands in its queue."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from jobs import closures, expectation
from jobs.models import Base, Job, Slot
from jobs.refusals import Fault, RefusedError
from jobs.slots import SERVING
from jobs.states import State, Wanted

PAGE_SIZES = range(1, 101)
# Positions beyond this are shown as it: counting further would cost more than it tells.
FARTHEST_POSITION = 1000
_QUEUES = "queues"
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


class Queue(NamedTuple):
    """A queue's waiting jobs that come first, by minus their priority and id, and the seconds until
    each of them begins; of ``begins`` the last is of whoever comes after them."""

    order: list[tuple[int, UUID]]
    begins: list[float | None]


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
    queue = _queue(session, job.resource)
    ahead = bisect_left(queue.order, (-job.priority, job.id))
    return Place(1 + ahead, queue.begins[ahead])


def wait_seconds(session: Session, resource: str) -> float | None:
    """Seconds until a job that came now would begin; None where that is not known."""
    return _queue(session, resource).begins[-1]


def _queue(session: Session, resource: str) -> Queue:
    """A queue as it stands, looked at once a transaction: a page of jobs asks for each of them."""
    told: dict[str, Queue] = session.info.setdefault(_QUEUES, {})
    if resource not in told:
        query = (
            select(Job.priority, Job.id, Job.kind, Job.work)
            .where(Job.resource == resource, Job.state == str(State.QUEUED))
            .order_by(Job.priority.desc(), Job.id)
            .limit(FARTHEST_POSITION)
        )
        rows = session.execute(query).all()
        order = [(-priority, id_) for priority, id_, _, _ in rows]
        works = [(kind, work) for _, _, kind, work in rows]
        told[resource] = Queue(order, _begins(session, resource, works))
    return told[resource]


def _begins(
    session: Session, resource: str, waiting: Sequence[tuple[str, float | None]]
) -> list[float | None]:
    """Seconds until a slot is free for each of those ``waiting``, told by kind and work, and for
    whoever comes after them: running jobs as they tell of themselves, others as they should take;
    None where that is not known, as while the queue is closed."""
    counted = select(func.count()).select_from(Slot).where(Slot.resource == resource, SERVING)
    slots = session.execute(counted).scalar_one()
    is_open = session.execute(select(closures.is_open(resource))).scalar_one()
    if not slots or not is_open:
        return [None] * (len(waiting) + 1)
    free_in = _free_in(session, resource, slots)
    heapq.heapify(free_in)
    found = [free_in[0]]
    for kind, work in waiting:
        takes = expectation.seconds(session, kind, resource, work)
        heapq.heapreplace(free_in, free_in[0] + takes)
        found.append(free_in[0])
    return [seconds if math.isfinite(seconds) else None for seconds in found]


def _free_in(session: Session, resource: str, slots: int) -> list[float]:
    """Seconds until each of the ``slots`` is free, as far as those that wait could need it: 0 for
    an idle one, else what its job still takes; one that does not tell yet is half done."""
    left = Job.progress["seconds_left"].as_float()
    running = (
        select(Job.kind, Job.work, left, func.count().over())
        .where(Job.resource == resource, Job.state == str(State.RUNNING))
        .order_by(left.nulls_last())
        # Those after them end too late for any job whose place is told.
        .limit(FARTHEST_POSITION + 1)
    )
    found, at_work = [], 0
    for kind, work, told, at_work in session.execute(running):  # noqa: B007
        takes = expectation.seconds(session, kind, resource, work) / 2 if told is None else told
        found.append(takes)
    return found + [0.0] * (slots - at_work)


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
