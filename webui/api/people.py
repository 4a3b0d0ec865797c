"""``/admin/people`` and ``/admin/invitations``: who may come in, and what each may have."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, jsonify
from sqlalchemy.orm import Session

from jobs import quotas
from jobs.access import people
from jobs.office import administration
from webui import addresses, auth
from webui.api import persons, reading
from webui.studio import owner_id, studio

people_api = Blueprint("people", __name__, url_prefix="/api/v1/admin")
people_api.before_request(auth.check_administrator)
LIMITS = ("running_limit", "waiting_limit", "disk_limit", "gpu_hours_limit")
DEFAULT_INVITATION_DAYS = 7
Made = tuple[Response, int]


@people_api.get("/people")
def index() -> Response:
    """Everybody, by name."""
    settings = studio().settings
    with studio().database.begin() as session:
        everybody = people.everybody(session)
        used = quotas.uses(session, everybody, settings)
    shapes = [persons.person(row, quotas.limits(row, settings), used[row.id]) for row in everybody]
    return jsonify(results=shapes)


@people_api.get("/people/<person_id>")
def show(person_id: str) -> Response:
    """One person."""
    with studio().database.begin() as session:
        return jsonify(_shape(session, reading.id_of(person_id)))


@people_api.patch("/people/<person_id>")
def change(person_id: str) -> Response:
    """Another role, other limits (null gives back the studio's), ``disabled`` or not."""
    body = reading.json_object()
    reading.only(body, frozenset({"role", "disabled", "reason", *LIMITS}))
    reason = administration.said(reading.text(body, "reason"))
    why: dict[str, Any] = {"by": owner_id(), "reason": reason}
    limits = {name: reading.quantity(body, name) for name in LIMITS if name in body}
    with studio().database.begin() as session:
        id_ = people.get(session, reading.id_of(person_id)).id
        if "role" in body:
            people.change_role(session, id_, reading.text(body, "role"), **why)
        if limits:
            people.change_limits(session, id_, limits, **why)
        if "disabled" in body:
            close = reading.typed(body, "disabled", bool, False)
            (people.disable if close else people.enable)(session, id_, **why)
        return jsonify(_shape(session, id_))


@people_api.post("/people/<person_id>/reset")
def reset(person_id: str) -> Response:
    """A link that sets a new password once, within a day; it stands in this answer alone."""
    body = reading.json_object(optional=True)
    reading.only(body, frozenset({"second_factor", "reason"}))
    drop = reading.typed(body, "second_factor", bool, False)
    reason = administration.said(reading.text(body, "reason"))
    with studio().database.begin() as session:
        id_ = reading.id_of(person_id)
        secret = people.make_reset(session, id_, owner_id(), drop, reason)
    return _kept_nowhere(jsonify(url=addresses.of_reset(secret)))


@people_api.get("/invitations")
def invitations() -> Response:
    """Invitations that nobody has accepted yet."""
    with studio().database.begin() as session:
        return jsonify(results=[persons.invitation(row) for row in people.invitations(session)])


@people_api.post("/invitations")
def invite() -> Made:
    """An invitation; its link stands in this answer alone."""
    body = reading.json_object(optional=True)
    reading.only(body, frozenset({"role", "days", "note", "reason"}))
    role, note = reading.text(body, "role", "artist"), reading.text(body, "note")
    reason = administration.said(reading.text(body, "reason"))
    days = reading.typed(body, "days", int, DEFAULT_INVITATION_DAYS)
    with studio().database.begin() as session:
        row, secret = people.invite(session, role, days, note, owner_id(), reason)
    return _kept_nowhere(jsonify(persons.invitation(row, secret))), 201


@people_api.delete("/invitations/<invitation_id>")
def withdraw(invitation_id: str) -> Made:
    """Take an invitation back; ``?reason=`` as there is no body."""
    reason = administration.said(reading.query("reason"))
    with studio().database.begin() as session:
        people.withdraw(session, reading.id_of(invitation_id), owner_id(), reason)
    return Response(), 204


def _shape(session: Session, person_id: UUID) -> dict[str, Any]:
    settings = studio().settings
    session.flush()
    row = people.get(session, person_id)
    session.refresh(row)
    use = quotas.use(session, row, settings)
    return persons.person(row, quotas.limits(row, settings), use)


def _kept_nowhere(made: Response) -> Response:
    made.headers["Cache-Control"] = "no-store"
    return made
