"""``/jobs``: commission, look at, list, and act on jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from flask import Blueprint, Response, jsonify, request, url_for
from sqlalchemy.orm import Session

from engines.kind import Snapshot
from jobs import expectation, listing, service, snapshots
from jobs.models import Job
from jobs.post import notices
from jobs.refusals import RefusedError
from jobs.stored import files as kept
from webui import bundles
from webui.api import cursors, reading, shapes
from webui.api.files import stored_bytes
from webui.studio import owner_id, studio

jobs = Blueprint("jobs", __name__, url_prefix="/api/v1/jobs")
POLL_SECONDS = 1
WAIT_TICK_SECONDS = 0.2
DEFAULT_PAGE = 20
ORDER_FIELDS = frozenset({"kind", "params", "priority", "tags", "deadline_at", "webhook"})
Act = Callable[[Any, UUID, UUID], Job]


@jobs.post("")
def submit() -> Response:
    """Commission a job; shows the secret of a webhook that is named for the first time."""
    body = reading.json_object()
    reading.only(body, ORDER_FIELDS)
    order = service.Order(
        kind=reading.typed(body, "kind", str, ""),
        params=reading.typed(body, "params", dict, {}),
        priority=reading.typed(body, "priority", int, 0),
        tags=reading.texts(body, "tags"),
        deadline_at=reading.moment(body, "deadline_at"),
        idempotency_key=request.headers.get("Idempotency-Key"),
        webhook=reading.text(body, "webhook"),
    )
    with studio().database.begin() as session:
        row = service.submit(session, owner_id(), order, studio().settings)
        secret = notices.secret_to_tell(session, row)
    return accepted(row, secret)


@jobs.get("")
def index() -> Response:
    """A page of the caller's jobs, newest first."""
    wanted = listing.Filter(
        status=tuple(filter(None, reading.query("status").split(","))),
        kind=reading.query("kind"),
        tag=reading.query("tag"),
        q=reading.query("q"),
    )
    size = reading.number("limit", DEFAULT_PAGE)
    start = cursors.read(reading.query("cursor"))
    with studio().database.begin() as session:
        page = listing.page(session, owner_id(), wanted, size, **start)
        results = [_shape(session, row) for row in page.jobs]
    links = cursors.links(page)
    made = jsonify(results=results, **links)
    for relation, address in links.items():
        if address:
            made.headers.add("Link", f'<{address}>; rel="{relation}"')
    return made


@jobs.get("/<job_id>")
def show(job_id: str) -> Response:
    """One job; 304 when nothing changed since the caller's ETag."""
    with studio().database.begin() as session:
        row = service.get(session, owner_id(), reading.id_of(job_id))
        place = listing.place(session, row)
        tag = shapes.etag(row, place)
        if request.if_none_match.contains_weak(tag):
            made = Response(status=304)
        else:
            made = jsonify(_shape(session, row, place))
    made.set_etag(tag, weak=True)
    if not service.is_settled(row):
        made.headers["Retry-After"] = str(POLL_SECONDS)
    return made


@jobs.post("/<job_id>/cancel")
def cancel(job_id: str) -> Response:
    """Stop for good: 202 while its process still has to go, else 200."""
    return _act(job_id, service.cancel)


@jobs.post("/<job_id>/pause")
def pause(job_id: str) -> Response:
    """Rest at a checkpoint: 202 while its process still has to go, else 200."""
    return _act(job_id, service.pause)


@jobs.post("/<job_id>/resume")
def resume(job_id: str) -> Response:
    """Go on from the checkpoint."""
    return _act(job_id, service.resume)


@jobs.post("/<job_id>/retry")
def retry(job_id: str) -> Response:
    """Try a failed or canceled job again: 202; any other is answered unchanged, 200."""
    start = reading.choice("from", ("checkpoint", "start")) == "start"
    with studio().database.begin() as session:
        before = service.get(session, owner_id(), reading.id_of(job_id)).version
        row = service.retry(session, owner_id(), reading.id_of(job_id), from_start=start)
        body = _shape(session, row)
    studio().waker.wake(row.resource)
    made = jsonify(body)
    made.status_code = 202 if row.version != before else 200
    return made


@jobs.post("/<job_id>/rerun")
def rerun(job_id: str) -> Response:
    """Commission a new job like this one, with changed parameters."""
    body = reading.json_object(optional=True)
    reading.only(body, frozenset({"params", "webhook"}))
    url = reading.text(body, "webhook")
    changes = reading.typed(body, "params", dict, {})
    key = request.headers.get("Idempotency-Key")
    with studio().database.begin() as session:
        row = service.rerun(
            session, owner_id(), reading.id_of(job_id), changes, studio().settings, key, url
        )
        secret = notices.secret_to_tell(session, row)
    return accepted(row, secret)


@jobs.post("/<job_id>/snapshot")
def snapshot(job_id: str) -> Response:
    """Ask a run for its model of now (``?of=best``: the best so far): 202, it comes as a work."""
    of = cast(Snapshot, reading.choice("of", snapshots.WAYS))
    with studio().database.begin() as session:
        id_ = reading.id_of(job_id)
        body = _shape(session, snapshots.ask(session, owner_id(), id_, of, studio().settings))
    made = jsonify(body)
    made.status_code = 202
    return made


@jobs.get("/<job_id>/artifacts")
def artifacts(job_id: str) -> Response:
    """The finished works of a job, the result first."""
    with studio().database.begin() as session:
        row = service.get(session, owner_id(), reading.id_of(job_id))
        works = kept.outputs_of(session, row.id)
    return jsonify(results=[shapes.output(work) for work in works])


@jobs.get("/<job_id>/archive")
def archive(job_id: str) -> Response:
    """The finished works of a job in one ZIP, each as it leaves alone."""
    with studio().database.begin() as session:
        row = service.get(session, owner_id(), reading.id_of(job_id))
        works = kept.outputs_of(session, row.id)
        recipe = kept.recipe_inside(session, owner_id())
    if not works:
        raise RefusedError("not_found")
    return bundles.answer(works, f"{row.kind}-{str(row.id)[-8:]}.zip", recipe)


@jobs.get("/<job_id>/preview")
def preview(job_id: str) -> Response:
    """The newest preview of a job, as JPEG."""
    with studio().database.begin() as session:
        row = service.get(session, owner_id(), reading.id_of(job_id))
    if row.preview_sha256 is None:
        raise RefusedError("not_found")
    made = stored_bytes(row.preview_sha256, "image/jpeg")
    if "v" not in request.args:
        made.headers["Cache-Control"] = "private, no-cache"
    return made


def accepted(row: Job, webhook_secret: str | None = None) -> Response:
    """202 with the job; with ``Prefer: wait=N`` the answer waits for its end that long."""
    studio().waker.wake(row.resource)
    told = _settled(row, reading.wait_seconds())
    made = jsonify({**told, "webhook_secret": webhook_secret} if webhook_secret else told)
    made.status_code = 202
    if webhook_secret:
        made.headers["Cache-Control"] = "no-store"
    made.headers["Location"] = url_for("jobs.show", job_id=row.id)
    made.headers["Retry-After"] = str(POLL_SECONDS)
    return made


def _settled(row: Job, seconds: float) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while True:
        with studio().database.begin() as session:
            row = service.get(session, owner_id(), row.id)
            if service.is_settled(row) or time.monotonic() >= until:
                return _shape(session, row)
        time.sleep(WAIT_TICK_SECONDS)


def _act(job_id: str, act: Act) -> Response:
    with studio().database.begin() as session:
        row = act(session, owner_id(), reading.id_of(job_id))
        body = _shape(session, row)
    if row.state == "queued":
        studio().waker.wake(row.resource)
    made = jsonify(body)
    made.status_code = 202 if body["status"] in ("canceling", "pausing") else 200
    return made


def _shape(session: Session, row: Job, place: listing.Place | None = None) -> dict[str, Any]:
    place, run = place or listing.place(session, row), expectation.of(session, row)
    return shapes.job(row, kept.outputs_of(session, row.id), place, run)
