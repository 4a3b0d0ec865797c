"""``/models``: trained models as what they make, where each comes from and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from engines.models import ModelFacts
from jobs import trained
from jobs.refusals import RefusedError
from jobs.states import ENDED
from webui import takers
from webui.api import cursors, reading, shapes
from webui.api import models as api
from webui.pages.blueprint import pages
from webui.studio import owner_id, studio
from webui.texts import filled

PAGE_SIZE = 24


@dataclass(frozen=True)
class ModelCard:
    """A model, ready to be shown; ``facts`` are None where its file cannot be read."""

    model: trained.Trained
    facts: ModelFacts | None

    @property
    def title(self) -> str:
        """Its name."""
        return trained.title(self.model.row)

    @property
    def origin(self) -> dict[str, Any]:
        """What its training says of it, short plain values alone."""
        told: dict[str, Any] = shapes.model_facts(self.facts)["origin"] if self.facts else {}
        return told

    @property
    def steps(self) -> int | None:
        """Steps of its training, where known."""
        steps = self.origin.get("steps")
        return steps if isinstance(steps, int) else None

    @property
    def kid(self) -> float | None:
        """How near its pictures are to those it learned from, where known."""
        kid = self.origin.get("kid")
        return float(kid) if isinstance(kid, (int, float)) else None

    @property
    def takers(self) -> list[takers.Taker]:
        """What can be made with it."""
        if self.facts is None:
            return []
        return takers.takers("model", trainable=self.facts.trainable)

    @property
    def in_use(self) -> bool:
        """Whether a job that has not ended needs it."""
        return any(use.job.state not in map(str, ENDED) for use in self.model.uses)


def _card(found: trained.Trained) -> ModelCard:
    return ModelCard(found, trained.facts(studio().storage, found))


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
        cards = [_card(found) for found in page.models]
    return render_template(
        "models.html",
        cards=cards,
        links=cursors.links(page),
        training=takers.takers("dataset"),
        **_trouble(refused),
    )


def _shown(model_id: str, refused: RefusedError | None = None) -> str:
    with studio().database.begin() as session:
        row = trained.get(session, owner_id(), reading.id_of(model_id))
        (found,) = trained.with_lineage(session, [row])
        card = _card(found)
        return render_template("model.html", card=card, **_trouble(refused))


def _trouble(refused: RefusedError | None) -> dict[str, Any]:
    title = filled(refused.refusal.title, refused.values) if refused else ""
    return {"refused": refused, "trouble": title}
