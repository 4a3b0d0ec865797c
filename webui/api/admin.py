"""``/admin``: the whole studio, its queues, and everybody's jobs; administrators only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, jsonify, request
from sqlalchemy.orm import Session

from jobs import closures
from jobs.models import Job
from jobs.office import administration, alarms, overview, review
from jobs.office.overview import Overview
from jobs.records import audit
from jobs.records.audit import Action
from jobs.refusals import Fault, RefusedError
from jobs.storage import DamagedError
from webui import auth, filters, services
from webui.api import admin_shapes, cursors, reading
from webui.api.files import stored_bytes
from webui.api.logs import log_of
from webui.studio import owner_id, studio

admin = Blueprint("admin", __name__, url_prefix="/api/v1/admin")
admin.before_request(auth.check_administrator)

DEFAULT_PAGE = 50
POLL_SECONDS = 2


@admin.get("/overview")
def show_overview() -> Response:
    """The whole studio, what needs a hand first; 304 when nothing changed."""
    body = admin_shapes.overview(*seen())
    tag = admin_shapes.tag(body)
    unchanged = request.if_none_match.contains_weak(tag)
    made = Response(status=304) if unchanged else jsonify(body)
    made.set_etag(tag, weak=True)
    made.headers["Retry-After"] = str(POLL_SECONDS)
    return made


def seen() -> tuple[Overview, alarms.Services, list[alarms.Alarm]]:
    """The studio as it is, and what needs a hand."""
    settings = studio().settings
    answered = services.ask(studio())
    with studio().database.begin() as session:
        found = overview.look(session, settings.running_per_owner)
    return found, answered, alarms.alarms(found, answered, settings.free_bytes)


@admin.post("/queues/<name>/pause")
def pause_queue(name: str) -> Response:
    """Let no waiting job of a queue begin."""
    reason = reading.reason()
    with studio().database.begin() as session:
        administration.pause_queue(session, owner_id(), name, reason)
    return _queues()


@admin.post("/queues/<name>/resume")
def resume_queue(name: str) -> Response:
    """Let waiting jobs of a queue begin again."""
    reason = reading.reason()
    with studio().database.begin() as session:
        administration.resume_queue(session, owner_id(), name, reason)
    studio().waker.wake(name)
    return _queues()


@admin.post("/queues/<name>/wake")
def wake(name: str) -> Response:
    """Tell the idle slots of a queue to look for work now; changes nothing."""
    studio().waker.wake(administration.queue_named(name))
    return _queues()


@admin.post("/maintenance/begin")
def begin_maintenance() -> Response:
    """Take no new jobs and begin none."""
    body = reading.json_object()
    reading.only(body, frozenset({"message", "retry_seconds", "reason"}))
    message = reading.storable("message", reading.typed(body, "message", str, ""))
    seconds = reading.typed(body, "retry_seconds", int, closures.USUAL_RETRY_SECONDS)
    reason = reading.storable("reason", reading.typed(body, "reason", str, ""))
    with studio().database.begin() as session:
        administration.begin_maintenance(session, owner_id(), message, seconds, reason)
    return _maintenance()


@admin.post("/maintenance/end")
def end_maintenance() -> Response:
    """Take jobs again."""
    reason = reading.reason()
    with studio().database.begin() as session:
        administration.end_maintenance(session, owner_id(), reason)
    for queue in closures.QUEUES:
        studio().waker.wake(queue)
    return _maintenance()


@admin.get("/jobs")
def jobs() -> Response:
    """A page of everybody's jobs, newest first."""
    wanted = filters.of_jobs(request.args)
    size = reading.number("limit", DEFAULT_PAGE)
    start = cursors.read(reading.query("cursor"))
    with studio().database.begin() as session:
        page = review.page(session, wanted, size, **start)
        names = review.owners(session, page.jobs)
    results = [admin_shapes.brief(row, names[row.owner_id]) for row in page.jobs]
    return jsonify(results=results, **cursors.links(page))


@admin.get("/jobs/<job_id>")
def job(job_id: str) -> Response:
    """Anybody's job in full."""
    with studio().database.begin() as session:
        return jsonify(admin_shapes.whole(review.whole(session, reading.id_of(job_id))))


@admin.get("/jobs/<job_id>/log")
def job_log(job_id: str) -> Response:
    """The log of anybody's job, or a part of it."""
    id_ = reading.id_of(job_id)
    return log_of(lambda session: review.get(session, id_))


@admin.get("/jobs/<job_id>/files/<file_id>")
def job_file(job_id: str, file_id: str) -> Response:
    """A file that a job made or was made from; that it was looked at stands in the audit log."""
    ids = reading.id_of(job_id), reading.id_of(file_id)
    with studio().database.begin() as session:
        row = review.file(session, *ids)
        if row.owner_id != owner_id():
            told = {"file": str(row.id), "name": row.name}
            audit.record(session, owner_id(), Action.JOB_FILE_SEEN, str(ids[0]), after=told)
    return stored_bytes(row.sha256, row.media_type, row.name)


@admin.get("/jobs/<job_id>/checkpoints/<checkpoint_id>/check")
def check_checkpoint(job_id: str, checkpoint_id: str) -> Response:
    """Read a checkpoint to its end: whether its hash is right."""
    ids = reading.id_of(job_id), reading.id_of(checkpoint_id)
    with studio().database.begin() as session:
        row = review.checkpoint(session, *ids)
    wrong = damage(row.sha256)
    return jsonify(id=checkpoint_id, whole=wrong is None, wrong=wrong)


def damage(sha256: str) -> str | None:
    """What is wrong with stored bytes; None when they hash right."""
    try:
        studio().storage.check(sha256)
    except DamagedError as damaged:
        return str(damaged)
    return None


@admin.post("/jobs/<job_id>/cancel")
def cancel(job_id: str) -> Response:
    """Stop anybody's job for good."""
    reason = reading.reason()
    return _act(lambda session, by, id_: administration.cancel(session, by, id_, reason), job_id)


@admin.post("/jobs/<job_id>/priority")
def priority(job_id: str) -> Response:
    """Give a job another priority."""
    body = reading.json_object()
    reading.only(body, frozenset({"priority", "reason"}))
    if "priority" not in body:
        raise RefusedError("invalid", faults=[Fault("/priority", "missing")])
    number = reading.typed(body, "priority", int, 0)
    reason = reading.storable("reason", reading.typed(body, "reason", str, ""))
    return _act(
        lambda session, by, id_: administration.set_priority(session, by, id_, number, reason),
        job_id,
    )


@admin.post("/jobs/<job_id>/front")
def front(job_id: str) -> Response:
    """Put a waiting job before all others of its queue."""
    reason = reading.reason()
    return _act(
        lambda session, by, id_: administration.move_to_front(session, by, id_, reason), job_id
    )


@admin.post("/jobs/<job_id>/requeue")
def requeue(job_id: str) -> Response:
    """Queue a failed job again; ``?from=start`` forgets its checkpoints."""
    start, reason = reading.choice("from", ("checkpoint", "start")) == "start", reading.reason()
    return _act(
        lambda session, by, id_: administration.requeue(session, by, id_, reason, start), job_id
    )


@admin.get("/requeue")
def preview_requeue() -> Response:
    """Which failed jobs a filter means: what POSTing the same would queue again."""
    wanted = filters.of_jobs(request.args)
    with studio().database.begin() as session:
        effect = review.requeueable(session, wanted)
        names = review.owners(session, effect.examples)
    examples = [admin_shapes.brief(row, names[row.owner_id]) for row in effect.examples]
    return jsonify(count=effect.count, examples=examples)


@admin.post("/requeue")
def requeue_many() -> Response:
    """Queue the failed jobs that a filter means again, some hundreds at a time."""
    wanted = filters.of_jobs(request.args)
    start, reason = reading.choice("from", ("checkpoint", "start")) == "start", reading.reason()
    done = administration.requeue_many(studio().database, owner_id(), wanted, reason, start)
    for queue in {row.resource for row in done}:
        studio().waker.wake(queue)
    with studio().database.begin() as session:
        left = review.requeueable(session, wanted).count
    return jsonify(requeued=len(done), left=left, ids=[str(row.id) for row in done])


@admin.get("/audit")
def audit_log() -> Response:
    """What administrators changed, newest first; ``before`` is the id to go on from."""
    wanted = filters.of_audit(request.args)
    size = reading.number("limit", DEFAULT_PAGE)
    before = reading.number("before", 0) or None
    with studio().database.begin() as session:
        rows = audit.page(session, wanted, min(max(size, 1), audit.PAGE_SIZES[-1]), before)
    return jsonify(results=[admin_shapes.audit_row(row) for row in rows])


@admin.get("/audit/check")
def audit_check() -> Response:
    """Read the whole audit log; ``?head=`` is a hash written down earlier."""
    with studio().database.snapshot() as session:
        found = audit.check(session, reading.query("head"))
    return jsonify(admin_shapes.audit_checked(found))


def _act(act: Callable[[Session, UUID, UUID], Job], job_id: str) -> Response:
    id_ = reading.id_of(job_id)
    with studio().database.begin() as session:
        row = act(session, owner_id(), id_)
        body: dict[str, Any] = admin_shapes.whole(review.whole(session, id_))
    if row.state == "queued":
        studio().waker.wake(row.resource)
    made = jsonify(body)
    made.status_code = 202 if body["status"] == "canceling" else 200
    return made


def _queues() -> Response:
    with studio().database.begin() as session:
        found = overview.look(session, studio().settings.running_per_owner)
    return jsonify(results=[admin_shapes.queue(each) for each in found.queues])


def _maintenance() -> Response:
    with studio().database.begin() as session:
        closed = closures.current(session).get(closures.STUDIO)
    return jsonify(maintenance=admin_shapes.closure(closed))
