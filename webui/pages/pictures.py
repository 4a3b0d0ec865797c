"""Pictures for the pages: samples and thumbnails."""

from __future__ import annotations

import shutil
from pathlib import Path

from flask import Response, request, send_file

from jobs import service
from jobs.records import frames
from jobs.refusals import RefusedError
from jobs.stored import files as kept
from webui import samples, thumbnails
from webui.api import reading
from webui.pages.blueprint import pages
from webui.studio import owner_id, studio


@pages.get("/samples/<name>")
def sample(name: str) -> Response:
    """A sample picture; with ``?size=`` a thumbnail of it."""
    found = samples.all_samples().get(name)
    if found is None:
        raise RefusedError("not_found")
    if "size" in request.args:
        return thumbnails.answer(found.sha256, lambda copy: _copied(found.path, copy))
    return send_file(found.path, mimetype="image/jpeg")


@pages.get("/thumbnails/<file_id>")
def thumbnail(file_id: str) -> Response:
    """A thumbnail of a picture of one's own."""
    with studio().database.begin() as session:
        row = kept.get(session, owner_id(), reading.id_of(file_id))
    if not row.media_type.startswith("image/"):
        raise RefusedError("not_found")
    return thumbnails.answer(row.sha256, lambda copy: studio().storage.fetch(row.sha256, copy))


@pages.get("/jobs/<job_id>/frames/<int:step>/thumbnail")
def frame_thumbnail(job_id: str, step: int) -> Response:
    """A thumbnail of a picture of a timeline of one's own; ``?v=`` names its content."""
    with studio().database.begin() as session:
        job = service.get(session, owner_id(), reading.id_of(job_id))
        sha256 = frames.get(session, job.id, reading.held(step)).sha256
    made = thumbnails.answer(sha256, lambda copy: studio().storage.fetch(sha256, copy))
    if request.args.get("v") != sha256[:12]:
        made.headers["Cache-Control"] = "private, no-cache"
    return made


def _copied(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
