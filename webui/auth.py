"""Who asks, and whether the question comes from our own page.

Programs show ``Authorization: Bearer``; browsers carry a session cookie, got by opening an
address with a one-time login token. With a cookie every unsafe request needs the page's CSRF
token and an ``Origin`` of ours. ``Host`` is always checked (DNS rebinding).
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from urllib.parse import urlsplit

from flask import Flask, Response, g, redirect, request, url_for

from jobs import accounts
from jobs.refusals import RefusedError
from webui.studio import studio

SESSION_COOKIE = "atelier_session"
SESSION_LIFETIME = timedelta(days=30)
OPEN_ENDPOINTS = frozenset(
    {
        "static",
        "health.alive",
        "health.ready",
        "pages.login",
        "pages.welcome",
        "pages.choose_language",
    }
)
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


def csrf_token() -> str:
    """The token that a form of this session must carry."""
    cookie = request.cookies.get(SESSION_COOKIE, "")
    return hmac.new(cookie.encode(), b"csrf", hashlib.sha256).hexdigest()


def is_api() -> bool:
    """Whether a program asks: its answers are JSON, also the errors."""
    return request.path.startswith("/api/") or request.path in ("/healthz", "/readyz")


def _check_host() -> None:
    if request.host not in studio().settings.allowed_hosts:
        raise RefusedError("forbidden_host", host=request.host)


def _identify() -> Response | None:
    if request.endpoint in OPEN_ENDPOINTS:
        return None
    bearer = request.authorization
    if bearer is not None and bearer.type == "bearer" and bearer.token:
        g.owner_id = _owner(bearer.token, "api")
    elif cookie := request.cookies.get(SESSION_COOKIE):
        g.owner_id = _owner(cookie, "session")
        if g.owner_id is not None and request.method not in SAFE_METHODS:
            _check_own_page()
    else:
        g.owner_id = None
    if g.owner_id is not None:
        return None
    if is_api() or request.method not in SAFE_METHODS:
        raise RefusedError("unauthenticated")
    return redirect(url_for("pages.welcome"))  # type: ignore[return-value]


def _owner(secret: str, scope: accounts.Scope) -> object:
    with studio().database.begin() as session:
        return accounts.owner_of(session, secret, scope)


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
