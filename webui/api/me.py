"""``/me``: one's own account, over the API; ``/links``: works one shares.

A password or a second factor is changed with the password, whatever token asks: a token or a
browser that fell into other hands must not lock its owner out.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, jsonify

from jobs import quotas
from jobs.access import accounts, people, second_factor, shares, signing_in
from jobs.refusals import RefusedError
from webui.api import persons, reading
from webui.studio import owner_id, studio

me = Blueprint("me", __name__, url_prefix="/api/v1/me")
links = Blueprint("links", __name__, url_prefix="/api/v1/links")
DEFAULT_TOKEN_DAYS, DEFAULT_LINK_DAYS = 90, 7
Made = tuple[Response, int]


@me.get("")
def show() -> Response:
    """Who one is, what one may have and has."""
    settings = studio().settings
    with studio().database.begin() as session:
        row = people.get(session, owner_id())
        use = quotas.use(session, row, settings)
        left = second_factor.recovery_codes_left(session, row.id)
        shown = persons.person(row, quotas.limits(row, settings), use)
    return jsonify({**shown, "access": str(g.asker.access), "recovery_codes_left": left})


@me.patch("")
def change() -> Response:
    """Another name, another language ("" for the browser's)."""
    body = reading.json_object()
    reading.only(body, frozenset({"name", "language"}))
    name = reading.text(body, "name") if "name" in body else None
    language = reading.text(body, "language") if "language" in body else None
    with studio().database.begin() as session:
        people.change_profile(session, owner_id(), name, language)
    return show()


@me.post("/password")
def change_password() -> Made:
    """Another password; every other session ends, and with ``end_tokens`` every other token."""
    body = reading.json_object()
    reading.only(body, frozenset({"current_password", "new_password", "end_tokens"}))
    current, new = (reading.text(body, name) for name in ("current_password", "new_password"))
    end_tokens = reading.typed(body, "end_tokens", bool, False)
    signing_in.change_password(studio().database, g.asker, current, new, end_tokens)
    return _nothing()


@me.post("/second-factor")
def begin_second_factor() -> Response:
    """A secret for an authenticator app; it counts once a code confirms it."""
    _prove_password()
    with studio().database.begin() as session:
        secret, address = second_factor.begin(session, owner_id())
    return _kept_nowhere(jsonify(secret=secret, url=address))


@me.post("/second-factor/confirm")
def confirm_second_factor() -> Response:
    """The first code; answers the recovery codes, once."""
    code = reading.text(_prove_password("code"), "code")
    with studio().database.begin() as session:
        codes = second_factor.confirm(session, owner_id(), code)
    return _kept_nowhere(jsonify(recovery_codes=codes))


@me.post("/second-factor/remove")
def remove_second_factor() -> Made:
    """The password alone again."""
    _prove_password()
    with studio().database.begin() as session:
        second_factor.remove(session, owner_id())
    return _nothing()


@me.post("/recovery-codes")
def renew_recovery_codes() -> Response:
    """Ten new recovery codes; those of before no longer work."""
    _prove_password()
    with studio().database.begin() as session:
        if people.get(session, owner_id()).totp_secret is None:
            raise RefusedError("second_factor_off")
        codes = second_factor.renew_recovery_codes(session, owner_id())
    return _kept_nowhere(jsonify(recovery_codes=codes))


@me.get("/sessions")
def sessions() -> Response:
    """Browsers that are signed in."""
    return _listed("session")


@me.delete("/sessions/<token_id>")
def revoke_session(token_id: str) -> Made:
    """Sign a browser out."""
    return _revoked("session", token_id)


@me.get("/tokens")
def tokens() -> Response:
    """Tokens for programs."""
    return _listed("api")


@me.post("/tokens")
def make_token() -> Made:
    """A token that reaches at most as far as the one that asks."""
    body = reading.json_object()
    reading.only(body, frozenset({"name", "access", "days"}))
    name = reading.text(body, "name")
    access = reading.text(body, "access", "write")
    days = reading.typed(body, "days", int, DEFAULT_TOKEN_DAYS)
    with studio().database.begin() as session:
        row, secret = accounts.make_token(session, g.asker, name, access, days)
    return _kept_nowhere(jsonify(persons.token(row, secret))), 201


@me.delete("/tokens/<token_id>")
def revoke_token(token_id: str) -> Made:
    """End a token."""
    return _revoked("api", token_id)


@links.get("")
def shared() -> Response:
    """Links to works of one's own that still open."""
    with studio().database.begin() as session:
        found = shares.listed(session, owner_id())
    return jsonify(results=[persons.link(link, file) for link, file in found])


@links.post("")
def share() -> Made:
    """A link that shows one work to whoever has it."""
    body = reading.json_object()
    reading.only(body, frozenset({"file_id", "days", "recipe"}))
    file_id = reading.id_of(reading.text(body, "file_id"))
    days = reading.typed(body, "days", int, DEFAULT_LINK_DAYS)
    recipe = reading.typed(body, "recipe", bool, False)
    with studio().database.begin() as session:
        made = shares.make(session, owner_id(), file_id, days, recipe)
        file = next(file for link, file in shares.listed(session, owner_id()) if link is made)
    return jsonify(persons.link(made, file)), 201


@links.delete("/<link_id>")
def unshare(link_id: str) -> Made:
    """Take a link back."""
    with studio().database.begin() as session:
        shares.revoke(session, owner_id(), reading.id_of(link_id))
    return _nothing()


def _listed(scope: accounts.Scope) -> Response:
    with studio().database.begin() as session:
        found = accounts.listed(session, owner_id(), scope)
    return jsonify(results=[persons.token(row) for row in found])


def _revoked(scope: accounts.Scope, token_id: str) -> Made:
    with studio().database.begin() as session:
        accounts.revoke_one(session, owner_id(), scope, reading.id_of(token_id))
    return _nothing()


def _prove_password(*more: str) -> dict[str, Any]:
    """The body, once its ``current_password`` is right; it may hold ``more``."""
    body = reading.json_object()
    reading.only(body, frozenset({"current_password", *more}))
    given = reading.text(body, "current_password")
    signing_in.prove_password(studio().database, owner_id(), given)
    return body


def _nothing() -> Made:
    return Response(), 204


def _kept_nowhere(made: Response) -> Response:
    made.headers["Cache-Control"] = "no-store"
    return made
