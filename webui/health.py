"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from jobs.refusals import RefusedError
from webui.studio import studio

health = Blueprint("health", __name__)


@health.get("/healthz")
def alive() -> Response:
    """The process answers."""
    return jsonify(status="alive")


@health.get("/readyz")
def ready() -> Response:
    """The database answers."""
    if not studio().database.answers():
        raise RefusedError("database_down")
    return jsonify(status="ready")
