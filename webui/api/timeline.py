"""``/jobs/{id}/metrics`` and ``/jobs/{id}/frames``: what a run measured and showed, by step."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from engines.registry import KINDS
from jobs import service
from jobs.models import Job
from jobs.records import frames as kept
from jobs.records import metrics
from jobs.refusals import Fault, RefusedError
from webui.api import reading, shapes
from webui.api.files import stored_bytes
from webui.curves import in_order
from webui.studio import owner_id, studio
from webui.texts import language

timeline = Blueprint("timeline", __name__, url_prefix="/api/v1/jobs")
POINTS = range(4, 20_001)
DEFAULT_POINTS = 1000
POLL_SECONDS = 2


@timeline.get("/<job_id>/metrics")
def figures(job_id: str) -> Response:
    """The figures of a job's steps, with at most ``?points=`` points each."""
    names = request.args.getlist("name")
    points = _within("points", DEFAULT_POINTS, POINTS)
    first = _within("first", 0, range(metrics.NO_END))
    last = _within("last", metrics.NO_END - 1, range(metrics.NO_END))
    with studio().database.begin() as session:
        row = service.get(session, owner_id(), reading.id_of(job_id))
        # What the figures are called is told in the reader's language.
        tag = f"{metrics.version(session, row.id)}-{language()}"
        if request.if_none_match.contains_weak(tag):
            return _answered(Response(status=304), row, tag)
        columns = metrics.read(session, row.id, first, last)
    kind = KINDS.get(row.kind)
    shown = [
        shapes.series(kind, name, columns, points) for name in names or in_order(kind, columns)
    ]
    return _answered(jsonify(results=shown), row, tag)


@timeline.get("/<job_id>/frames")
def frames(job_id: str) -> Response:
    """Every picture of a job's timeline, in the order of the steps."""
    with studio().database.begin() as session:
        row = service.get(session, owner_id(), reading.id_of(job_id))
        tag = f"{kept.version(session, row.id)}-{row.progress.get('best_step', '')}"
        if request.if_none_match.contains_weak(tag):
            return _answered(Response(status=304), row, tag)
        shown = kept.listing(session, row.id)
    best = kept.best_step(row.progress, shown)
    body: dict[str, Any] = {
        "results": [shapes.frame(each, best) for each in shown],
        "best_step": best,
        "full": len(shown) >= kept.MOST_FRAMES,
    }
    return _answered(jsonify(body), row, tag)


@timeline.get("/<job_id>/frames/<step>")
def frame(job_id: str, step: str) -> Response:
    """The picture of a step; its own ``url``, which names its content, is cached for good."""
    with studio().database.begin() as session:
        row = service.get(session, owner_id(), reading.id_of(job_id))
        found = kept.get(session, row.id, _step(step))
    made = stored_bytes(found.sha256, kept.MEDIA_TYPE, kept.name(found))
    if request.args.get("v") != found.sha256[:12]:
        # A resumed run may put another picture at this step.
        made.headers["Cache-Control"] = "private, no-cache"
    return made


def _answered(made: Response, row: Job, tag: str) -> Response:
    made.set_etag(tag, weak=True)
    made.headers["Cache-Control"] = "private, no-cache"
    if not service.is_settled(row):
        made.headers["Retry-After"] = str(POLL_SECONDS)
    return made


def _within(name: str, default: int, bounds: range) -> int:
    number = reading.number(name, default)
    if number not in bounds:
        limits = {"value": number, "low": bounds[0], "high": bounds[-1]}
        raise RefusedError("invalid", faults=[Fault(f"/{name}", "out_of_range", limits)])
    return number


def _step(text: str) -> int:
    if not text.isdecimal() or int(text) >= metrics.NO_END:
        raise RefusedError("not_found")
    return int(text)
