"""``/jobs`` and ``/jobs/<id>``: is it alive, do I like it, when is it done?"""

from __future__ import annotations

import json
from typing import Any, cast
from uuid import UUID

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from engines import media
from engines.kind import Snapshot
from jobs import listing, service, snapshots
from jobs.models import Job
from jobs.records import logs
from jobs.refusals import RefusedError
from jobs.stored import naming, trained
from webui import cards, timeline
from webui.api import cursors, reading, shapes
from webui.curves import figure
from webui.offers import offers
from webui.pages.blueprint import pages
from webui.studio import owner_id, studio
from webui.texts import language

PAGE_SIZE = 24
LOG_LINES = 200


@pages.get("/jobs")
def jobs_page() -> str:
    """A page of one's jobs; the filters stand in the address."""
    status = reading.query("status")
    wanted = listing.Filter(
        status=(status,) if status else (),
        kind=reading.query("kind"),
        tag=reading.query("tag"),
        q=reading.query("q").strip(),
    )
    start = cursors.read(request.args.get("cursor", ""))
    with studio().database.begin() as session:
        page = listing.page(session, owner_id(), wanted, PAGE_SIZE, **start)
        shown = cards.cards(session, page.jobs)
    return render_template(
        "jobs.html",
        cards=shown,
        wanted=wanted,
        filtered=bool(status or wanted.kind or wanted.tag or wanted.q),
        links=cursors.links(page),
        statuses=cards.STATUS_WORDS,
    )


@pages.get("/jobs/<job_id>")
def job_page(job_id: str) -> str:
    """One job, its picture as large as the window allows."""
    with studio().database.begin() as session:
        row = service.get(session, owner_id(), reading.id_of(job_id))
        card = cards.cards(session, [row])[0]
        log = logs.tail(session, row.id, LOG_LINES).decode("utf-8", "replace")
        shown = timeline.of(session, row, request.args.get("frame", type=int))
        made = [file for file in card.outputs if file.media_type == media.MODEL]
        models = trained.with_lineage(session, made)
        given = [file for file in card.inputs if file.media_type == media.MODEL]
        titles = naming.titles(session, [*made, *given])
    at_end = [model for model in models if model.row.position < snapshots.FIRST_POSITION]
    on_the_way = [model for model in models if model not in at_end]
    return render_template(
        "job.html",
        card=card,
        timeline=shown,
        offers=offers(row, at_end),
        on_the_way=[(each.row, offers(row, [each])) for each in on_the_way],
        snapshots=snapshots.offered(row),
        titles=titles,
        figure=figure,
        large=request.args.get("curve", ""),
        notices=shapes.notices(row),
        remarks=shapes.notices(row, calm=True),
        error=shapes.error(row),
        log=log,
        log_lines=LOG_LINES,
        recipe=json.dumps(card.recipe, ensure_ascii=False, indent=2),
        tag=shapes.etag(row, card.place),
    )


@pages.get("/jobs/<job_id>/timeline")
def timeline_part(job_id: str) -> Response:
    """The scrubber and the curves of a job as they are now, for its page to take over."""
    with studio().database.begin() as session:
        row = service.get(session, owner_id(), reading.id_of(job_id))
        shown = timeline.of(session, row)
        card = cards.cards(session, [row])[0]
    tag = f"{shown.version}-{row.state}-{language()}"
    if request.if_none_match.contains_weak(tag):
        made = Response(status=304)
    else:
        page = render_template("_timeline_part.html", card=card, timeline=shown, figure=figure)
        made = Response(page, mimetype="text/html")
    made.set_etag(tag, weak=True)
    made.headers["Cache-Control"] = "private, no-cache"
    return made


@pages.post("/jobs/<job_id>/<action>")
def act(job_id: str, action: str) -> Response:
    """Ask something of a job, then show it."""
    if action not in _ACTS:
        raise RefusedError("not_found")
    with studio().database.begin() as session:
        row = _ACTS[action](session, owner_id(), reading.id_of(job_id))
    if row.state == "queued":
        studio().waker.wake(row.resource)
    return redirect(url_for("pages.job_page", job_id=row.id), 303)


def _retry(session: Any, asker: UUID, job_id: UUID) -> Job:
    start = request.form.get("from") == "start"
    return service.retry(session, asker, job_id, from_start=start)


def _rerun(session: Any, asker: UUID, job_id: UUID) -> Job:
    return service.rerun(session, asker, job_id, {}, studio().settings)


def _snapshot(session: Any, asker: UUID, job_id: UUID) -> Job:
    of = cast(Snapshot, request.form.get("of"))
    if of not in snapshots.WAYS:
        raise RefusedError("bad_request")
    return snapshots.ask(session, asker, job_id, of, studio().settings)


_ACTS = {
    "cancel": service.cancel,
    "pause": service.pause,
    "resume": service.resume,
    "retry": _retry,
    "rerun": _rerun,
    "snapshot": _snapshot,
}
