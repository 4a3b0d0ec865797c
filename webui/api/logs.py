"""``/jobs/{id}/log``: what a job's runs said, as a text that grows."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from jobs import service
from jobs.models import Job
from jobs.records import logs as kept
from jobs.refusals import Fault, RefusedError
from webui import problems
from webui.api import reading
from webui.studio import owner_id, studio

logs = Blueprint("logs", __name__, url_prefix="/api/v1/jobs")
TAIL_LINES = range(1, 10_001)
POLL_SECONDS = 1


@logs.get("/<job_id>/log")
def show(job_id: str) -> Response:
    """The log of a job, or the part of it that ``Range`` or ``?tail=`` asks for."""
    id_ = reading.id_of(job_id)
    return log_of(lambda session: service.get(session, owner_id(), id_))


def log_of(find: Callable[[Session], Job]) -> Response:
    """The log of the job that is found, or the part of it that the request asks for."""
    lines = _tail()
    with studio().database.begin() as session:
        row = find(session)
        size = kept.size(session, row.id)
        # The log only grows: its size says which log it is.
        tag = str(size)
        if request.if_none_match.contains_weak(tag):
            made = Response(status=304)
        elif lines is not None:
            made = Response(kept.tail(session, row.id, lines))
        elif (part := _part(size, tag)) is None:
            made = Response(kept.read(session, row.id, 0, size))
        elif part[0] >= part[1]:
            made = problems.answer(RefusedError("range_not_satisfiable"))
            made.headers["Content-Range"] = f"bytes */{size}"
            return made
        else:
            made = Response(kept.read(session, row.id, *part), status=206)
            made.headers["Content-Range"] = f"bytes {part[0]}-{part[1] - 1}/{size}"
    made.content_type = "text/plain; charset=utf-8"
    made.headers["Accept-Ranges"] = "bytes"
    made.set_etag(tag)
    if not service.is_settled(row):
        made.headers["Retry-After"] = str(POLL_SECONDS)
    return made


def _tail() -> int | None:
    if "tail" not in request.args:
        return None
    lines = reading.number("tail", 0)
    if lines not in TAIL_LINES:
        limits = {"value": lines, "low": TAIL_LINES[0], "high": TAIL_LINES[-1]}
        raise RefusedError("invalid", faults=[Fault("/tail", "out_of_range", limits)])
    return lines


def _part(size: int, tag: str) -> tuple[int, int] | None:
    """The one range of bytes that is asked for, empty when there is nothing in it; else None.

    Several ranges, other units and what is no range at all may be answered with everything.
    """
    asked = request.range
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return None
    since = request.if_range
    if since.date is not None or since.etag not in (None, tag):
        return None  # the asker has a part of another log than this one
    return asked.range_for_length(size) or (size, size)
