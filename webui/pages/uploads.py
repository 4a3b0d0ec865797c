"""``/account/uploads``: the pictures that one has brought, and deleting them."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from jobs import quotas
from jobs.refusals import RefusedError
from jobs.stored import deletion, files
from webui import problems
from webui.api import cursors, reading
from webui.pages.blueprint import pages
from webui.studio import owner_id, studio

PAGE_SIZE = 24


@pages.get("/account/uploads")
def uploads_page() -> str:
    """One's uploads, newest first."""
    return _listed()


@pages.post("/account/uploads/<file_id>/delete")
def delete_upload(file_id: str) -> Response:
    """Delete one for good; one that a job needs is told so."""
    try:
        with studio().database.begin() as session:
            deletion.delete_file(session, owner_id(), reading.id_of(file_id))
    except RefusedError as refused:
        if refused.refusal.status != 409:
            raise
        return Response(_listed(refused), refused.refusal.status)
    return redirect(url_for("pages.uploads_page"), 303)


def _listed(refused: RefusedError | None = None) -> str:
    start = cursors.read(request.args.get("cursor", ""))
    with studio().database.begin() as session:
        page = files.uploads(session, owner_id(), PAGE_SIZE, **start)
    return render_template(
        "uploads.html",
        uploads=page.uploads,
        links=cursors.links(page),
        size=quotas.size,
        trouble=problems.body_of(refused) if refused else None,
    )
