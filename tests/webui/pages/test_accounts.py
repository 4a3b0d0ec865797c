"""Signing in, invitations, passwords, second factors, sessions and tokens, as a person does it."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import replace
from uuid import UUID

import pyotp
import pytest
from flask import Flask
from sqlalchemy import text

from jobs import attempts
from jobs.access import accounts, people
from jobs.access.roles import Role
from tests.webui.pages.conftest import Visitor
from webui.auth import SESSION_COOKIE
from webui.studio import Studio

PASSWORD = "a horse reads the battery staple"


@pytest.fixture(autouse=True)
def with_accounts(app: Flask, parts: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The front end as one that others can reach; nobody has tried anything yet."""
    changed = replace(parts, settings=parts.settings.changed(accounts="on"))
    monkeypatch.setitem(app.extensions, "atelier", changed)
    with parts.database.begin() as session:
        session.execute(text("DELETE FROM attempt"))


@pytest.fixture
def person(parts: Studio) -> tuple[UUID, str]:
    """Somebody with a password: id and name."""
    name = f"ada {secrets.token_hex(4)}"
    with parts.database.begin() as session:
        return people.create(session, name, PASSWORD, Role.ARTIST, by=None), name


def sign_in(browser: Visitor, name: str, password: str = PASSWORD, **more: str) -> tuple[int, str]:
    """Fill the sign-in form; status, and where it leads or what it says."""
    answer = browser.http.post(
        "/sign-in", base_url=browser.base, data={"name": name, "password": password, **more}
    )
    return answer.status_code, answer.headers.get("Location") or answer.get_data(as_text=True)


def signed_in(app: Flask, parts: Studio, name: str) -> Visitor:
    """A browser in which this person has signed in."""
    browser = Visitor(app, parts, None)
    assert sign_in(browser, name) == (303, "/")
    browser.csrf = browser.csrf_of(browser.page("/account"))
    return browser


def cookie(browser: Visitor) -> str:
    found = browser.http.get_cookie(SESSION_COOKIE, domain="127.0.0.1")
    return found.value if found else ""


def shown(page: str, id_: str) -> str:
    """What a page shows once."""
    found = re.search(rf'id="{id_}">([^<]+)<', page)
    assert found, page
    return found[1]


def test_a_name_and_a_password_open_the_studio(stranger: Visitor, person: tuple[UUID, str]) -> None:
    assert (
        stranger.http.get("/jobs?status=failed", base_url=stranger.base)
        .headers["Location"]
        .endswith("/sign-in?next=/jobs?status%3Dfailed")
    )
    status, where = sign_in(stranger, person[1].upper(), next="/jobs?status=failed")
    assert (status, where) == (303, "/jobs?status=failed")
    assert person[1] in stranger.page("/account")


@pytest.mark.parametrize("wrong", ["name", "password"])
def test_what_was_wrong_is_not_told(
    stranger: Visitor, person: tuple[UUID, str], wrong: str
) -> None:
    name = person[1] if wrong == "password" else "nobody of that name"
    status, page = sign_in(stranger, name, "wrong password, long enough")
    assert status == 401
    assert "This name and password do not fit." in page
    assert cookie(stranger) == ""


def test_an_unknown_name_costs_a_hash_too(
    stranger: Visitor, person: tuple[UUID, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.access import passwords

    verified = []
    verify = passwords._hasher.verify

    def watched(self: object, stored: str, given: str) -> bool:
        verified.append(stored)
        return verify(stored, given)

    monkeypatch.setattr(type(passwords._hasher), "verify", watched)
    sign_in(stranger, "nobody of that name", "wrong password, long enough")
    sign_in(stranger, person[1], "wrong password, long enough")
    costs = [stored.split("$")[:4] for stored in verified]
    assert len(costs) == 2
    assert costs[0] == costs[1], "an unknown name is checked at another cost"


def test_a_session_is_renewed_at_the_sign_in(
    app: Flask, parts: Studio, person: tuple[UUID, str]
) -> None:
    browser = Visitor(app, parts, None)
    browser.http.set_cookie(SESSION_COOKIE, "planted-by-somebody", domain="127.0.0.1")
    assert sign_in(browser, person[1])[0] == 303
    first = cookie(browser)
    assert first != "planted-by-somebody"
    assert sign_in(browser, person[1])[0] == 303
    assert cookie(browser) != first
    browser.http.set_cookie(SESSION_COOKIE, first, domain="127.0.0.1")
    assert browser.get("/account")[0] == 302, "the session of before still counts"


@pytest.mark.parametrize(
    "leads", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_leads_nowhere_else(
    stranger: Visitor, person: tuple[UUID, str], leads: str
) -> None:
    assert 'name="next" value="/"' in stranger.page(f"/sign-in?next={leads}")
    assert sign_in(stranger, person[1], next=leads) == (303, "/")


def test_a_foreign_page_signs_nobody_in(stranger: Visitor, person: tuple[UUID, str]) -> None:
    for origin in ("http://evil.example", "null"):
        answer = stranger.http.post(
            "/sign-in",
            base_url=stranger.base,
            data={"name": person[1], "password": PASSWORD},
            headers={"Origin": origin},
        )
        assert answer.status_code == 403
    assert cookie(stranger) == ""


def test_guessing_takes_longer_and_longer_but_never_for_good(
    stranger: Visitor, person: tuple[UUID, str], parts: Studio
) -> None:
    waits = []
    for _ in range(8):
        sign_in(stranger, person[1], "wrong password, long enough")
        with parts.database.begin() as session:
            session.execute(text("UPDATE attempt SET free_at = free_at - interval '1 day'"))
            failures = text("SELECT max(failures) FROM attempt")
            waits.append(session.execute(failures).scalar_one())
    assert waits == list(range(1, 9))
    sign_in(stranger, person[1], "wrong password, long enough")
    answer = stranger.http.post(
        "/sign-in", base_url=stranger.base, data={"name": person[1], "password": PASSWORD}
    )
    assert answer.status_code == 429, "the right password is not heard while one must wait"
    assert 1 <= int(answer.headers["Retry-After"]) <= 300
    with parts.database.begin() as session:
        session.execute(text("UPDATE attempt SET free_at = now()"))
    assert sign_in(stranger, person[1])[0] == 303


def test_many_names_from_one_address_are_bounded_too(
    stranger: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attempts.ADDRESS.free >= attempts.ACCOUNT.free
    monkeypatch.setattr(attempts, "ADDRESS", replace(attempts.ADDRESS, free=4))
    answers = [sign_in(stranger, f"name {number}", "wrong password ok")[0] for number in range(6)]
    assert answers[:4] == [401] * 4
    assert 429 in answers[4:]


def test_an_invitation_makes_one_account_of_its_role(
    app: Flask, parts: Studio, stranger: Visitor
) -> None:
    with parts.database.begin() as session:
        _, secret = people.invite(session, "administrator", 7, "", by="console")
    address, name = f"/invitations/{secret}", f"grace {secrets.token_hex(4)}"
    form = {"name": name, "password": PASSWORD, "repeated": PASSWORD}
    assert stranger.http.head(address, base_url=stranger.base).status_code == 200
    status, page, _ = stranger.post(address, **{**form, "repeated": "another"})
    assert (status, "The two passwords differ" in page) == (422, True)
    status, page, _ = stranger.post(address, name=name, password="short", repeated="short")
    assert (status, "12 to 256 characters" in page) == (422, True)
    assert stranger.post(address, **form)[::2] == (303, "/")
    assert "administrator" in stranger.page("/account")
    status, page, _ = Visitor(app, parts, None).post(address, **{**form, "name": "second"})
    assert (status, "already used" in page) == (404, True)


def test_an_invitation_ends(parts: Studio, stranger: Visitor) -> None:
    with parts.database.begin() as session:
        row, secret = people.invite(session, "artist", 1, "", by="console")
        session.execute(
            text("UPDATE invitation SET expires_at = now() WHERE id = :id"), {"id": row.id}
        )
    assert stranger.get(f"/invitations/{secret}")[0] == 404
    status, _, _ = stranger.post(
        f"/invitations/{secret}", name="late", password=PASSWORD, repeated=PASSWORD
    )
    assert status == 404


@pytest.mark.parametrize("name", ["", " ", "a\u202eb", "tab\x07", "x" * 65])
def test_a_name_that_cannot_be_shown_is_refused(
    parts: Studio, stranger: Visitor, name: str
) -> None:
    with parts.database.begin() as session:
        _, secret = people.invite(session, "artist", 1, "", by="console")
    form = {"name": name, "password": PASSWORD, "repeated": PASSWORD}
    assert stranger.post(f"/invitations/{secret}", **form)[0] == 422


def test_a_name_is_taken_in_any_case(
    parts: Studio, stranger: Visitor, person: tuple[UUID, str]
) -> None:
    with parts.database.begin() as session:
        _, secret = people.invite(session, "artist", 1, "", by="console")
    form = {"name": person[1].title(), "password": PASSWORD, "repeated": PASSWORD}
    status, page, _ = stranger.post(f"/invitations/{secret}", **form)
    assert (status, "already called" in page) == (422, True)


def test_another_password_ends_every_other_session(
    app: Flask, parts: Studio, person: tuple[UUID, str]
) -> None:
    here, there = (signed_in(app, parts, person[1]) for _ in range(2))
    before = cookie(here)
    new = "correct zebra battery staple"
    form = {"new_password": new, "repeated": new}
    status, page, _ = here.post("/account/password", current_password="not it", **form)
    assert (status, "This is not your password." in page) == (422, True)
    assert here.post("/account/password", current_password=PASSWORD, **form)[0] == 303
    assert cookie(here) != before
    assert (here.get("/account")[0], there.get("/account")[0]) == (200, 302)
    assert sign_in(there, person[1])[0] == 401
    assert sign_in(there, person[1], new)[0] == 303


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaa", "passwordpassword", "x" * 257])
def test_a_password_that_is_guessed_first_is_refused(
    app: Flask, parts: Studio, person: tuple[UUID, str], password: str
) -> None:
    form = {"current_password": PASSWORD, "new_password": password, "repeated": password}
    assert signed_in(app, parts, person[1]).post("/account/password", **form)[0] == 422


def test_a_link_of_an_administrator_sets_a_password_once(
    app: Flask, parts: Studio, person: tuple[UUID, str], stranger: Visitor
) -> None:
    browser = signed_in(app, parts, person[1])
    with parts.database.begin() as session:
        secret = people.make_reset(session, person[0], by="console")
        accounts.issue(session, person[0], "api", accounts.SESSION_LIFETIME)
    new = "correct zebra battery staple"
    assert stranger.get(f"/reset/{secret}")[0] == 200
    where = stranger.post(f"/reset/{secret}", password=new, repeated=new)
    assert where[::2] == (303, "/sign-in")
    assert browser.get("/account")[0] == 302, "a session of before the reset still counts"
    with parts.database.begin() as session:
        assert accounts.listed(session, person[0], "api") == [], "a token still counts"
    assert stranger.post(f"/reset/{secret}", password=new, repeated=new)[0] == 404
    assert sign_in(stranger, person[1], new)[0] == 303


def test_a_second_factor_is_asked_for_and_each_code_works_once(
    app: Flask, parts: Studio, person: tuple[UUID, str]
) -> None:
    browser = signed_in(app, parts, person[1])
    assert browser.post("/account/second-factor/begin", current_password="no")[0] == 422
    assert "data:image/svg+xml" not in browser.page("/account")
    known = {"current_password": PASSWORD}
    _, page, _ = browser.post("/account/second-factor/begin", **known)
    found = re.search(r"<code>([A-Z2-7]{32})</code>", page)
    assert found
    assert "data:image/svg+xml" in page
    assert not {found[1], "data:image/svg+xml"} & set(browser.page("/account").split('"'))
    assert found[1] not in browser.page("/account"), "the secret is shown without the password"
    totp = pyotp.TOTP(found[1])
    assert browser.post("/account/second-factor/confirm", code="000000x", **known)[0] == 422
    now = time.time()
    assert browser.post("/account/second-factor/confirm", code=totp.at(now))[0] == 422
    status, page, _ = browser.post("/account/second-factor/confirm", code=totp.at(now), **known)
    codes = shown(page, "new-codes").split()
    assert (status, len(codes), len(set(codes))) == (200, 10, 10)
    assert shown_again_nowhere(browser, codes)

    def prove(code: str) -> tuple[int, str]:
        other = Visitor(app, parts, None)
        _, page = sign_in(other, person[1], next="/jobs")
        half = re.search(r'name="half" value="([^"]+)"', page)
        assert half
        assert cookie(other) == "", "half a sign-in opens nothing"
        answer = other.post("/sign-in/code", half=half[1], code=code, next="/jobs")
        return answer[0], answer[2]

    assert prove(totp.at(now))[0] == 401, "a code worked twice"
    assert prove(totp.at(now + 30)) == (303, "/jobs")
    assert prove(codes[0]) == (303, "/jobs")
    assert prove(codes[0])[0] == 401, "a recovery code worked twice"
    assert prove(codes[1].upper().replace("-", " ")) == (303, "/jobs")
    assert "8 recovery codes are left" in browser.page("/account")
    assert browser.post("/account/second-factor/remove", current_password="no")[0] == 422
    browser.post("/account/second-factor/remove", current_password=PASSWORD)
    assert sign_in(Visitor(app, parts, None), person[1]) == (303, "/")


def shown_again_nowhere(browser: Visitor, codes: list[str]) -> bool:
    page = browser.page("/account")
    return not any(code in page for code in codes)


def test_codes_cannot_be_guessed(
    app: Flask, parts: Studio, person: tuple[UUID, str], stranger: Visitor
) -> None:
    from jobs.access import second_factor

    with parts.database.begin() as session:
        secret, _ = second_factor.begin(session, person[0])
        second_factor.confirm(session, person[0], pyotp.TOTP(secret).now())
    _, page = sign_in(stranger, person[1])
    half = re.search(r'name="half" value="([^"]+)"', page)
    assert half
    answers = [stranger.post("/sign-in/code", half=half[1], code="1")[0] for _ in range(7)]
    assert answers[:5] == [401] * 5
    assert answers[-1] == 429


def test_a_session_can_be_ended_from_another_browser(
    app: Flask, parts: Studio, person: tuple[UUID, str]
) -> None:
    here, there = (signed_in(app, parts, person[1]) for _ in range(2))
    (other,) = re.findall(r"/account/sessions/([0-9a-f-]+)/revoke", here.page("/account"))
    assert here.post(f"/account/sessions/{other}/revoke")[0] == 303
    assert there.get("/account")[0] == 302


def test_a_token_is_shown_once_and_can_be_ended(
    app: Flask, parts: Studio, person: tuple[UUID, str]
) -> None:
    browser = signed_in(app, parts, person[1])
    status, page, _ = browser.post("/account/tokens", name="my script", access="read", days=7)
    assert status == 200
    token = shown(page, "new-token")
    assert token not in browser.page("/account")

    def ask(method: str = "GET") -> int:
        headers = {"Authorization": f"Bearer {token}"}
        client = app.test_client(use_cookies=False)
        return client.open(
            "/api/v1/jobs", base_url=browser.base, headers=headers, method=method, json={}
        ).status_code

    assert (ask(), ask("POST")) == (200, 403)
    assert "my script" in browser.page("/account")
    found = re.search(r"/account/tokens/([0-9a-f-]+)/revoke", browser.page("/account"))
    assert found
    browser.post(f"/account/tokens/{found[1]}/revoke")
    assert ask() == 401
    assert browser.post("/account/tokens", name="x", access="admin", days=7)[0] == 403


def test_a_closed_account_lets_nobody_in(
    app: Flask, parts: Studio, person: tuple[UUID, str], stranger: Visitor
) -> None:
    browser = signed_in(app, parts, person[1])
    with parts.database.begin() as session:
        token = accounts.issue(session, person[0], "api", accounts.SESSION_LIFETIME)
        people.disable(session, person[0], by="console")
    assert browser.get("/account")[0] == 302
    assert sign_in(stranger, person[1])[0] == 401
    headers = {"Authorization": f"Bearer {token}"}
    address = "/api/v1/me"
    asked = app.test_client().get(address, base_url=browser.base, headers=headers)
    assert asked.status_code == 401
    with parts.database.begin() as session:
        people.enable(session, person[0], by="console")
    assert sign_in(stranger, person[1])[0] == 303
    asked = app.test_client().get(address, base_url=browser.base, headers=headers)
    assert asked.status_code == 401, "a token of before the closing counts again"


def test_a_login_address_of_a_local_studio_opens_no_studio_with_accounts(
    parts: Studio, stranger: Visitor, person: tuple[UUID, str]
) -> None:
    with parts.database.begin() as session:
        secret = accounts.issue(session, person[0], "login", accounts.SESSION_LIFETIME)
    stranger.get(f"/login?token={secret}")
    assert stranger.get("/account")[0] == 302
