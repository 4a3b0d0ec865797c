"""``/jobs/<id>/delete``: what would go, and the button that does it."""

from __future__ import annotations

from flask import redirect, render_template, url_for
from werkzeug.wrappers import Response

from jobs import service
from jobs.stored import deletion
from webui import cards
from webui.api import reading
from webui.pages.blueprint import pages
from webui.studio import owner_id, studio


@pages.get("/jobs/<job_id>/delete")
def delete_page(job_id: str) -> str:
    """Say what deleting a job would remove."""
    id_ = reading.id_of(job_id)
    with studio().database.begin() as session:
        removal = deletion.of_job(session, owner_id(), id_)
        card = cards.cards(session, [service.get(session, owner_id(), id_)])[0]
    return render_template("delete.html", card=card, removal=removal)


@pages.post("/jobs/<job_id>/delete")
def delete_now(job_id: str) -> Response:
    """Delete it, then show what is left."""
    with studio().database.begin() as session:
        deletion.delete_job(session, owner_id(), reading.id_of(job_id))
    return redirect(url_for("pages.jobs_page"), 303)
