"""Coming in and going out: the login address, the welcome page, the language."""

from __future__ import annotations

from datetime import timedelta

from flask import g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from jobs.access import accounts
from webui import addresses, auth
from webui.pages.blueprint import pages
from webui.studio import studio
from webui.texts import LANGUAGE_COOKIE, LANGUAGES

LANGUAGE_LIFETIME = timedelta(days=365)


@pages.get("/login")
def login() -> AnyResponse:
    """Trade the one-time token of the printed address for a session."""
    if studio().settings.with_accounts:
        return redirect(url_for("pages.sign_in_page"))
    started = None
    # A program that only looks (HEAD) must not use the token up.
    if request.method == "GET":
        started = auth.start_session(request.args.get("token", ""))
    if started is not None:
        return started
    return make_response(render_template("login.html"), 403)


@pages.get("/welcome")
def welcome() -> str:
    """What to do when one is not signed in."""
    return render_template("welcome.html")


@pages.post("/logout")
def logout() -> AnyResponse:
    """Forget this browser's session."""
    with studio().database.begin() as session:
        accounts.revoke(session, request.cookies.get(auth.SESSION_COOKIE, ""))
    g.asker = g.owner_id = None
    accounts_on = studio().settings.with_accounts
    answer = redirect(url_for("pages.sign_in_page" if accounts_on else "pages.welcome"), 303)
    answer.delete_cookie(auth.SESSION_COOKIE)
    return answer


@pages.post("/language")
def choose_language() -> AnyResponse:
    """Remember the reader's language and go back to the page they were on."""
    answer: AnyResponse = redirect(addresses.own(request.form.get("back", "")), 303)
    chosen = request.form.get("language", "")
    if chosen in LANGUAGES:
        remember_language(answer, chosen)
    return answer


def remember_language(answer: AnyResponse, language: str) -> None:
    """Let this browser see the studio in ``language``."""
    answer.set_cookie(
        LANGUAGE_COOKIE, language, max_age=LANGUAGE_LIFETIME, httponly=True, samesite="Lax"
    )
