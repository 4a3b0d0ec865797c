"""``/account``: what is mine, who may come in as me, what I share, what I may use."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import segno
from flask import Response, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from jobs import quotas
from jobs.access import accounts, people, second_factor, shares, signing_in
from jobs.access.roles import ROLE_TITLES, Access, Role
from jobs.refusals import Fault, RefusedError
from jobs.stored import files
from webui import addresses, auth
from webui.api import reading
from webui.pages.blueprint import pages
from webui.pages.entry import remember_language
from webui.pages.forms_again import kept_nowhere, shown_again
from webui.studio import owner_id, studio
from webui.texts import LANGUAGE_COOKIE

P = ParamSpec("P")
TOKEN_DAYS = (7, 30, 90, 365)


@pages.get("/account")
def account_page() -> Response:
    """Everything about one's own account."""
    return _page()


def _form(view: Callable[P, AnyResponse | None]) -> Callable[P, AnyResponse]:
    """A form of the account's page: refused, the page shows why; done, it is shown anew."""

    @wraps(view)
    def answered(*given: P.args, **named: P.kwargs) -> AnyResponse:
        try:
            return view(*given, **named) or redirect(url_for("pages.account_page"), 303)
        except RefusedError as refused:
            return shown_again("account.html", refused, **_shown())

    return answered


@pages.post("/account/downloads")
def choose_downloads() -> AnyResponse:
    """Whether one's works carry their recipe when they leave."""
    with studio().database.begin() as session:
        files.choose_recipe_inside(session, owner_id(), "recipe" in request.form)
    return redirect(url_for("pages.account_page"), 303)


@pages.post("/account/profile")
@_form
def change_profile() -> AnyResponse:
    """Another name, another language."""
    language = request.form.get("language", "")
    with studio().database.begin() as session:
        people.change_profile(session, owner_id(), request.form.get("name", ""), language)
    answer = redirect(url_for("pages.account_page"), 303)
    if language:
        remember_language(answer, language)
    else:
        answer.delete_cookie(LANGUAGE_COOKIE)
    return answer


@pages.post("/account/password")
@_form
def change_password() -> AnyResponse:
    """Another password; every other session ends, and tokens where that is ticked; this session
    goes on under a new secret."""
    new = request.form.get("new_password", "")
    if request.form.get("repeated", "") != new:
        raise RefusedError("invalid", faults=[Fault("/repeated", "not_repeated")])
    current = request.form.get("current_password", "")
    end_tokens = "end_tokens" in request.form
    signing_in.change_password(studio().database, g.asker, current, new, end_tokens)
    with studio().database.begin() as session:
        cookie = accounts.issue(session, owner_id(), "session", accounts.SESSION_LIFETIME)
    return auth.give_session(redirect(url_for("pages.account_page"), 303), cookie)


@pages.post("/account/second-factor/begin")
@_form
def begin_second_factor() -> AnyResponse:
    """A secret for an authenticator app, shown once; it counts once a code confirms it."""
    _prove_password()
    with studio().database.begin() as session:
        secret, address = second_factor.begin(session, owner_id())
    return _page(begun=secret, qr=_qr(address))


@pages.post("/account/second-factor/confirm")
@_form
def confirm_second_factor() -> AnyResponse:
    """The first code; the recovery codes are shown once."""
    _prove_password()
    with studio().database.begin() as session:
        codes = second_factor.confirm(session, owner_id(), request.form.get("code", ""))
    return _page(codes=codes)


@pages.post("/account/second-factor/remove")
@_form
def remove_second_factor() -> None:
    """The password alone again."""
    _prove_password()
    with studio().database.begin() as session:
        second_factor.remove(session, owner_id())


@pages.post("/account/recovery-codes")
@_form
def renew_recovery_codes() -> AnyResponse:
    """Ten new recovery codes, shown once."""
    _prove_password()
    with studio().database.begin() as session:
        if people.get(session, owner_id()).totp_secret is None:
            raise RefusedError("second_factor_off")
        codes = second_factor.renew_recovery_codes(session, owner_id())
    return _page(codes=codes)


@pages.post("/account/sessions/<token_id>/revoke")
@_form
def revoke_session(token_id: str) -> None:
    """Sign another browser out."""
    with studio().database.begin() as session:
        accounts.revoke_one(session, owner_id(), "session", reading.id_of(token_id))


@pages.post("/account/tokens")
@_form
def make_token() -> AnyResponse:
    """A token for programs, shown once."""
    days = request.form.get("days", default=0, type=int)
    name = reading.storable("name", request.form.get("name", ""))
    access = request.form.get("access", "")
    with studio().database.begin() as session:
        _, secret = accounts.make_token(session, g.asker, name, access, days)
    return _page(token=secret)


@pages.post("/account/tokens/<token_id>/revoke")
@_form
def revoke_token(token_id: str) -> None:
    """End a token."""
    with studio().database.begin() as session:
        accounts.revoke_one(session, owner_id(), "api", reading.id_of(token_id))


@pages.post("/account/links")
@_form
def make_link() -> AnyResponse:
    """A link to one of one's pictures."""
    days = request.form.get("days", default=0, type=int)
    file_id, recipe = reading.id_of(request.form.get("file_id", "")), "recipe" in request.form
    with studio().database.begin() as session:
        shares.make(session, owner_id(), file_id, days, recipe)
    return redirect(url_for("pages.account_page", _anchor="links"), 303)


@pages.post("/account/links/<link_id>/revoke")
@_form
def revoke_link(link_id: str) -> None:
    """Take a link back."""
    with studio().database.begin() as session:
        shares.revoke(session, owner_id(), reading.id_of(link_id))


def _prove_password() -> None:
    given = request.form.get("current_password", "")
    signing_in.prove_password(studio().database, owner_id(), given)


def _page(**shown: Any) -> Response:
    page = render_template("account.html", **{**_shown(), **shown})
    return kept_nowhere(Response(page))


def _shown() -> dict[str, Any]:
    settings = studio().settings
    with studio().database.begin() as session:
        owner = people.get(session, owner_id())
        links = [
            (link, file, addresses.of_link(link)) for link, file in shares.listed(session, owner.id)
        ]
        return {
            "owner": owner,
            "role": ROLE_TITLES[Role(owner.role)],
            "with_accounts": settings.with_accounts,
            "this_session": g.asker.token_id,
            "sessions": accounts.listed(session, owner.id, "session"),
            "tokens": accounts.listed(session, owner.id, "api"),
            "accesses": [a for a in Access if a is not Access.ADMIN or g.asker.is_administrator],
            "token_days": TOKEN_DAYS,
            "links": links,
            "limits": quotas.limits(owner, settings),
            "use": quotas.use(session, owner, settings),
            "size": quotas.size,
            "codes_left": second_factor.recovery_codes_left(session, owner.id),
        }


def _qr(address: str) -> str:
    code = segno.make(address, error="m")
    return code.svg_data_uri(scale=4, border=4, dark="#000000", light="#ffffff")
