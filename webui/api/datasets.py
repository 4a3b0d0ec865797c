"""``/datasets``: bring sets of pictures, see what was found in them, describe, delete them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, jsonify, request, url_for

from jobs.models import Dataset
from jobs.refusals import Fault, RefusedError
from jobs.states import DatasetState
from jobs.stored import datasets as kept
from webui import albums, arrivals, reports
from webui.api import cursors, reading, shapes
from webui.api.files import stored_bytes
from webui.studio import check_room, owner_id, studio

datasets = Blueprint("datasets", __name__, url_prefix="/api/v1/datasets")
POLL_SECONDS = 1
DEFAULT_PAGE = 20
PICTURES_LISTED = 200
FIELDS = frozenset({"csrf_token", "name", "licence", "parent"})
SAID = frozenset({"name", "licence"})
SAMPLE_FIELDS = frozenset({"per_style", "size", "seed", "name"})
SAMPLE_LICENCE = "Drawn by Atelier; free for any use"


@datasets.post("")
def bring() -> Response:
    """Keep a set of pictures to be checked (multipart: one ZIP or many files, field ``file``)."""
    return created(received())


@datasets.post("/sample")
def sample() -> Response:
    """Have a set of sample art drawn."""
    body = reading.json_object(optional=True)
    reading.only(body, SAMPLE_FIELDS)
    usual = kept.SampleOrder()
    order = kept.SampleOrder(
        **{name: reading.typed(body, name, int, value) for name, value in vars(usual).items()}
    )
    name = reading.storable("name", reading.typed(body, "name", str, ""))
    return created(drawn(order, name))


@datasets.get("")
def index() -> Response:
    """A page of the caller's datasets, newest first."""
    start = cursors.read(reading.query("cursor"))
    size = reading.number("limit", DEFAULT_PAGE)
    with studio().database.begin() as session:
        page = kept.page(session, owner_id(), size, **start)
    limits = {"upload_bytes": studio().settings.dataset_bytes}
    results = [shape(row) for row in page.datasets]
    return jsonify(results=results, limits=limits, **cursors.links(page))


@datasets.get("/<dataset_id>")
def show(dataset_id: str) -> Response:
    """One dataset with its report."""
    row = mine(dataset_id)
    made = jsonify(shape(row))
    if row.state == DatasetState.CHECKING:
        made.headers["Retry-After"] = str(POLL_SECONDS)
    return made


@datasets.patch("/<dataset_id>")
def change(dataset_id: str) -> Response:
    """Call it something else, or note where its pictures come from: ``{"name", "licence"}``."""
    body = reading.json_object()
    reading.only(body, SAID)
    said = {field: reading.text(body, field) for field in SAID if field in body}
    with studio().database.begin() as session:
        row = kept.describe(session, owner_id(), reading.id_of(dataset_id), **said)
    return jsonify(shape(row))


@datasets.delete("/<dataset_id>")
def delete(dataset_id: str) -> Response:
    """Forget a dataset that no job needs any more."""
    with studio().database.begin() as session:
        kept.delete(session, owner_id(), reading.id_of(dataset_id))
    return Response(status=204)


@datasets.get("/<dataset_id>/pictures")
def pictures(dataset_id: str) -> Response:
    """The pictures of a dataset from position ``start`` on, of one ``label`` if it is given."""
    row = mine(dataset_id)
    start = max(0, reading.number("start", 0))
    found = listed(row, reading.query("label"))[start:]
    results = [
        {
            "position": position,
            "name": shown.name,
            "label": label,
            "width": shown.width,
            "height": shown.height,
            "thumbnail": url_for("datasets.thumbnail", dataset_id=row.id, position=position),
        }
        for position, shown, label in found[:PICTURES_LISTED]
    ]
    more = start + PICTURES_LISTED if len(found) > PICTURES_LISTED else None
    return jsonify(results=results, next_start=more)


@datasets.get("/<dataset_id>/thumbnails/<int:position>")
def thumbnail(dataset_id: str, position: int) -> Response:
    """A small JPEG of one picture."""
    row = mine(dataset_id)
    return _for_good(f"{row.album_sha256}-{position}", lambda: albums.thumbnail(row, position))


@datasets.get("/<dataset_id>/sheet")
def sheet(dataset_id: str) -> Response:
    """The contact sheet, a JPEG."""
    row = mine(dataset_id)
    if row.sheet_sha256 is None:
        raise RefusedError("not_found")
    return stored_bytes(row.sheet_sha256, "image/jpeg")


@datasets.get("/<dataset_id>/content")
def content(dataset_id: str) -> Response:
    """The pack: a ZIP of the pictures, with their names and labels in ``dataset.json``."""
    row = mine(dataset_id)
    if row.sha256 is None:
        raise RefusedError("not_found")
    return stored_bytes(row.sha256, "application/zip", f"{row.name}.zip")


def received() -> Dataset:
    """Take what this request brings; used by the page too. Raises :class:`RefusedError`."""
    settings = studio().settings
    with arrivals.arriving(settings.uploads, settings.dataset_bytes) as arrived:
        reading.only(dict(arrived.fields), FIELDS)
        fields = {name: reading.storable(name, text) for name, text in arrived.fields.items()}
        if arrived.archive is None:
            raise RefusedError("invalid", faults=[Fault("/file", "missing")])
        parent = _parent(fields.get("parent", ""))
        brought = kept.Brought(
            name=fields.get("name", "").strip() or ("" if parent else _called(arrived)),
            licence=fields.get("licence", ""),
            parent_id=parent,
        )
        check_room(arrived.archive.stat().st_size)
        return kept.receive(
            studio().database, studio().storage, owner_id(), arrived.archive, brought, settings
        )


def drawn(order: kept.SampleOrder, name: str) -> Dataset:
    """Have sample art drawn; used by the page too. Raises :class:`RefusedError`."""
    check_room(1)
    brought = kept.Brought(name or "Sample art", SAMPLE_LICENCE)
    with studio().database.begin() as session:
        return kept.draw(session, owner_id(), order, brought, studio().settings)


def created(row: Dataset) -> Response:
    """201 with the dataset."""
    made = jsonify(shape(row))
    made.status_code = 201
    made.headers["Location"] = url_for("datasets.show", dataset_id=row.id)
    made.headers["Retry-After"] = str(POLL_SECONDS)
    return made


def mine(dataset_id: str | UUID) -> Dataset:
    """The asker's dataset. Raises :class:`RefusedError`."""
    with studio().database.begin() as session:
        return kept.get(session, owner_id(), reading.id_of(str(dataset_id)))


def listed(row: Dataset, label: str = "") -> list[tuple[int, Any, str | None]]:
    """Position, picture and label of everything in a dataset, or of one label."""
    found = albums.listed(row)
    named = [
        (position, shown, None if shown.label is None else found.labels[shown.label])
        for position, shown in enumerate(found.pictures)
    ]
    return [each for each in named if each[2] == label] if label else named


def shape(row: Dataset) -> dict[str, Any]:
    """A dataset as JSON."""
    ready = row.state == DatasetState.READY
    return {
        "id": str(row.id),
        "name": row.name,
        "licence": row.licence,
        "status": row.state,
        "parent_id": str(row.parent_id) if row.parent_id else None,
        "sha256": row.sha256,
        "progress": row.progress or None,
        "refused": reports.refusal(row),
        "report": reports.told(row),
        "created_at": shapes.time(row.created_at),
        "checked_at": shapes.time(row.checked_at),
        "urls": {
            "self": url_for("datasets.show", dataset_id=row.id),
            "page": url_for("pages.dataset_page", dataset_id=row.id),
            **{
                part: url_for(f"datasets.{part}", dataset_id=row.id) if ready else None
                for part in ("pictures", "sheet", "content")
            },
        },
    }


def _called(arrived: arrivals.Arrived) -> str:
    """A name for a set that nobody named: that of the folder its first file lies in, or of its
    archive; what one picture of many is called says nothing of the set."""
    path = PurePosixPath(arrived.first_name.replace("\\", "/"))
    if len(path.parts) > 1:
        return path.parts[0]
    return path.stem if arrived.packed else "pictures"


def _parent(text: str) -> UUID | None:
    if not text.strip():
        return None
    try:
        return UUID(text.strip())
    except ValueError:
        values = {"value": text[:80]}
        raise RefusedError("invalid", faults=[Fault("/parent", "not_an_id", values)]) from None


def _for_good(tag: str, make: Any) -> Response:
    """An answer that never changes under its address."""
    made = Response(content_type="image/jpeg")
    made.set_etag(tag)
    made.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    if request.if_none_match.contains(tag):
        made.status_code = 304
        return made
    made.data = make()
    return made
