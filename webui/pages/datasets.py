"""``/datasets`` and ``/datasets/<id>``: bring pictures, see what was found, train on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import redirect, render_template, request, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response

from jobs import quotas
from jobs.models import Dataset
from jobs.refusals import RefusedError
from jobs.stored import datasets as kept
from webui import problems, reports, sets
from webui.api import cursors, reading
from webui.api import datasets as api
from webui.pages.blueprint import pages
from webui.studio import owner_id, studio
from webui.takers import takers

PAGE_SIZE = 12
PICTURES_SHOWN = 60
PAIRS_SHOWN = 24


@pages.get("/datasets")
def datasets_page() -> str:
    """One's datasets as contact sheets, and the place to drop another."""
    return _listed()


@pages.post("/datasets")
def bring_dataset() -> Response:
    """Keep what the form brings, then show it; or show what is wrong with it."""
    try:
        row = api.received()
    except RefusedError as refused:
        if refused.code in ("forbidden", "unknown_dataset"):
            raise
        return Response(_listed(refused), refused.refusal.status)
    return redirect(url_for("pages.dataset_page", dataset_id=row.id), 303)


@pages.post("/datasets/sample")
def sample_dataset() -> Response:
    """Have a set of sample art drawn, then show it."""
    row = api.drawn(kept.SampleOrder(), "")
    return redirect(url_for("pages.dataset_page", dataset_id=row.id), 303)


@pages.get("/datasets/<dataset_id>")
def dataset_page(dataset_id: str) -> str:
    """One dataset: its pictures in pages, its report, its versions."""
    return _shown(dataset_id)


@pages.post("/datasets/<dataset_id>/about")
def change_dataset(dataset_id: str) -> Response:
    """Call a dataset something else, or note where its pictures come from."""
    try:
        said = {field: reading.storable(field, request.form.get(field, "")) for field in api.SAID}
        with studio().database.begin() as session:
            kept.describe(session, owner_id(), reading.id_of(dataset_id), **said)
    except RefusedError as refused:
        if refused.code != "invalid":
            raise
        return Response(_shown(dataset_id, refused), refused.refusal.status)
    return redirect(url_for("pages.dataset_page", dataset_id=dataset_id), 303)


@pages.post("/datasets/<dataset_id>/delete")
def delete_dataset(dataset_id: str) -> Response:
    """Forget a dataset; one that a job needs is shown again with the reason."""
    try:
        with studio().database.begin() as session:
            kept.delete(session, owner_id(), reading.id_of(dataset_id))
    except RefusedError as refused:
        if refused.code != "dataset_in_use":
            raise
        return Response(_shown(dataset_id, refused), refused.refusal.status)
    return redirect(url_for("pages.datasets_page"), 303)


@dataclass(frozen=True)
class Grid:
    """A page of a dataset's pictures: ``number`` of ``pages``, from 1."""

    pictures: list[tuple[int, Any, str | None]]
    label: str
    number: int
    pages: int
    total: int


def _listed(refused: RefusedError | None = None) -> str:
    start = cursors.read(request.args.get("cursor", ""))
    with studio().database.begin() as session:
        page = kept.page(session, owner_id(), PAGE_SIZE, **start)
    return render_template(
        "datasets.html",
        cards=[sets.SetCard(row) for row in page.datasets],
        links=cursors.links(page),
        learners=takers("dataset"),
        limit=quotas.size(studio().settings.dataset_bytes),
        trouble=problems.body_of(refused) if refused else None,
        amount=quotas.size,
    )


def _shown(dataset_id: str, refused: RefusedError | None = None) -> str:
    learners = takers("dataset")
    with studio().database.begin() as session:
        row = kept.get(session, owner_id(), reading.id_of(dataset_id))
        query = select(Dataset).where(Dataset.parent_id == row.id, Dataset.owner_id == owner_id())
        versions = session.scalars(query.order_by(Dataset.id)).all()
        parent = session.get(Dataset, row.parent_id) if row.parent_id else None
        learning = sets.learning(session, row, learners) if row.report else []
    card = sets.SetCard(row)
    return render_template(
        "dataset.html",
        card=card,
        grid=_grid(row) if card.ready else None,
        pairs=_pairs(row) if card.ready else [],
        parent=parent,
        versions=versions,
        learners=learners,
        learning=learning,
        limit=quotas.size(studio().settings.dataset_bytes),
        trouble=problems.body_of(refused) if refused else None,
        amount=quotas.size,
    )


def _grid(row: Dataset) -> Grid:
    label = request.args.get("label", "")
    found = api.listed(row, label)
    last = max(1, -(-len(found) // PICTURES_SHOWN))
    number = min(last, max(1, request.args.get("page", 1, type=int)))
    start = (number - 1) * PICTURES_SHOWN
    return Grid(found[start : start + PICTURES_SHOWN], label, number, last, len(found))


def _pairs(row: Dataset) -> list[tuple[tuple[int, Any], tuple[int, Any]]]:
    """Pictures that look nearly the same, each with the one it resembles."""
    found = api.listed(row)
    near = reports.near(row)["positions"][:PAIRS_SHOWN]
    return [(found[first][:2], found[second][:2]) for first, second in near]
