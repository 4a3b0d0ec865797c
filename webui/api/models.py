"""``/models``: trained models, what they are, where each comes from and what came of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from flask import Blueprint, Response, jsonify, request, url_for
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from jobs.models import File
from jobs.refusals import Fault, RefusedError
from jobs.stored import trained
from webui.api import cursors, reading, shapes
from webui.api.files import CHUNK, FRAME_BYTES
from webui.studio import check_room, owner_id, studio

models = Blueprint("models", __name__, url_prefix="/api/v1/models")
PAGE_SIZE = 20


@models.get("")
def index() -> Response:
    """A page of one's models, newest first."""
    start = cursors.read(request.args.get("cursor", ""))
    with studio().database.begin() as session:
        page = trained.page(session, owner_id(), reading.number("limit", PAGE_SIZE), **start)
        listed = [shapes.model(found) for found in page.models]
    return jsonify(results=listed, **cursors.links(page))


@models.post("")
def add() -> tuple[Response, int, dict[str, str]]:
    """Keep an uploaded model (multipart, field ``file``; ``name`` is what to call it)."""
    row = receive()
    where = {"Location": url_for("models.show", model_id=row.id)}
    return _shown(str(row.id)), 201, where


@models.get("/<model_id>")
def show(model_id: str) -> Response:
    """One model with its lineage."""
    return _shown(model_id)


@models.patch("/<model_id>")
def rename(model_id: str) -> Response:
    """Call a model something else: ``{"name"}``."""
    body = reading.json_object()
    reading.only(body, frozenset({"name"}))
    name = reading.storable("name", reading.typed(body, "name", str, ""))
    with studio().database.begin() as session:
        trained.rename(session, owner_id(), reading.id_of(model_id), name)
    return _shown(model_id)


@models.delete("/<model_id>")
def delete(model_id: str) -> tuple[str, int]:
    """Forget a model; what was made with it stays."""
    with studio().database.begin() as session:
        trained.delete(session, owner_id(), reading.id_of(model_id))
    return "", 204


def sent_file() -> FileStorage:
    """The uploaded file of this request. Raises :class:`RefusedError`."""
    limit = studio().settings.model_bytes
    request.max_content_length = limit + FRAME_BYTES
    try:
        sent = request.files.get("file")
    except RequestEntityTooLarge:
        raise RefusedError("model_too_large", limit=limit) from None
    if sent is None or not sent.filename:
        raise RefusedError("invalid", faults=[Fault("/file", "missing")])
    return sent


def receive() -> File:
    """Check and keep the uploaded model; nothing stays behind when it is refused."""
    sent, limit, parts = sent_file(), studio().settings.model_bytes, studio()
    with tempfile.TemporaryDirectory(prefix="atelier-model-") as folder:
        draft = Path(folder, "model")
        sent.save(draft, CHUNK)
        if draft.stat().st_size > limit:
            raise RefusedError("model_too_large", limit=limit)
        check_room(draft.stat().st_size)
        shown = reading.storable("name", request.form.get("name", "")) or sent.filename or ""
        return trained.receive(
            parts.database, parts.storage, owner_id(), draft, shown, parts.settings
        )


def _shown(model_id: str) -> Response:
    with studio().database.begin() as session:
        row = trained.get(session, owner_id(), reading.id_of(model_id))
        (found,) = trained.with_lineage(session, [row])
        return jsonify(shapes.model(found, whole=True))
