"""The hostile corner: what somebody tries who means harm, each as a test.

Forged and replayed sign-ins, guessing, open redirects and closed accounts are tried in
tests/webui/pages/test_accounts.py; whose things are whose in test_permissions.py.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from io import BytesIO

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from jobs.access import accounts, people, signing_in
from jobs.access.roles import Role
from jobs.refusals import RefusedError
from jobs.settings import Settings
from tests.webui.belongings import Belongings
from tests.webui.quiet import API, Caller, Quiet, opened, png, problem
from webui.auth import SESSION_COOKIE

PASSWORD = "a horse reads the battery staple"


@pytest.fixture(scope="module")
def quiet(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quiet]:
    """A front end of its own that others can reach."""
    folder = tmp_path_factory.mktemp("hostile")
    changed = settings.changed(
        storage_url=str(folder / "files"), data=folder / "var", accounts="on"
    )
    with opened(changed, "hostile") as made:
        yield made


@pytest.fixture
def things(caller: Caller) -> Belongings:
    """What an artist owns."""
    return Belongings(caller)


@pytest.fixture
def browser(quiet: Quiet, caller: Caller) -> FlaskClient:
    """The artist's browser, signed in."""
    client = quiet.app.test_client()
    cookie = quiet.token(caller.owner, "session")
    client.set_cookie(SESSION_COOKIE, cookie, domain="127.0.0.1")
    return client


def csrf(browser: FlaskClient) -> str:
    cookie = browser.get_cookie(SESSION_COOKIE, domain="127.0.0.1")
    assert cookie is not None
    return hmac.new(cookie.value.encode(), b"csrf", hashlib.sha256).hexdigest()


# Forms that a foreign page would like to send in somebody's name.
TEMPTING = [
    ("/account/tokens", {"name": "x", "access": "write", "days": "30"}),
    ("/account/profile", {"name": "x", "language": "en"}),
    ("/account/second-factor/begin", {}),
    ("/logout", {}),
    ("/admin/people/invitations", {"role": "administrator", "days": "7"}),
]


@pytest.mark.parametrize(("path", "form"), TEMPTING)
def test_a_foreign_page_sends_no_form(
    quiet: Quiet, browser: FlaskClient, path: str, form: dict[str, str]
) -> None:
    own = {"Origin": quiet.address}
    for token, headers in (
        ("", own),
        ("0" * 64, own),
        (csrf(browser), {"Origin": "https://evil.example"}),
        (csrf(browser), {"Origin": "null"}),
        (csrf(browser), {"Origin": quiet.address + ".evil.example"}),
    ):
        data = {**form, "csrf_token": token}
        answer = browser.post(path, base_url=quiet.address, data=data, headers=headers)
        assert answer.status_code == 403, (token, headers)
    with quiet.database.begin() as session:
        made = text("SELECT count(*) FROM token WHERE scope = 'api' AND name = 'x'")
        assert session.execute(made).scalar_one() == 0


def test_another_sessions_token_is_no_token_of_this_one(
    quiet: Quiet, browser: FlaskClient, caller: Caller
) -> None:
    other = quiet.app.test_client()
    other.set_cookie(SESSION_COOKIE, quiet.token(caller.owner, "session"), domain="127.0.0.1")
    data = {"csrf_token": csrf(other), "name": "x", "access": "write", "days": "30"}
    assert browser.post("/account/tokens", base_url=quiet.address, data=data).status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example", ""]
)
@pytest.mark.parametrize("path", ["/sign-in", "/account", f"{API}/me", "/healthz"])
def test_a_wrong_host_is_refused_before_anything_is_looked_at(
    quiet: Quiet, browser: FlaskClient, path: str, host: str
) -> None:
    answer = browser.get(path, base_url=quiet.address, headers={"Host": host})
    assert answer.status_code in (400, 403)
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "..\\..\\boot.ini",
        "/etc/passwd",
        "a\r\nSet-Cookie: x=1.png",
        "a\".png; filename*=UTF-8''b.exe",
        "\u202egnp.exe",
        "",
        "%2e%2e%2fpasswd",
    ],
)
def test_a_file_name_is_never_a_path_nor_a_header(caller: Caller, name: str) -> None:
    sent = caller.post("/files", data={"file": (BytesIO(png(40, 40)), name or "blank.png")})
    if "\r" in name:  # it ends the part's own header: whatever follows is no file any more
        problem(sent, 422, "invalid", "/file")
        return
    assert sent.status_code == 201, sent.get_json()
    shown = sent.get_json()
    assert not re.search(r'[/\\\x00-\x1f\u202e"]', shown["name"]), shown["name"]
    answer = caller.get(f"/files/{shown['id']}/content?download")
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    disposition = answer.headers["Content-Disposition"]
    assert "\r" not in disposition
    assert "\n" not in disposition
    assert disposition.count("filename*=") == 1
    assert not re.search(r"[/\\]", disposition)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../jobs/settings.py",
        "/static/%2e%2e/%2e%2e/pyproject.toml",
        "/static/..%5c..%5cpyproject.toml",
        "/samples/../../../pyproject.toml",
        "/samples/%2e%2e%2f%2e%2e%2fpyproject.toml",
        f"{API}/files/../../etc/passwd",
        f"{API}/files/%2e%2e%2f%2e%2e%2fetc%2fpasswd/content",
        f"{API}/jobs/..%2f..%2f/log",
        "/thumbnails/..%2f..%2fetc%2fpasswd",
        "/shared/..%2f..%2fetc%2fpasswd/picture",
    ],
)
def test_no_address_leads_out_of_what_is_served(caller: Caller, path: str) -> None:
    client = caller.quiet.app.test_client()
    headers = {"Authorization": f"Bearer {caller.token}"}
    answer = client.get(path, base_url=caller.quiet.address, headers=headers)
    assert answer.status_code in (301, 302, 308, 404)
    assert b"root:" not in answer.data
    assert b"[project]" not in answer.data


@pytest.mark.parametrize(
    "name", ["x\r\nSet-Cookie: a=1", "x\nLocation: //evil.example", "x\0", "\u202ex", "a\u0085b"]
)
def test_a_name_of_somebody_holds_nothing_unseen(caller: Caller, name: str) -> None:
    answer = caller.ask("PATCH", "/me", json={"name": name})
    if answer.status_code == 200:  # a break between words is a space
        assert answer.get_json()["name"].isprintable()
        return
    problem(answer, 422, "invalid", "/name")


def test_a_name_is_shown_and_never_run(quiet: Quiet, caller: Caller, browser: FlaskClient) -> None:
    name = f"<script>alert(1)</script>{str(caller.owner)[:8]}"
    assert caller.ask("PATCH", "/me", json={"name": name}).status_code == 200
    page = browser.get("/account", base_url=quiet.address).get_data(as_text=True)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("leads", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_no_redirect_leads_elsewhere(quiet: Quiet, leads: str) -> None:
    client = quiet.app.test_client()
    with quiet.database.begin() as session:
        session.execute(text("DELETE FROM attempt"))
        name = hashlib.sha256(leads.encode()).hexdigest()[:12]
        people.create(session, name, PASSWORD, Role.ARTIST, by=None)
    signed = client.post(
        "/sign-in",
        base_url=quiet.address,
        data={"name": name, "password": PASSWORD, "next": leads},
    )
    spoken = client.post(
        "/language", base_url=quiet.address, data={"language": "zh", "back": leads}
    )
    assert [answer.headers["Location"] for answer in (signed, spoken)] == ["/", "/"]


def test_a_tampered_link_shows_nothing(quiet: Quiet, things: Belongings) -> None:
    client, link = quiet.app.test_client(), things.values["link"]

    def see(address: str) -> int:
        return client.get(f"/shared/{address}", base_url=quiet.address).status_code

    assert see(link) == 200
    raw = urlsafe_b64decode(link)
    forged = [
        urlsafe_b64encode(bytes([*raw[:at], raw[at] ^ 1, *raw[at + 1 :]])).decode()
        for at in (0, 15, 16, 47)
    ]
    forged += [link[:-1], link + "A", link.swapcase(), "A" * 64, raw.hex(), "%00"]
    assert {see(address) for address in forged} == {404}
    for change in (
        "expires_at = expires_at + interval '1 year'",
        "recipe = NOT recipe",
        "owner_id = (SELECT id FROM owner WHERE id <> owner_id LIMIT 1)",
        "key = decode(repeat('00', 32), 'hex')",
    ):
        with quiet.database.begin() as session:
            where = {"id": things.values["link_id"]}
            kept = text("SELECT expires_at, recipe, owner_id, key FROM share_link WHERE id = :id")
            before = session.execute(kept, where).one()
            session.execute(text(f"UPDATE share_link SET {change} WHERE id = :id"), where)
        assert see(link) == 404, f"a link still opens after {change}"
        with quiet.database.begin() as session:
            back = text(
                "UPDATE share_link SET expires_at = :expires_at, recipe = :recipe,"
                " owner_id = :owner_id, key = :key WHERE id = :id"
            )
            session.execute(back, {**before._mapping, **where})
    assert see(link) == 200


def test_links_cannot_be_tried_in_masses(quiet: Quiet) -> None:
    client = quiet.app.test_client()
    far = {"REMOTE_ADDR": "198.51.100.7"}
    answers = [
        client.get(f"/shared/{'A' * 64}", base_url=quiet.address, environ_base=far)
        for _ in range(35)
    ]
    assert [answer.status_code for answer in answers[:30]] == [404] * 30
    assert answers[-1].status_code == 429
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


def test_an_address_that_is_claimed_is_not_believed(quiet: Quiet) -> None:
    """Without a proxy of ours, X-Forwarded-For is what anybody writes."""
    with quiet.database.begin() as session:
        session.execute(text("DELETE FROM attempt"))
    client = quiet.app.test_client()
    answers = [
        client.post(
            "/sign-in",
            base_url=quiet.address,
            data={"name": f"nobody {number}", "password": "wrong password ok"},
            headers={"X-Forwarded-For": f"203.0.113.{number}"},
        ).status_code
        for number in range(22)
    ]
    assert 429 in answers[20:]


@pytest.mark.parametrize("scope", ["session", "half", "reset", "login", "metrics"])
def test_a_secret_for_one_purpose_serves_no_other(
    quiet: Quiet, caller: Caller, scope: accounts.Scope
) -> None:
    secret = quiet.token(caller.owner, scope)
    client = quiet.app.test_client()
    headers = {"Authorization": f"Bearer {secret}"}
    asked = client.get(f"{API}/me", base_url=quiet.address, headers=headers)
    problem(asked, 401, "unauthenticated")
    if scope != "session":
        client.set_cookie(SESSION_COOKIE, secret, domain="127.0.0.1")
        page = client.get("/account", base_url=quiet.address)
        assert page.status_code == 302
    if scope != "reset":
        assert client.get(f"/reset/{secret}", base_url=quiet.address).status_code == 404
    assert client.get(f"/invitations/{secret}", base_url=quiet.address).status_code == 404


def test_a_role_cannot_be_brought_along(quiet: Quiet, caller: Caller) -> None:
    bodies = ({"role": "administrator"}, {"name": "x", "is_administrator": True})
    for body in bodies:
        assert caller.ask("PATCH", "/me", json=body).status_code == 422
    with quiet.database.begin() as session:
        _, secret = people.invite(session, "artist", 1, "", by="console")
    name = f"mallory {secret[:6]}"
    form = {"name": name, "password": PASSWORD, "repeated": PASSWORD, "role": "administrator"}
    client = quiet.app.test_client()
    client.post(f"/invitations/{secret}", base_url=quiet.address, data=form)
    with quiet.database.begin() as session:
        assert people.by_name(session, name).role == Role.ARTIST


def test_one_invitation_taken_by_many_at_once_makes_one_account(quiet: Quiet) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with quiet.database.begin() as session:
        _, secret = people.invite(session, "artist", 1, "", by="console")

    def join(number: int) -> int:
        form = {"name": f"{secret[:6]} {number}", "password": PASSWORD, "repeated": PASSWORD}
        client = quiet.app.test_client()
        return client.post(f"/invitations/{secret}", base_url=quiet.address, data=form).status_code

    with ThreadPoolExecutor(4) as many:
        assert sorted(many.map(join, range(4))) == [303, 404, 404, 404]


def test_one_reset_taken_by_many_at_once_sets_one_password(quiet: Quiet, caller: Caller) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with quiet.database.begin() as session:
        secret = people.make_reset(session, caller.owner, by="console")

    def reset(number: int) -> int:
        form = {"password": f"{PASSWORD} {number}", "repeated": f"{PASSWORD} {number}"}
        client = quiet.app.test_client()
        return client.post(f"/reset/{secret}", base_url=quiet.address, data=form).status_code

    with ThreadPoolExecutor(4) as many:
        assert sorted(many.map(reset, range(4))) == [303, 404, 404, 404]


@pytest.mark.parametrize("name", ["ΣΟΦΟΣ", "İpek", "ÉLODIE"])
def test_whoever_is_let_in_by_a_name_can_sign_in_with_it(quiet: Quiet, name: str) -> None:
    with quiet.database.begin() as session:
        made = people.create(session, name, PASSWORD, Role.ARTIST, by="console")
    for spelling in (name, name.lower()):
        proof = signing_in.sign_in(quiet.database, spelling, PASSWORD, "192.0.2.7")
        assert proof.owner_id == made
    with pytest.raises(RefusedError), quiet.database.begin() as session:
        people.create(session, name.lower(), PASSWORD, Role.ARTIST, by="console")
