"""Who asks, and whether the question comes from our own page.

Programs show ``Authorization: Bearer``; browsers carry a session cookie, got by signing in, or in
a studio without accounts by opening an address with a one-time login token. With a cookie every
unsafe request needs the page's CSRF token and an ``Origin`` of ours; without one, as at the
sign-in, the ``Origin``. ``Host`` is always checked (DNS rebinding).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from jobs import process_log
from jobs.access import accounts
from jobs.access.roles import Access, Role
from jobs.refusals import RefusedError
from webui.studio import studio

SESSION_COOKIE = "atelier_session"
OPEN_ENDPOINTS = frozenset(
    {
        "static",
        "health.alive",
        "health.ready",
        "metrics.show",  # checks its readers itself
        "pages.login",
        "pages.welcome",
        "pages.choose_language",
        "pages.sign_in_page",
        "pages.sign_in",
        "pages.sign_in_code",
        "pages.invitation_page",
        "pages.accept_invitation",
        "pages.reset_page",
        "pages.reset_password",
        "pages.shared_page",
        "pages.shared_picture",
    }
)
# Their bodies are read as they arrive, by :mod:`webui.arrivals`, which checks the token in them.
STREAMED_ENDPOINTS = frozenset({"datasets.bring", "pages.bring_dataset"})
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


def start_session(secret: str) -> AnyResponse | None:
    """Trade a one-time login token for a session cookie; None when it is spent or unknown."""
    with studio().database.begin() as session:
        owner = accounts.spend(session, secret, "login")
        if owner is None:
            return None
        cookie = accounts.issue(session, owner, "session", accounts.SESSION_LIFETIME)
    return give_session(redirect(url_for("pages.studio_page"), 303), cookie)


def give_session(answer: AnyResponse, secret: str) -> AnyResponse:
    """Make ``answer`` begin the session of ``secret``; the one that was shown before ends, so that
    nobody who planted or copied it is signed in with its next user.
    """
    with studio().database.begin() as session:
        accounts.revoke(session, request.cookies.get(SESSION_COOKIE, ""))
    answer.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=accounts.SESSION_LIFETIME,
        httponly=True,
        samesite="Lax",
        secure=studio().settings.public_url.startswith("https://"),
    )
    return answer


def check_administrator() -> None:
    """Refuse whoever is no administrator; for a blueprint's ``before_request``.

    Nothing is looked up before it, so an artist learns nothing of what there is.
    """
    if g.asker is None or g.asker.role is not Role.ADMINISTRATOR:
        raise RefusedError("administrators_only")
    if not g.asker.is_administrator:
        raise RefusedError("token_too_weak", access=str(Access.ADMIN))


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


def check_csrf(shown: str) -> None:
    """Refuse a request that does not carry the token of this session's pages."""
    if not hmac.compare_digest(shown.encode(), csrf_token().encode()):
        raise RefusedError("forbidden")
    g.csrf_due = False


def is_api() -> bool:
    """Whether a program asks: its answers are JSON, also the errors."""
    return request.path.startswith("/api/") or request.path in ("/healthz", "/readyz", "/metrics")


def _check_host() -> None:
    if "\0" in request.path:  # nothing that the database keeps is called so
        raise RefusedError("not_found")
    if request.host not in studio().settings.allowed_hosts:
        raise RefusedError("forbidden_host", host=request.host)


def _identify() -> AnyResponse | None:
    g.asker = g.owner_id = None
    g.csrf_due = False
    if request.endpoint in OPEN_ENDPOINTS:
        if request.method not in SAFE_METHODS:
            _check_origin()
        return None
    bearer = request.authorization
    if bearer is not None and bearer.type == "bearer" and bearer.token:
        g.asker = _asker(bearer.token, "api")
        _check_access()
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
    if not studio().settings.with_accounts:
        return redirect(url_for("pages.welcome"))
    wanted = request.full_path.rstrip("?")
    return redirect(url_for("pages.sign_in_page", next=wanted if wanted != "/" else None))


def _asker(secret: str, scope: accounts.Scope) -> accounts.Asker | None:
    with studio().database.begin() as session:
        return accounts.asker(session, secret, scope)


def _check_access() -> None:
    wanted = Access.READ if request.method in SAFE_METHODS else Access.WRITE
    if g.asker is not None and not g.asker.access.includes(wanted):
        raise RefusedError("token_too_weak", access=str(wanted))


def _check_origin() -> None:
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc not in studio().settings.allowed_hosts:
        raise RefusedError("forbidden")


def _check_own_page() -> None:
    _check_origin()
    shown = request.headers.get("X-CSRF-Token")
    if shown is None and request.endpoint in STREAMED_ENDPOINTS:
        g.csrf_due = True
        return
    check_csrf(shown or request.form.get("csrf_token", ""))


def _harden(answer: Response) -> Response:
    answer.headers.setdefault("Content-Security-Policy", CONTENT_POLICY)
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    answer.headers.setdefault("Referrer-Policy", "same-origin")
    answer.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    answer.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    if request.endpoint != "static":
        answer.headers.setdefault("Cache-Control", "private, no-cache")
    return answer
