"""Deleting jobs and files: what would go, and doing it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from jobs.stored import deletion as gone
from webui.api import reading
from webui.studio import owner_id, studio

deletion = Blueprint("deletion", __name__, url_prefix="/api/v1")


@deletion.get("/jobs/<job_id>/deletion")
def foresee(job_id: str) -> Response:
    """What deleting a job would remove; nothing is changed."""
    with studio().database.begin() as session:
        return jsonify(_told(gone.of_job(session, owner_id(), reading.id_of(job_id))))


@deletion.delete("/jobs/<job_id>")
def delete_job(job_id: str) -> Response:
    """Delete an ended job with its works and all that was derived from it."""
    with studio().database.begin() as session:
        return jsonify(_told(gone.delete_job(session, owner_id(), reading.id_of(job_id))))


@deletion.delete("/files/<file_id>")
def delete_file(file_id: str) -> Response:
    """Delete an upload."""
    with studio().database.begin() as session:
        size = gone.delete_file(session, owner_id(), reading.id_of(file_id))
    return jsonify(bytes=size)


def _told(removal: gone.Removal) -> dict[str, Any]:
    return dict(vars(removal))
