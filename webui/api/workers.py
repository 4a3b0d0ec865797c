"""``/workers``: the slots that serve the studio, and draining them before maintenance.

Administrators only; the one owner of a studio without accounts is one.
"""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, Response, jsonify

from jobs import slots
from webui import auth
from webui.api import shapes
from webui.studio import studio

workers = Blueprint("workers", __name__, url_prefix="/api/v1/workers")
workers.before_request(auth.check_administrator)


@workers.get("")
def index() -> Response:
    """Every slot, by name."""
    return _listing()


@workers.post("/<name>/drain")
def drain(name: str) -> Response:
    """Let a slot finish what runs in it and take nothing more."""
    with studio().database.begin() as session:
        slots.drain(session, name)
    return _listing()


@workers.post("/<name>/undrain")
def undrain(name: str) -> Response:
    """Let a slot take jobs again."""
    with studio().database.begin() as session:
        slots.undrain(session, name)
    return _listing()


def _listing() -> Response:
    now = datetime.now(UTC)
    with studio().database.begin() as session:
        return jsonify(
            results=[shapes.worker(slot, job, now) for slot, job in slots.listing(session)]
        )
