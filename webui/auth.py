"""Who asks, and whether the question comes from our own page.

Programs show ``Authorization: Bearer``; browsers carry a session cookie, got by opening an
address with a one-time login token. With a cookie every unsafe request needs the page's CSRF
token and an ``Origin`` of ours. ``Host`` is always checked (DNS rebinding).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, g, redirect, request, url_for

from jobs import accounts, process_log
from jobs.refusals import RefusedError
from webui.studio import studio

SESSION_COOKIE = "atelier_session"
SESSION_LIFETIME = timedelta(days=30)
OPEN_ENDPOINTS = frozenset(
    {
        "static",
        "health.alive",
        "health.ready",
        "metrics.show",  # checks its readers itself
        "pages.login",
        "pages.welcome",
        "pages.choose_language",
    }
)
P = ParamSpec("P")
R = TypeVar("R")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)


def install(app: Flask) -> None:
    """Check every request of ``app``, and harden every answer."""
    app.before_request(_check_host)
    app.before_request(_identify)
    app.after_request(_harden)
    app.context_processor(lambda: {"csrf_token": csrf_token})


def start_session(secret: str) -> Response | None:
    """Trade a one-time login token for a session cookie; None when it is spent or unknown."""
    with studio().database.begin() as session:
        owner = accounts.spend_login(session, secret)
        if owner is None:
            return None
        cookie = accounts.issue(session, owner, "session", SESSION_LIFETIME)
    answer = redirect(url_for("pages.studio_page"), 303)
    answer.set_cookie(
        SESSION_COOKIE,
        cookie,
        max_age=SESSION_LIFETIME,
        httponly=True,
        samesite="Lax",
        secure=studio().settings.public_url.startswith("https://"),
    )
    return answer  # type: ignore[return-value]  # werkzeug's redirect is typed as its own class


def check_administrator() -> None:
    """Refuse whoever is no administrator; for a blueprint's ``before_request``.

    Nothing is looked up before it, so an artist learns nothing of what there is.
    """
    if g.asker is None or not g.asker.is_administrator:
        raise RefusedError("administrators_only")


def require_administrator(view: Callable[P, R]) -> Callable[P, R]:
    """Let only administrators have what ``view`` answers, page or API."""

    @wraps(view)
    def guarded(*given: P.args, **named: P.kwargs) -> R:
        check_administrator()
        return view(*given, **named)

    return guarded


def csrf_token() -> str:
    """The token that a form of this session must carry."""
    cookie = request.cookies.get(SESSION_COOKIE, "")
    return hmac.new(cookie.encode(), b"csrf", hashlib.sha256).hexdigest()


def is_api() -> bool:
    """Whether a program asks: its answers are JSON, also the errors."""
    return request.path.startswith("/api/") or request.path in ("/healthz", "/readyz", "/metrics")


def _check_host() -> None:
    if request.host not in studio().settings.allowed_hosts:
        raise RefusedError("forbidden_host", host=request.host)


def _identify() -> Response | None:
    g.asker = g.owner_id = None
    if request.endpoint in OPEN_ENDPOINTS:
        return None
    bearer = request.authorization
    if bearer is not None and bearer.type == "bearer" and bearer.token:
        g.asker = _asker(bearer.token, "api")
    elif cookie := request.cookies.get(SESSION_COOKIE):
        g.asker = _asker(cookie, "session")
        if g.asker is not None and request.method not in SAFE_METHODS:
            _check_own_page()
    if g.asker is not None:
        g.owner_id = g.asker.owner_id
        process_log.bind(owner=g.owner_id)
        return None
    if is_api() or request.method not in SAFE_METHODS:
        raise RefusedError("unauthenticated")
    return redirect(url_for("pages.welcome"))  # type: ignore[return-value]


def _asker(secret: str, scope: accounts.Scope) -> accounts.Asker | None:
    with studio().database.begin() as session:
        return accounts.asker(session, secret, scope)


def _check_own_page() -> None:
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc not in studio().settings.allowed_hosts:
        raise RefusedError("forbidden")
    shown = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token", "")
    if not hmac.compare_digest(shown.encode(), csrf_token().encode()):
        raise RefusedError("forbidden")


def _harden(answer: Response) -> Response:
    answer.headers.setdefault("Content-Security-Policy", CONTENT_POLICY)
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    answer.headers.setdefault("Referrer-Policy", "same-origin")
    answer.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    answer.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    if request.endpoint != "static":
        answer.headers.setdefault("Cache-Control", "private, no-cache")
    return answer
