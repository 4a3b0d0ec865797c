"""``/models``: trained models as what they make, where each comes from and what came of it."""

from __future__ import annotations

from typing import Any

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from jobs.refusals import RefusedError
from jobs.stored import trained
from webui import cards, problems, shelf, takers
from webui.api import cursors, reading
from webui.api import models as api
from webui.pages.blueprint import pages
from webui.studio import owner_id, studio

PAGE_SIZE = 24


@pages.get("/models")
def models_page() -> str:
    """One's models, newest first."""
    return _listed()


@pages.post("/models")
def add_model() -> Response | tuple[str, int]:
    """Keep an uploaded model, or say what is wrong with it."""
    try:
        row = api.receive()
    except RefusedError as refused:
        return _listed(refused), refused.refusal.status
    return redirect(url_for("pages.model_page", model_id=row.id), 303)


@pages.get("/models/<model_id>")
def model_page(model_id: str) -> str:
    """One model with its lineage."""
    return _shown(model_id)


@pages.post("/models/<model_id>/name")
def rename_model(model_id: str) -> Response | tuple[str, int]:
    """Call a model something else."""
    try:
        name = reading.storable("name", request.form.get("name", ""))
        with studio().database.begin() as session:
            trained.rename(session, owner_id(), reading.id_of(model_id), name)
    except RefusedError as refused:
        if refused.code != "invalid":
            raise
        return _shown(model_id, refused), refused.refusal.status
    return redirect(url_for("pages.model_page", model_id=model_id), 303)


@pages.post("/models/<model_id>/delete")
def delete_model(model_id: str) -> Response | tuple[str, int]:
    """Forget a model; what was made with it stays."""
    try:
        with studio().database.begin() as session:
            trained.delete(session, owner_id(), reading.id_of(model_id))
    except RefusedError as refused:
        if refused.refusal.status != 409:
            raise
        return _shown(model_id, refused), refused.refusal.status
    return redirect(url_for("pages.models_page"), 303)


def _listed(refused: RefusedError | None = None) -> str:
    start = cursors.read(request.args.get("cursor", ""))
    with studio().database.begin() as session:
        page = trained.page(session, owner_id(), PAGE_SIZE, **start)
        shown = [shelf.ModelCard(found) for found in page.models]
    return render_template(
        "models.html",
        cards=shown,
        links=cursors.links(page),
        training=takers.takers("dataset"),
        **_trouble(refused),
    )


def _shown(model_id: str, refused: RefusedError | None = None) -> str:
    with studio().database.begin() as session:
        row = trained.get(session, owner_id(), reading.id_of(model_id))
        (found,) = trained.with_lineage(session, [row])
    card = shelf.ModelCard(found)
    return render_template(
        "model.html", card=card, statuses=cards.STATUS_WORDS, **_trouble(refused)
    )


def _trouble(refused: RefusedError | None) -> dict[str, Any]:
    return {"trouble": problems.body_of(refused) if refused else None}
