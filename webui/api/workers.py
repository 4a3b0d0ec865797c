"""``/workers``: the slots that serve the studio, and draining them before maintenance.

Administrators only; the one owner of a studio without accounts is one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from flask import Blueprint, Response, jsonify
from sqlalchemy.orm import Session

from jobs import slots
from jobs.office import administration
from webui import auth
from webui.api import reading, shapes
from webui.studio import owner_id, studio

workers = Blueprint("workers", __name__, url_prefix="/api/v1/workers")
workers.before_request(auth.check_administrator)


@workers.get("")
def index() -> Response:
    """Every slot, by name."""
    return _listing()


@workers.post("/<name>/drain")
def drain(name: str) -> Response:
    """Let a slot finish what runs in it and take nothing more."""
    return _act(administration.drain, name)


@workers.post("/<name>/undrain")
def undrain(name: str) -> Response:
    """Let a slot take jobs again."""
    return _act(administration.undrain, name)


@workers.post("/<name>/quarantine")
def quarantine(name: str) -> Response:
    """Let a slot take nothing more because it is not trusted; needs a reason."""
    return _act(administration.quarantine, name)


@workers.post("/<name>/forget")
def forget(name: str) -> Response:
    """Strike a slot off whose worker is gone for good."""
    return _act(administration.forget, name)


def _act(act: Callable[[Session, UUID, str, str], None], name: str) -> Response:
    reason = reading.reason()
    with studio().database.begin() as session:
        act(session, owner_id(), name, reason)
    return _listing()


def _listing() -> Response:
    now = datetime.now(UTC)
    with studio().database.begin() as session:
        return jsonify(
            results=[shapes.worker(slot, job, now) for slot, job in slots.listing(session)]
        )
