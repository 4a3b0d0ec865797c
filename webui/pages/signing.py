"""Signing in, taking up an invitation, setting a password with a link."""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from jobs import attempts
from jobs.access import accounts, people, signing_in
from jobs.access.roles import ROLE_TITLES, Role
from jobs.refusals import Fault, RefusedError
from webui import addresses, auth
from webui.pages.blueprint import pages
from webui.pages.entry import remember_language
from webui.pages.forms_again import kept_nowhere, shown_again
from webui.studio import studio


@pages.get("/sign-in")
def sign_in_page() -> AnyResponse:
    """Name and password; in a studio without accounts, how to come in there."""
    if not studio().settings.with_accounts:
        return redirect(url_for("pages.welcome"))
    leads_to = addresses.own(request.args.get("next", "/"))
    return kept_nowhere(Response(render_template("sign_in.html", leads_to=leads_to)))


@pages.post("/sign-in")
def sign_in() -> AnyResponse:
    """Prove the password; where there is a second factor, ask for its code."""
    _need_accounts()
    leads_to, name = addresses.own(request.form.get("next", "/")), request.form.get("name", "")
    caller = attempts.network(request.remote_addr)
    password = request.form.get("password", "")
    try:
        proof = signing_in.sign_in(studio().database, name, password, caller)
    except RefusedError as refused:
        return shown_again("sign_in.html", refused, leads_to=leads_to, name=name)
    if proof.is_half:
        page = render_template("sign_in_code.html", leads_to=leads_to, half=proof.secret)
        return kept_nowhere(Response(page))
    return _signed_in(proof, leads_to)


@pages.post("/sign-in/code")
def sign_in_code() -> AnyResponse:
    """Prove the second factor."""
    _need_accounts()
    leads_to, half = addresses.own(request.form.get("next", "/")), request.form.get("half", "")
    code = request.form.get("code", "")
    try:
        proof = signing_in.finish_sign_in(studio().database, half, code)
    except RefusedError as refused:
        template = "sign_in.html" if refused.code == "sign_in_again" else "sign_in_code.html"
        return shown_again(template, refused, leads_to=leads_to, half=half)
    return _signed_in(proof, leads_to)


@pages.get("/invitations/<secret>")
def invitation_page(secret: str) -> Response:
    """Choose a name and a password. Looking does not use the link up."""
    with studio().database.begin() as session:
        role = people.invitation(session, secret).role
    page = render_template("invitation.html", secret=secret, role=ROLE_TITLES[Role(role)])
    return kept_nowhere(Response(page))


@pages.post("/invitations/<secret>")
def accept_invitation(secret: str) -> AnyResponse:
    """Become a person of the studio and be signed in."""
    name, password = request.form.get("name", ""), request.form.get("password", "")
    _bound_guessing("invitation")
    with studio().database.begin() as session:
        role = people.invitation(session, secret).role
    try:
        _check_repeated(password)
        with studio().database.begin() as session:
            owner_id = people.accept(session, secret, name, password)
            cookie = accounts.issue(session, owner_id, "session", accounts.SESSION_LIFETIME)
    except RefusedError as refused:
        shown = {"secret": secret, "role": ROLE_TITLES[Role(role)], "name": name}
        return shown_again("invitation.html", refused, **shown)
    return auth.give_session(redirect(url_for("pages.studio_page"), 303), cookie)


@pages.get("/reset/<secret>")
def reset_page(secret: str) -> Response:
    """Choose a new password. Looking does not use the link up."""
    with studio().database.begin() as session:
        name = _reset_name(session, secret)
    return kept_nowhere(Response(render_template("reset.html", secret=secret, name=name)))


@pages.post("/reset/<secret>")
def reset_password(secret: str) -> AnyResponse:
    """Set a new password; the next step is signing in with it."""
    password = request.form.get("password", "")
    _bound_guessing("reset")
    with studio().database.begin() as session:
        name = _reset_name(session, secret)
    try:
        _check_repeated(password)
        with studio().database.begin() as session:
            signing_in.reset_password(session, secret, password)
    except RefusedError as refused:
        return shown_again("reset.html", refused, secret=secret, name=name)
    return redirect(url_for("pages.sign_in_page"), 303)


def _signed_in(proof: signing_in.Proof, leads_to: str) -> AnyResponse:
    answer = auth.give_session(make_response(redirect(leads_to, 303)), proof.secret)
    with studio().database.begin() as session:
        language = people.get(session, proof.owner_id).language
    if language:
        remember_language(answer, language)
    return answer


def _need_accounts() -> None:
    if not studio().settings.with_accounts:
        raise RefusedError("without_accounts")


def _bound_guessing(what: str) -> None:
    """Secrets of 256 bits are not guessed; hashing passwords for whoever asks is what costs."""
    caller = attempts.network(request.remote_addr)
    with studio().database.begin() as session:
        attempts.meter(session, what, caller, most=20, seconds=60)


def _check_repeated(password: str) -> None:
    if request.form.get("repeated", "") != password:
        raise RefusedError("invalid", faults=[Fault("/repeated", "not_repeated")])


def _reset_name(session: Session, secret: str) -> str:
    asker = accounts.asker(session, secret, "reset")
    if asker is None:
        raise RefusedError("link_spent")
    return asker.name
