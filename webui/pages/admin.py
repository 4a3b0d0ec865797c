"""``/admin``: is anything wrong? And what an administrator does about it."""

from __future__ import annotations

import json
from typing import Any

from flask import make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from engines.registry import KINDS
from jobs import closures
from jobs.office import administration, review
from jobs.records import audit, logs
from jobs.refusals import RefusedError
from jobs.service import PRIORITIES
from jobs.states import Reason
from webui import auth, filters, stands
from webui.api import admin_shapes, cursors, reading
from webui.api.admin import damage, seen
from webui.cards import STATUS_WORDS
from webui.pages.blueprint import pages
from webui.studio import owner_id, studio

LOG_LINES = 400
FOUND_LINES = 200
PAGE_SIZE = 50
SLOT_ACTIONS = {
    "drain": administration.drain,
    "undrain": administration.undrain,
    "quarantine": administration.quarantine,
    "forget": administration.forget,
}
QUEUE_ACTIONS = ("pause", "resume", "wake")
JOB_ACTIONS = ("cancel", "priority", "front", "requeue")


@pages.get("/admin")
@auth.require_administrator
def admin_page() -> Response:
    """The whole studio; what needs a hand stands on top."""
    found, services, needs = seen()
    made = make_response(
        render_template(
            "admin.html",
            seen=found,
            services=services,
            needs=[stands.need(each) for each in needs],
            disk_words=stands.disk_words(found),
            retry_seconds=closures.USUAL_RETRY_SECONDS,
            **stands.everywhere(),
        )
    )
    made.add_etag(weak=True)
    return made.make_conditional(request)


@pages.post("/admin/slots/<name>/<action>")
@auth.require_administrator
def act_on_slot(name: str, action: str) -> Response:
    """Drain, open, quarantine or forget a slot."""
    if action not in SLOT_ACTIONS:
        raise RefusedError("not_found")
    with studio().database.begin() as session:
        SLOT_ACTIONS[action](session, owner_id(), name, _reason())
    return _back()


@pages.post("/admin/queues/<name>/<action>")
@auth.require_administrator
def act_on_queue(name: str, action: str) -> Response:
    """Pause, resume or wake a queue."""
    if action not in QUEUE_ACTIONS:
        raise RefusedError("not_found")
    acts = {"pause": administration.pause_queue, "resume": administration.resume_queue}
    with studio().database.begin() as session:
        if action in acts:
            acts[action](session, owner_id(), name, _reason())
    if action != "pause":
        studio().waker.wake(administration.queue_named(name))
    return _back()


@pages.post("/admin/maintenance/<action>")
@auth.require_administrator
def maintenance(action: str) -> Response:
    """Begin or end maintenance."""
    if action not in ("begin", "end"):
        raise RefusedError("not_found")
    with studio().database.begin() as session:
        if action == "end":
            administration.end_maintenance(session, owner_id(), _reason())
        else:
            message = reading.storable("message", request.form.get("message", ""))
            seconds = _number("retry_seconds", closures.USUAL_RETRY_SECONDS)
            administration.begin_maintenance(session, owner_id(), message, seconds, _reason())
    for queue in closures.QUEUES if action == "end" else ():
        studio().waker.wake(queue)
    return _back()


@pages.get("/admin/jobs")
@auth.require_administrator
def all_jobs_page() -> str:
    """Everybody's jobs; the filters stand in the address."""
    wanted = filters.of_jobs(request.args)
    start = cursors.read(request.args.get("cursor", ""))
    with studio().database.begin() as session:
        page = review.page(session, wanted, PAGE_SIZE, **start)
        names = review.owners(session, page.jobs)
    return render_template(
        "admin_jobs.html",
        rows=page.jobs,
        names=names,
        links=cursors.links(page),
        given=filters.given(filters.NAMES, request.args),
        statuses=STATUS_WORDS,
        reasons=list(Reason),
        kinds=KINDS,
        **stands.everywhere(),
    )


@pages.get("/admin/jobs/<job_id>")
@auth.require_administrator
def whole_job_page(job_id: str) -> str:
    """Anybody's job in full; ``?find=`` searches its log, ``?check=`` reads a checkpoint."""
    id_, find = reading.id_of(job_id), reading.query("find").strip()
    with studio().database.begin() as session:
        found = review.whole(session, id_)
        if find:
            whole = logs.read(session, id_, 0, logs.size(session, id_))
        else:
            whole = logs.tail(session, id_, LOG_LINES)
        checked = reading.query("check")
        saved = review.checkpoint(session, id_, reading.id_of(checked)) if checked else None
    lines = whole.decode("utf-8", "replace").splitlines()
    if find:
        lines = [line for line in lines if find.casefold() in line.casefold()][-FOUND_LINES:]
    return render_template(
        "admin_job.html",
        seen=found,
        job=found.job,
        params=json.dumps(found.job.params, ensure_ascii=False, indent=2),
        told=lambda event: json.dumps(event.data, ensure_ascii=False),
        log="\n".join(lines),
        log_lines=LOG_LINES,
        find=find,
        checked=checked,
        damage=damage(saved.sha256) if saved is not None else None,
        priorities=(PRIORITIES[0], PRIORITIES[-1]),
        **stands.everywhere(),
    )


@pages.post("/admin/jobs/<job_id>/<action>")
@auth.require_administrator
def act_on_job(job_id: str, action: str) -> Response:
    """Cancel anybody's job, give it a priority, put it first, or queue it again."""
    if action not in JOB_ACTIONS:
        raise RefusedError("not_found")
    id_, by, reason = reading.id_of(job_id), owner_id(), _reason()
    with studio().database.begin() as session:
        if action == "cancel":
            row = administration.cancel(session, by, id_, reason)
        elif action == "priority":
            row = administration.set_priority(session, by, id_, _number("priority", None), reason)
        elif action == "front":
            row = administration.move_to_front(session, by, id_, reason)
        else:
            start = request.form.get("from") == "start"
            row = administration.requeue(session, by, id_, reason, start)
    if row.state == "queued":
        studio().waker.wake(row.resource)
    return redirect(url_for("pages.whole_job_page", job_id=id_), 303)


@pages.get("/admin/requeue")
@auth.require_administrator
def requeue_page() -> str:
    """Which failed jobs a filter means, before they are queued again."""
    wanted = filters.of_jobs(request.args)
    with studio().database.begin() as session:
        effect = review.requeueable(session, wanted)
        names = review.owners(session, effect.examples)
    return render_template(
        "admin_requeue.html",
        effect=effect,
        names=names,
        given=filters.given(filters.NAMES, request.args),
        most=administration.REQUEUED_AT_A_TIME,
        **stands.everywhere(),
    )


@pages.post("/admin/requeue")
@auth.require_administrator
def requeue_many() -> Response:
    """Queue them again, then show how they stand."""
    wanted = filters.of_jobs(request.args)
    start = request.form.get("from") == "start"
    done = administration.requeue_many(studio().database, owner_id(), wanted, _reason(), start)
    for queue in {row.resource for row in done}:
        studio().waker.wake(queue)
    chosen: dict[str, Any] = filters.given(filters.NAMES, request.args)
    return redirect(url_for("pages.requeue_page", **chosen), 303)


@pages.get("/admin/audit")
@auth.require_administrator
def audit_page() -> str:
    """What administrators changed; ``?check=yes`` reads the whole log."""
    wanted = filters.of_audit(request.args)
    before = reading.number("before", 0) or None
    with studio().database.begin() as session:
        rows = audit.page(session, wanted, PAGE_SIZE + 1, before)
    checked = None
    if request.args.get("check") == "yes":
        with studio().database.snapshot() as session:
            checked = admin_shapes.audit_checked(audit.check(session))
    given: dict[str, Any] = filters.given(filters.AUDIT_NAMES, request.args)
    more = rows[PAGE_SIZE - 1].id if len(rows) > PAGE_SIZE else None
    return render_template(
        "admin_audit.html",
        rows=rows[:PAGE_SIZE],
        more=more and url_for("pages.audit_page", **given, before=more),
        given=given,
        actions={str(each): each.meaning for each in audit.Action},
        checked=checked,
        told=lambda value: json.dumps(value, ensure_ascii=False, sort_keys=True),
        **stands.everywhere(),
    )


def _reason() -> str:
    return reading.storable("reason", request.form.get("reason", ""))


def _number(name: str, default: int | None) -> Any:
    text = request.form.get(name, "").strip()
    if not text and default is not None:
        return default
    return reading.whole(name, text)


def _back() -> Response:
    return redirect(url_for("pages.admin_page"), 303)
