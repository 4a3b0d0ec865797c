"""Coming in and going out: the login address, the welcome page, the language."""

from __future__ import annotations

from datetime import timedelta

from flask import g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from jobs import accounts
from webui import auth
from webui.pages.blueprint import pages
from webui.studio import studio
from webui.texts import LANGUAGE_COOKIE, LANGUAGES

LANGUAGE_LIFETIME = timedelta(days=365)


@pages.get("/login")
def login() -> AnyResponse:
    """Trade the one-time token of the printed address for a session."""
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
    answer = redirect(url_for("pages.welcome"), 303)
    answer.delete_cookie(auth.SESSION_COOKIE)
    return answer


@pages.post("/language")
def choose_language() -> AnyResponse:
    """Remember the reader's language and go back to the page they were on."""
    answer: AnyResponse = redirect(_local(request.form.get("back", "")), 303)
    chosen = request.form.get("language", "")
    if chosen in LANGUAGES:
        answer.set_cookie(
            LANGUAGE_COOKIE, chosen, max_age=LANGUAGE_LIFETIME, httponly=True, samesite="Lax"
        )
    return answer


def _local(path: str) -> str:
    """``path`` if it stays within this studio: nobody is sent elsewhere through us."""
    inside = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if inside and path.isprintable() else url_for("pages.studio_page")
