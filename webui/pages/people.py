"""``/admin/people``: who is here, who is invited, what each may have. Administrators only."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from flask import Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from jobs import quotas
from jobs.access import people
from jobs.access.roles import ROLE_TITLES, Role
from jobs.office import administration
from jobs.refusals import TYPES, Fault, RefusedError
from webui import addresses, auth
from webui.api import reading
from webui.pages.blueprint import pages
from webui.pages.forms_again import kept_nowhere, shown_again
from webui.studio import owner_id, studio

P = ParamSpec("P")
INVITATION_DAYS = (1, 7, 30)
# Limits as the form has them: its unit of each in the units of the table.
FORM_UNITS = {
    "running_limit": 1,
    "waiting_limit": 1,
    "disk_limit": 10**9,
    "gpu_hours_limit": 1,
}


def _form(view: Callable[P, AnyResponse | None]) -> Callable[P, AnyResponse]:
    """A form of the people's page, for administrators: refused, the page shows why."""

    @wraps(view)
    def answered(*given: P.args, **named: P.kwargs) -> AnyResponse:
        try:
            return view(*given, **named) or redirect(url_for("pages.people_page"), 303)
        except RefusedError as refused:
            return shown_again("people.html", refused, **_shown())

    return auth.require_administrator(answered)


@pages.get("/admin/people")
@auth.require_administrator
def people_page() -> Response:
    """Everybody, and the invitations that are open."""
    return _page()


@pages.post("/admin/people/invitations")
@_form
def invite_person() -> AnyResponse:
    """An invitation; its link is shown once."""
    days = request.form.get("days", default=0, type=int)
    role = request.form.get("role", "")
    note = reading.storable("note", request.form.get("note", "").strip())
    with studio().database.begin() as session:
        _, secret = people.invite(session, role, days, note, **_why())
    address = addresses.of_invitation(secret)
    return _page(invitation_link=address)


@pages.post("/admin/people/invitations/<invitation_id>/withdraw")
@_form
def withdraw_invitation(invitation_id: str) -> None:
    """Take an invitation back."""
    with studio().database.begin() as session:
        people.withdraw(session, reading.id_of(invitation_id), **_why())


@pages.post("/admin/people/<person_id>")
@_form
def change_person(person_id: str) -> None:
    """Another role, other limits."""
    changes = _limits()
    with studio().database.begin() as session:
        id_ = people.get(session, reading.id_of(person_id)).id
        people.change_role(session, id_, request.form.get("role", ""), **_why())
        people.change_limits(session, id_, changes, **_why())


@pages.post("/admin/people/<person_id>/disable")
@_form
def disable_person(person_id: str) -> None:
    """Close an account; works and jobs stay."""
    with studio().database.begin() as session:
        people.disable(session, reading.id_of(person_id), **_why())


@pages.post("/admin/people/<person_id>/enable")
@_form
def enable_person(person_id: str) -> None:
    """Open an account again."""
    with studio().database.begin() as session:
        people.enable(session, reading.id_of(person_id), **_why())


@pages.post("/admin/people/<person_id>/reset")
@_form
def reset_person(person_id: str) -> AnyResponse:
    """A link that sets a new password once; it is shown once."""
    drop = "second_factor" in request.form
    with studio().database.begin() as session:
        person = people.get(session, reading.id_of(person_id))
        secret = people.make_reset(session, person.id, drop_second_factor=drop, **_why())
    address = addresses.of_reset(secret)
    return _page(reset_link=address, reset_name=person.name)


def _why() -> dict[str, Any]:
    """Who asks, and why, as the audit log will tell it."""
    reason = reading.storable("reason", request.form.get("reason", ""))
    return {"by": owner_id(), "reason": administration.said(reason)}


def _limits() -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    faults = []
    for name, unit in FORM_UNITS.items():
        text = request.form.get(name, "").strip()
        try:
            value = float(text) * unit if text else None
            whole = name != "gpu_hours_limit" and value is not None
            found[name] = int(value) if whole and value is not None else value
        except (ValueError, OverflowError):
            values = {"value": text[:80], "expected": TYPES["float"]}
            faults.append(Fault(f"/{name}", "wrong_type", values))
    if faults:
        raise RefusedError("invalid", faults=faults)
    return found


def _page(**shown: Any) -> Response:
    return kept_nowhere(Response(render_template("people.html", **{**_shown(), **shown})))


def _shown() -> dict[str, Any]:
    settings = studio().settings
    with studio().database.begin() as session:
        everybody = people.everybody(session)
        used = quotas.uses(session, everybody, settings)
        return {
            "people": [
                (person, quotas.limits(person, settings), used[person.id]) for person in everybody
            ],
            "invitations": people.invitations(session),
            "names": {person.id: person.name for person in everybody},
            "roles": [(role, ROLE_TITLES[role]) for role in Role],
            "role_titles": {str(role): title for role, title in ROLE_TITLES.items()},
            "invitation_days": INVITATION_DAYS,
            "units": FORM_UNITS,
            "size": quotas.size,
            "me": owner_id(),
        }
