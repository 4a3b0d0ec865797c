"""``/files``: upload, look at, download."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from flask import Blueprint, Response, jsonify, request, url_for
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from engines import film
from jobs import files as kept
from jobs.models import File
from jobs.refusals import Fault, RefusedError
from jobs.storage import StorageError
from webui.api import reading, shapes
from webui.studio import owner_id, studio

files = Blueprint("files", __name__, url_prefix="/api/v1/files")
# Room for the multipart frame around an upload of the full size.
FRAME_BYTES = 10_000
CHUNK = 256 * 1024


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


@files.get("/<file_id>")
def show(file_id: str) -> Response:
    """What a file is."""
    return jsonify(shapes.file(_mine(file_id)))


@files.get("/<file_id>/content")
def content(file_id: str) -> Response:
    """A file's bytes; ``?recipe=no`` takes the recipe out of a PNG or film of ours."""
    row = _mine(file_id)
    if request.args.get("recipe") == "no" and row.media_type in ("image/png", film.MEDIA_TYPE):
        return without_recipe(row)
    return stored_bytes(row.sha256, row.media_type, row.name)


def keep(sent: FileStorage) -> File:
    """Check and keep an uploaded picture; nothing stays behind when it is refused."""
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
        _name(made, name, "attachment" if "download" in request.args else "inline")
    return made


def _name(made: Response, name: str, disposition: str) -> None:
    """Say what a download is called: RFC 6266, as header bytes are Latin-1 and names are not."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    made.headers.set(
        "Content-Disposition",
        disposition,
        **{"filename": plain, "filename*": f"UTF-8''{quote(name, safe='')}"},
    )


def without_recipe(row: File) -> Response:
    """A PNG of ours without the recipe inside."""
    from engines import pictures

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "picture")
        studio().storage.fetch(row.sha256, copy)
        if row.media_type == film.MEDIA_TYPE:
            bare = film.without_recipe(copy.read_bytes())
        else:
            bare = pictures.encode_png(pictures.open_rgb(copy))
    kept_as = row.media_type if row.media_type == film.MEDIA_TYPE else "image/png"
    made = Response(bare, content_type=kept_as)
    _name(made, row.name, "attachment")
    return made


def _mine(file_id: str | UUID) -> File:
    with studio().database.begin() as session:
        return kept.get(session, owner_id(), reading.id_of(str(file_id)))
