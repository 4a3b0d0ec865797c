"""``/me/notices``, ``/me/webhooks``, ``/me/deliveries``: what one wants to be told, and was."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from jobs.models import Delivery, Webhook
from jobs.post import notices as wishes
from jobs.post.notices import Wish
from webui.api import reading, shapes
from webui.studio import owner_id, studio

notices = Blueprint("notices", __name__, url_prefix="/api/v1/me")


@notices.get("/notices")
def show() -> Response:
    """What one wants to be told."""
    with studio().database.begin() as session:
        return jsonify(_wish(wishes.wish_of(session, owner_id())))


@notices.put("/notices")
def change() -> Response:
    """Want something else; an empty ``mail`` ends mails."""
    body = reading.json_object()
    reading.only(body, frozenset({"mail", "long_seconds"}))
    with studio().database.begin() as session:
        now = wishes.wish_of(session, owner_id())
        given = {**_wish(now), **body}
        mail = reading.text({"mail": given["mail"] or ""}, "mail")
        long = reading.typed(given, "long_seconds", int, 0)
        return jsonify(_wish(wishes.change_wish(session, owner_id(), mail or None, long)))


@notices.get("/webhooks")
def index() -> Response:
    """One's webhooks."""
    with studio().database.begin() as session:
        found = wishes.webhooks(session, owner_id())
        return jsonify(results=[_webhook(row) for row in found])


@notices.post("/webhooks")
def add() -> tuple[Response, int]:
    """A new webhook; the answer shows its secret, once."""
    body = reading.json_object()
    reading.only(body, frozenset({"url"}))
    with studio().database.begin() as session:
        row = wishes.add_webhook(session, owner_id(), reading.text(body, "url"))
    made = jsonify({**_webhook(row), "secret": row.secret})
    made.headers["Cache-Control"] = "no-store"
    return made, 201


@notices.delete("/webhooks/<webhook_id>")
def remove(webhook_id: str) -> tuple[str, int]:
    """Forget a webhook."""
    with studio().database.begin() as session:
        wishes.remove_webhook(session, owner_id(), reading.id_of(webhook_id))
    return "", 204


@notices.get("/deliveries")
def deliveries() -> Response:
    """What was and is to be delivered, newest first."""
    with studio().database.begin() as session:
        found = wishes.deliveries(session, owner_id())
        return jsonify(results=[_delivery(row) for row in found])


@notices.post("/deliveries/<delivery_id>/replay")
def replay(delivery_id: str) -> tuple[Response, int]:
    """Deliver again, now, under the same id."""
    with studio().database.begin() as session:
        row = wishes.replay(session, owner_id(), reading.id_of(delivery_id))
        return jsonify(_delivery(row)), 202


def _wish(wish: Wish) -> dict[str, Any]:
    return {"mail": wish.mail, "long_seconds": wish.long_seconds}


def _webhook(row: Webhook) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "url": row.url,
        "of_jobs": row.of_jobs,
        "created_at": shapes.time(row.created_at),
        "disabled_at": shapes.time(row.disabled_at),
    }


def _delivery(row: Delivery) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "job_id": str(row.job_id) if row.job_id else None,
        "webhook_id": str(row.webhook_id) if row.webhook_id else None,
        "mail": row.mail,
        "type": row.body["type"],
        "status": row.state,
        "attempts": row.attempts,
        "answer": row.answer,
        "created_at": shapes.time(row.created_at),
        "tried_at": shapes.time(row.tried_at),
        "due_at": shapes.time(row.due_at) if row.state == "waiting" else None,
    }
