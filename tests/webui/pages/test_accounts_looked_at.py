"""The pages of accounts in a real browser: usable by everybody, fitting, with keyboard and eyes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pyotp
import pytest
from flask import Flask
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import select, text, update

from jobs.access import accounts, passwords, people, second_factor, shares
from jobs.access.roles import Access, Role
from jobs.models import File, Owner
from tests.webui.pages.axe import every_look, fits, speak, violations
from tests.webui.pages.conftest import Visitor
from tests.webui.pages.worker_double import WorkerDouble
from webui.studio import Studio

Window = Callable[..., BrowserContext]
PASSWORD = "a horse reads the battery staple"


@pytest.fixture(autouse=True)
def with_accounts(app: Flask, parts: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The front end as one that others can reach; nobody has tried anything yet."""
    changed = replace(parts, settings=parts.settings.changed(accounts="on"))
    monkeypatch.setitem(app.extensions, "atelier", changed)
    with parts.database.begin() as session:
        session.execute(text("DELETE FROM attempt"))


@pytest.fixture
def name(parts: Studio, artist: UUID) -> str:
    """The artist of the windows as an administrator with a password, a token and limits."""
    name = f"Ada {secrets.token_hex(3)}"
    with parts.database.begin() as session:
        others = update(Owner).where(Owner.id != artist)
        session.execute(others.values(role=str(Role.ARTIST)))
        owner = people.get(session, artist)
        owner.name, owner.role = name, str(Role.ADMINISTRATOR)
        owner.password = passwords.hashed(PASSWORD)
        owner.gpu_hours_limit = 20.0
        accounts.issue(
            session, artist, "api", accounts.SESSION_LIFETIME, Access.READ, "the nightly script"
        )
        people.invite(session, "artist", 7, "Grace", by=artist)
    return name


@pytest.fixture
def link(parts: Studio, artist: UUID, visitor: Visitor, worker: WorkerDouble) -> str:
    """The path of a shared work."""
    visitor.commission()
    worker.finish(worker.claim())
    with parts.database.begin() as session:
        work = select(File.id).where(File.owner_id == artist, File.job_id.is_not(None))
        file_id = session.execute(work.limit(1)).scalar_one()
        return f"/shared/{shares.address(shares.make(session, artist, file_id, 7, recipe=True))}"


def photograph(page: Page, what: str) -> None:
    """Keep what it looks like where one who works on a page asks for it."""
    if folder := os.environ.get("ATELIER_LOOKS"):
        page.screenshot(path=Path(folder, f"{what}.png"), full_page=True)


@every_look
def test_every_page_of_accounts_is_in_order(
    window: Window,
    parts: Studio,
    artist: UUID,
    name: str,
    link: str,
    address: str,
    width: int,
    scheme: str,
    language: str,
) -> None:
    with parts.database.begin() as session:
        second_factor.begin(session, artist)
        _, invitation = people.invite(session, "artist", 1, "", by=artist)
        reset = people.make_reset(session, artist, by=artist)
    context = window(viewport={"width": width, "height": 800}, color_scheme=scheme)
    speak(context, language, address)
    page = context.new_page()
    found: dict[str, list[str]] = {}

    def look(what: str) -> None:
        page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true })")
        photograph(page, f"{what.strip('/')[:16].replace('/', '-')}-{width}-{scheme}-{language}")
        found[what] = violations(page)
        assert fits(page), what
        assert page.locator("html").get_attribute("lang") == {"zh": "zh-Hans"}.get(language, "en")

    for path in (
        *("/account", "/account/notices", "/admin/people", link, f"/shared/{'A' * 64}"),
        *("/sign-in", f"/invitations/{invitation}", f"/reset/{reset}", "/account/uploads"),
    ):
        page.goto(path)
        look(path)
    with parts.database.begin() as session:
        secret, _ = second_factor.begin(session, artist)
    page.goto("/account")
    turning_on = page.locator("#second-factor form")
    turning_on.locator("[name=code]").fill("000000")
    turning_on.locator("[name=current_password]").fill("not it")
    turning_on.locator("button.main").click()
    expect(page.locator("#summary")).to_be_visible()
    look("refused")
    turning_on.locator("[name=code]").fill(pyotp.TOTP(secret).now())
    turning_on.locator("[name=current_password]").fill(PASSWORD)
    turning_on.locator("button.main").click()
    expect(page.locator("#new-codes")).to_be_visible()
    look("codes")
    page.goto("/sign-in")
    page.locator("[name=name]").fill(name)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[name=password]").press("Enter")
    expect(page.locator("[name=half]")).to_be_attached()
    look("second-step")
    assert {what: wrong for what, wrong in found.items() if wrong} == {}


def test_somebody_joins_and_comes_back_by_keyboard(
    window: Window, parts: Studio, artist: UUID, name: str
) -> None:
    page = window().new_page()
    page.goto("/admin/people")
    page.get_by_role("button", name="Make a link").click()
    address = page.locator("#new-link").inner_text().strip()
    guest = window()
    guest.clear_cookies()
    page = guest.new_page()
    page.goto(address)
    page.get_by_label("Name").fill("Grace Hopper")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The same password again").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("grace hopper")
    page.keyboard.press("Tab")
    page.keyboard.type("not the password")
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_contain_text("do not fit")
    expect(page.get_by_label("Name")).to_have_value("grace hopper")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/")


def test_a_shared_work_is_a_plain_page_that_tells_nobody(
    window: Window, link: str, address: str
) -> None:
    guest = window()
    guest.clear_cookies()
    page = guest.new_page()
    asked: list[tuple[str, dict[str, str]]] = []
    page.on("request", lambda one: asked.append((one.url, one.headers)))
    answer = page.goto(link)
    assert answer is not None
    headers = answer.headers
    assert (headers["referrer-policy"], headers["x-robots-tag"].split(",")[0]) == (
        "no-referrer",
        "noindex",
    )
    loaded = page.evaluate("document.images[0].complete && document.images[0].naturalWidth > 0")
    assert loaded, "the picture is not shown"
    assert len(asked) >= 4
    assert all(url.startswith(address) for url, _ in asked), asked
    told = {url: sent["referer"] for url, sent in asked if sent.get("referer")}
    assert told == {}, "the secret address was told"
    assert "script" not in page.content()
