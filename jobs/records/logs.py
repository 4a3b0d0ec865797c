"""The log of a job: what its runs said, kept in the database beside it.

A worker appends whole lines under its fence; whoever reads sees one text that only grows, so a
reader may ask for what stands after the bytes it has. The bounds are generous for what engines
say and keep a run that says the same for ever from filling the database; what one attempt may
say is bounded where it is read, in ``worker/logbook.py``.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.orm import Session

from jobs import lease
from jobs.lease import Hold
from jobs.models import LogChunk, table

BYTES_PER_JOB = 2 * 1024 * 1024
FULL = b"(More than this is not kept of a job; the machines that run it have the rest.)\n"
# A line is rarely longer: reading a tail starts this many bytes for each line before the end.
USUAL_LINE_BYTES = 400

_CHUNK = table(LogChunk)
_ADD = insert(_CHUNK)
_LAST = (
    select(_CHUNK.c.start, _CHUNK.c.content)
    .where(_CHUNK.c.job_id == bindparam("job"))
    .order_by(_CHUNK.c.start.desc())
    .limit(1)
)


def append(session: Session, hold: Hold, content: bytes) -> bool:
    """Append whole lines; False when the job's log is full, which its last line then says.

    Raises FenceLostError when the attempt was outlived.
    """
    lease.confirm(session, hold)
    last = session.execute(_LAST, {"job": hold.job_id}).one_or_none()
    if last is not None and last.content == FULL:
        return False
    start = last.start + len(last.content) if last is not None else 0
    fits = start + len(content) <= BYTES_PER_JOB
    added = content if fits else FULL
    row = {"job_id": hold.job_id, "start": start, "fence": hold.fence, "content": added}
    session.execute(_ADD, row)
    return fits


def size(session: Session, job_id: UUID) -> int:
    """How many bytes a job's log has."""
    last = session.execute(_LAST, {"job": job_id}).one_or_none()
    return last.start + len(last.content) if last is not None else 0


def read(session: Session, job_id: UUID, start: int, stop: int) -> bytes:
    """The bytes from ``start`` up to ``stop`` of a job's log."""
    # The chunk in which ``start`` lies begins before it: at the last beginning up to there.
    first = (
        select(func.max(LogChunk.start))
        .where(LogChunk.job_id == job_id, LogChunk.start <= start)
        .scalar_subquery()
    )
    rows = session.execute(
        select(LogChunk.start, LogChunk.content)
        .where(LogChunk.job_id == job_id, LogChunk.start >= first, LogChunk.start < stop)
        .order_by(LogChunk.start)
    ).all()
    if not rows:
        return b""
    offset = rows[0].start
    return b"".join(row.content for row in rows)[start - offset : stop - offset]


def tail(session: Session, job_id: UUID, lines: int) -> bytes:
    """The last ``lines`` lines of a job's log."""
    end = size(session, job_id)
    reach = USUAL_LINE_BYTES * lines
    while True:
        start = max(0, end - reach)
        found = read(session, job_id, start, end)
        # One more line end than lines: the first piece may have begun in the middle of a line.
        if start == 0 or found.count(b"\n") > lines:
            return b"".join(found.splitlines(keepends=True)[-lines:])
        reach *= 4
