"""``/files``: upload, look at, download."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, jsonify, request, url_for
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from jobs.models import File
from jobs.refusals import Fault, RefusedError
from jobs.storage import StorageError
from jobs.stored import files as kept
from webui import leaving
from webui.api import cursors, reading, shapes
from webui.api.names import name_answer
from webui.studio import owner_id, studio

files = Blueprint("files", __name__, url_prefix="/api/v1/files")
# Room for the multipart frame around an upload of the full size.
FRAME_BYTES = 10_000
CHUNK = 256 * 1024
DEFAULT_PAGE = 20


@files.post("")
def upload() -> tuple[Response, int, dict[str, str]]:
    """Keep an uploaded picture (multipart, field ``file``)."""
    limit = studio().settings.upload_bytes
    request.max_content_length = limit + FRAME_BYTES
    try:
        sent = request.files.get("file")
    except RequestEntityTooLarge:
        raise RefusedError("too_large", limit=limit) from None
    if sent is None:
        raise RefusedError("invalid", faults=[Fault("/file", "missing")])
    row = keep(sent)
    where = {"Location": url_for("files.show", file_id=row.id)}
    return jsonify(shapes.file(row)), 201, where


@files.get("")
def index() -> Response:
    """A page of the caller's uploaded pictures, newest first."""
    start = cursors.read(reading.query("cursor"))
    size = reading.number("limit", DEFAULT_PAGE)
    with studio().database.begin() as session:
        page = kept.uploads(session, owner_id(), size, **start)
    results = [{**shapes.file(row), "bytes": many} for row, many in page.uploads]
    return jsonify(results=results, **cursors.links(page))


@files.get("/<file_id>")
def show(file_id: str) -> Response:
    """What a file is."""
    return jsonify(shapes.file(_mine(file_id)))


@files.get("/<file_id>/content")
def content(file_id: str) -> Response:
    """A file's bytes; of a work as it leaves: ``?recipe=yes|no`` (else as its artist has chosen),
    ``?format=png|jpeg|webp``."""
    row = _mine(file_id)
    form = leaving.format_asked()
    recipe = reading.choice("recipe", ("", "yes", "no"))
    if leaving.is_work(row) or recipe == "no" or form:
        kept_inside = recipe == "yes" if recipe else _recipe_wanted()
        made = leaving.copy(row, kept_inside, form)
        if made is not None:
            return made
    return stored_bytes(row.sha256, row.media_type, row.name)


def _recipe_wanted() -> bool:
    with studio().database.begin() as session:
        return kept.recipe_inside(session, owner_id())


def keep(sent: FileStorage) -> File:
    """Check and keep an uploaded picture; nothing stays behind when it is refused.

    Raises PictureError, RefusedError; StorageError where the disk fails.
    """
    try:
        return _kept(sent)
    except OSError as failed:  # no fault of the picture
        raise StorageError(f"an upload cannot be taken: {failed}") from failed


def _kept(sent: FileStorage) -> File:
    limit = studio().settings.upload_bytes
    with tempfile.TemporaryDirectory(prefix="atelier-upload-") as folder:
        draft = Path(folder, "upload")
        sent.save(draft, CHUNK)
        if draft.stat().st_size > limit:
            raise RefusedError("too_large", limit=limit)
        name = sent.filename or ""
        parts = studio()
        return kept.upload_picture(
            parts.database, parts.storage, owner_id(), draft, name, parts.settings
        )


def stored_bytes(sha256: str, media_type: str, name: str | None = None) -> Response:
    """Stored bytes as an answer: cached for good, since content never changes under its hash."""
    if request.if_none_match.contains(sha256):
        return Response(status=304, headers={"ETag": f'"{sha256}"'})
    storage = studio().storage
    if not storage.holds(sha256):
        raise StorageError(f"{sha256} is missing")

    def chunks() -> Any:
        with storage.open(sha256) as opened:
            while chunk := opened.read(CHUNK):
                yield chunk

    made = Response(chunks(), content_type=media_type)
    made.set_etag(sha256)
    made.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    made.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    if name is not None:
        name_answer(made, name)
    return made


def _mine(file_id: str | UUID) -> File:
    with studio().database.begin() as session:
        return kept.get(session, owner_id(), reading.id_of(str(file_id)))
