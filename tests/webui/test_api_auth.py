"""Who may ask: tokens, sessions, and questions that come from somebody else's page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from tests.webui.quiet import API, Caller, Quiet, problem
from webui.auth import SESSION_COOKIE

PATHS = [
    ("GET", "/jobs"),
    ("POST", "/jobs"),
    ("POST", "/files"),
    ("GET", "/kinds"),
    ("GET", "/jobs/01890000-0000-7000-8000-000000000000"),
    ("GET", "/nothing"),
]


def _browser(caller: Caller) -> FlaskClient:
    """A browser of this caller, with a session."""
    client = caller.quiet.app.test_client()
    token = caller.quiet.token(caller.owner, "login")
    answer = client.get("/login", query_string={"token": token}, base_url=caller.quiet.address)
    assert answer.status_code == 303
    return client


def _csrf(caller: Caller, client: FlaskClient) -> str:
    """The token that the pages of this browser's session carry."""
    import hashlib
    import hmac

    cookie = client.get_cookie(SESSION_COOKIE, domain="127.0.0.1")
    assert cookie is not None
    return hmac.new(cookie.value.encode(), b"csrf", hashlib.sha256).hexdigest()


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_nothing_of_the_api_answers_without_a_token(quiet: Quiet, method: str, path: str) -> None:
    answer = quiet.app.test_client().open(API + path, method=method, base_url=quiet.address)
    problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header", ["Bearer nonsense", "Bearer ", "Bearer", "Basic YTpi", "nonsense", "Bearer \xe9"]
)
def test_a_token_that_proves_nothing_is_refused(caller: Caller, header: str) -> None:
    answer = caller.get("/jobs", headers={"Authorization": header})
    problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_an_expired_token_is_refused(quiet: Quiet, caller: Caller) -> None:
    expired = quiet.token(caller.owner, lifetime=timedelta(seconds=-1))
    answer = caller.get("/jobs", headers={"Authorization": f"Bearer {expired}"})
    problem(answer, 401, "unauthenticated")


@pytest.mark.parametrize("scope", ["session", "login"])
def test_a_token_of_another_scope_is_refused(quiet: Quiet, caller: Caller, scope: str) -> None:
    assert scope in ("session", "login")
    token = quiet.token(caller.owner, scope)  # type: ignore[arg-type]  # one of the two above
    answer = caller.get("/jobs", headers={"Authorization": f"Bearer {token}"})
    problem(answer, 401, "unauthenticated")


def test_a_token_is_kept_only_as_its_hash(quiet: Quiet, caller: Caller) -> None:
    from sqlalchemy import select

    from jobs.models import Token

    with quiet.database.begin() as session:
        rows = session.execute(select(Token).where(Token.owner_id == caller.owner)).scalars().all()
    assert [len(row.sha256) for row in rows] == [32]
    assert all(caller.token.encode() not in row.sha256 for row in rows)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:1", "localhost", "127.0.0.1.evil"])
@pytest.mark.parametrize("path", ["/jobs", "/kinds"])
def test_a_foreign_host_name_is_refused(caller: Caller, path: str, host: str) -> None:
    answer = caller.get(path, base_url=f"http://{host}")
    assert host in problem(answer, 403, "forbidden_host")["title"]


def test_health_answers_without_a_token_but_not_to_a_foreign_name(quiet: Quiet) -> None:
    client = quiet.app.test_client()
    for path, status in (("/healthz", "alive"), ("/readyz", "ready")):
        answer = client.get(path, base_url=quiet.address)
        assert (answer.status_code, answer.get_json()) == (200, {"status": status})
        problem(client.get(path, base_url="http://evil.example"), 403, "forbidden_host")


def test_a_login_address_works_once(quiet: Quiet, caller: Caller) -> None:
    query = {"token": quiet.token(caller.owner, "login")}
    first, second = (
        quiet.app.test_client().get("/login", query_string=query, base_url=quiet.address)
        for _ in range(2)
    )
    assert first.status_code == 303
    assert second.status_code == 403
    cookie = first.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Set-Cookie" not in second.headers


def test_a_browser_with_a_session_may_look(quiet: Quiet, caller: Caller) -> None:
    answer = _browser(caller).get(f"{API}/jobs", base_url=quiet.address)
    assert answer.get_json() == {"results": [], "next": None, "previous": None}


@pytest.mark.parametrize("token", ["", "nonsense"])
def test_a_session_alone_changes_nothing(quiet: Quiet, caller: Caller, token: str) -> None:
    order, before = caller.order(), quiet.holdings()
    answer = _browser(caller).post(
        f"{API}/jobs", json=order, headers={"X-CSRF-Token": token}, base_url=quiet.address
    )
    problem(answer, 403, "forbidden")
    assert quiet.holdings() == before


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_a_request_from_a_foreign_page_changes_nothing(
    quiet: Quiet, caller: Caller, origin: str
) -> None:
    browser, order, before = _browser(caller), caller.order(), quiet.holdings()
    headers = {"X-CSRF-Token": _csrf(caller, browser), "Origin": origin}
    answer = browser.post(f"{API}/jobs", json=order, headers=headers, base_url=quiet.address)
    problem(answer, 403, "forbidden")
    assert quiet.holdings() == before


def test_a_request_from_our_own_page_is_granted(quiet: Quiet, caller: Caller) -> None:
    browser, order = _browser(caller), caller.order()
    headers = {"X-CSRF-Token": _csrf(caller, browser), "Origin": quiet.address}
    answer = browser.post(f"{API}/jobs", json=order, headers=headers, base_url=quiet.address)
    assert answer.status_code == 202


def test_every_answer_is_hardened(caller: Caller) -> None:
    for answer in (caller.get("/kinds"), caller.get("/nothing")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("zh", "zh"), ("zh-CN,zh;q=0.9", "zh"), ("en-GB", "en"), ("fr", "en"), ("", "en")],
)
def test_an_answer_says_which_language_it_is_in(caller: Caller, asked: str, answered: str) -> None:
    answer = caller.get("/nothing", headers={"Accept-Language": asked})
    assert answer.headers["Content-Language"] == answered
    assert "Accept-Language" in answer.headers["Vary"]


@pytest.mark.parametrize(
    ("path", "code"),
    [("/nothing", "not_found"), ("/jobs/nonsense", "malformed_id"), ("/jobs?limit=0", "invalid")],
)
def test_a_chinese_reader_is_told_in_chinese(caller: Caller, path: str, code: str) -> None:
    answer = caller.get(path, headers={"Accept-Language": "zh-CN"})
    body = problem(answer, answer.status_code, code, *(["/limit"] if code == "invalid" else []))
    told = [body["title"], body["hint"], *(error["detail"] for error in body["errors"])]
    for words in told:
        assert any("\u4e00" <= char <= "\u9fff" for char in words), words
