"""The figures of a job, step by step, in chunks beside it.

A worker writes them under its fence. They are exact; only of a job with more than
:data:`BYTES_PER_JOB` of them the oldest half become buckets of their lowest, mean and highest
value, which every reader is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from jobs.models import MetricChunk, table
from jobs.records.series import Column, Columns, joined, packed, unpacked

# About two million figures as engines measure them, packed.
BYTES_PER_JOB = 8 * 1024 * 1024
# A chunk grows, written anew each time, up to this size; then the next one begins.
BYTES_PER_CHUNK = 32 * 1024
POINTS_PER_BUCKET = 8
NO_END = 2**62

_INSERT = upsert(table(MetricChunk))
_KEEP = _INSERT.on_conflict_do_update(
    index_elements=["job_id", "first"],
    set_={name: _INSERT.excluded[name] for name in ("last", "fence", "content")},
)


def keep(session: Session, job_id: UUID, fence: int, columns: Columns) -> bool:
    """Write the chunk that begins where ``columns`` do; True when the next shall begin.

    The caller has made sure that the attempt holds its job.
    """
    steps = [column.steps for column in columns.values() if len(column)]
    first, last = min(each[0] for each in steps), max(each[-1] for each in steps)
    content = packed(columns)
    row = {"job_id": job_id, "first": first, "last": last, "fence": fence, "content": content}
    session.execute(_KEEP, row)
    return len(content) >= BYTES_PER_CHUNK


def thin(session: Session, job_id: UUID) -> int | None:
    """Thin the oldest half of what is too much to keep; returns the step up to which it was."""
    sizes = session.execute(
        select(MetricChunk.first, func.octet_length(MetricChunk.content).label("size"))
        .where(MetricChunk.job_id == job_id)
        .order_by(MetricChunk.first)
    ).all()
    total = sum(row.size for row in sizes)
    if total <= BYTES_PER_JOB:
        return None
    old, seen = [], 0
    for row in sizes[:-1]:
        if seen * 2 < total:
            old.append(row.first)
        seen += row.size
    if not old:
        return None
    mine = (MetricChunk.job_id == job_id) & MetricChunk.first.in_(old)
    rows = session.scalars(select(MetricChunk).where(mine).order_by(MetricChunk.first)).all()
    columns = joined(unpacked(row.content) for row in rows)
    thinned = {name: column.thinned(POINTS_PER_BUCKET) for name, column in columns.items()}
    last = rows[-1].last
    values = {"last": last, "content": packed(thinned)}
    session.execute(delete(MetricChunk).where(mine, MetricChunk.first != old[0]))
    session.execute(update(MetricChunk).where(mine, MetricChunk.first == old[0]).values(**values))
    return last


def rewind(session: Session, job_id: UUID, step: int) -> None:
    """Take away what was measured after ``step``."""
    mine = MetricChunk.job_id == job_id
    session.execute(delete(MetricChunk).where(mine, MetricChunk.first > step))
    cut = session.scalars(select(MetricChunk).where(mine, MetricChunk.last > step)).one_or_none()
    if cut is not None:
        kept = {name: column.between(0, step) for name, column in unpacked(cut.content).items()}
        cut.content, cut.last = packed({name: c for name, c in kept.items() if len(c)}), step
        session.flush()


def version(session: Session, job_id: UUID) -> str:
    """Changes whenever the figures do."""
    fence, last, chunks = session.execute(
        select(func.max(MetricChunk.fence), func.max(MetricChunk.last), func.count()).where(
            MetricChunk.job_id == job_id
        )
    ).one()
    return f"{fence or 0}-{last or 0}-{chunks}"


def read(session: Session, job_id: UUID, first: int = 0, last: int = NO_END) -> Columns:
    """Every figure of the steps ``first`` to ``last``, both included, by name."""
    chunks = session.scalars(
        select(MetricChunk.content)
        .where(MetricChunk.job_id == job_id, MetricChunk.last >= first, MetricChunk.first <= last)
        .order_by(MetricChunk.first)
    )
    whole = joined(map(unpacked, chunks))
    parts = {name: column.between(first, last) for name, column in whole.items()}
    return {name: column for name, column in parts.items() if len(column)}


def sampled(column: Column, points: int) -> Sequence[int]:
    """Positions of at most ``points`` points that show the same curve, 4 or more.

    The first and the last, and between them of equally many points each the lowest and the
    highest: no peak is ever left out.
    """
    if len(column) <= points:
        return range(len(column))
    lows, highs = column.lows or column.values, column.highs or column.values
    buckets, inner = (points - 2) // 2, len(column) - 2
    bounds = [1 + inner * bucket // buckets for bucket in range(buckets + 1)]
    found = {0, len(column) - 1}
    for start, stop in pairwise(bounds):
        found.add(min(range(start, stop), key=lows.__getitem__))
        found.add(max(range(start, stop), key=highs.__getitem__))
    return sorted(found)
