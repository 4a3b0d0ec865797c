"""A front end over tables of its own, where no real worker takes the tests' jobs."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from sqlalchemy import insert, text
from werkzeug.serving import make_server

from jobs.access import accounts
from jobs.ids import new_id
from jobs.models import Owner
from jobs.settings import Settings
from tests.ports import port_near
from tests.schemas import own_schema
from tests.webui.pages.worker_double import WorkerDouble
from webui import create_app
from webui.auth import SESSION_COOKIE
from webui.studio import Studio

# Nothing listens there: pages must answer at once without Redis.
DEAD_REDIS = "redis://127.0.0.1:1/0"
SCHEMA = "pages"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
BROWSER_PATIENCE_MS = 10_000


@pytest.fixture(scope="session")
def web_settings(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a front end of its own over the studio's PostgreSQL."""
    return settings.changed(
        data=tmp_path_factory.mktemp("pages") / "var",
        storage_url="",
        redis_url=DEAD_REDIS,
        upload_bytes=200_000,
        port=port_near(18_900),
    )


@pytest.fixture(scope="session")
def app(web_settings: Settings) -> Iterator[Flask]:
    """The application."""
    made = create_app(web_settings)
    with own_schema(made.extensions["atelier"].database, SCHEMA):
        yield made


@pytest.fixture(scope="session")
def parts(app: Flask) -> Studio:
    """What the application works with."""
    opened: Studio = app.extensions["atelier"]
    return opened


@pytest.fixture
def artist(parts: Studio) -> UUID:
    """Somebody new, with no jobs yet."""
    return new_artist(parts)


def new_artist(parts: Studio) -> UUID:
    """One more person."""
    id_ = new_id()
    with parts.database.begin() as session:
        session.execute(insert(Owner).values(id=id_, name=str(id_)))
    return id_


def token(parts: Studio, owner: UUID, scope: accounts.Scope) -> str:
    """A secret of somebody."""
    with parts.database.begin() as session:
        return accounts.issue(session, owner, scope, timedelta(hours=1))


class Visitor:
    """A browser without JavaScript: keeps cookies and sends what forms send."""

    def __init__(self, app: Flask, parts: Studio, owner: UUID | None) -> None:
        self.http: FlaskClient = app.test_client()
        self.base = f"http://127.0.0.1:{parts.settings.port}"
        self.csrf = ""
        if owner is not None:
            cookie = token(parts, owner, "session")
            self.http.set_cookie(SESSION_COOKIE, cookie, domain="127.0.0.1")
            self.csrf = self.csrf_of(self.page("/jobs"))

    def get(self, path: str, **options: object) -> tuple[int, str]:
        """Status and text of a page."""
        answer = self.http.get(path, base_url=self.base, **options)
        return answer.status_code, answer.data.decode(errors="replace")

    def page(self, path: str, **options: object) -> str:
        """The text of a page that is there."""
        status, shown = self.get(path, **options)
        assert status == 200, shown
        return shown

    def post(self, path: str, **values: object) -> tuple[int, str, str]:
        """Send a form: status, text, and where it leads."""
        data = {"csrf_token": self.csrf, **values}
        answer = self.http.post(path, base_url=self.base, data=data)
        return (
            answer.status_code,
            answer.get_data(as_text=True),
            answer.headers.get("Location", ""),
        )

    def commission(self, **values: object) -> str:
        """Make a job from samples; its address."""
        chosen = {"content": "sample:cat.jpg", "styles": "sample:van-gogh-langlois-bridge.jpg"}
        status, shown, where = self.post("/new/style_transfer", **{**chosen, **values})
        assert status == 303, shown
        return where

    @staticmethod
    def csrf_of(page: str) -> str:
        """The CSRF token that a page's forms carry."""
        found = re.search(r'name="csrf_token" value="([0-9a-f]+)"', page)
        assert found
        return found[1]


@pytest.fixture
def visitor(app: Flask, parts: Studio, artist: UUID) -> Visitor:
    """A signed-in artist without JavaScript."""
    return Visitor(app, parts, artist)


@pytest.fixture
def stranger(app: Flask, parts: Studio) -> Visitor:
    """Somebody who is not signed in."""
    return Visitor(app, parts, None)


@pytest.fixture
def worker(parts: Studio) -> WorkerDouble:
    """A double of the worker; what earlier tests left waiting is put away first."""
    double = WorkerDouble(parts.database, parts.storage)
    with parts.database.begin() as session:
        session.execute(text("UPDATE job SET state = 'canceled' WHERE state = 'queued'"))
        session.execute(text("UPDATE owner_share SET waiting = 0"))
    return double


@pytest.fixture(scope="session")
def address(app: Flask, web_settings: Settings) -> Iterator[str]:
    """Where the front end answers real browsers."""
    server = make_server("127.0.0.1", web_settings.port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="pages")
    thread.start()
    yield f"http://127.0.0.1:{web_settings.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def browser(web_settings: Settings) -> Iterator[Browser]:
    """A real browser."""
    if not Path(web_settings.chromium).exists():
        pytest.skip(f"no browser at {web_settings.chromium}; set ATELIER_CHROMIUM")
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=web_settings.chromium, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def window(
    browser: Browser, parts: Studio, artist: UUID, address: str
) -> Iterator[Callable[..., BrowserContext]]:
    """Opens windows of the signed-in artist, with any options of a browser context."""
    opened: list[BrowserContext] = []

    def open_window(**options: object) -> BrowserContext:
        context = browser.new_context(base_url=address, locale="en-GB", **options)  # type: ignore[arg-type]
        context.set_default_timeout(BROWSER_PATIENCE_MS)
        cookie = {"name": SESSION_COOKIE, "value": token(parts, artist, "session"), "url": address}
        context.add_cookies([cookie])  # type: ignore[list-item]
        opened.append(context)
        return context

    yield open_window
    for context in opened:
        context.close()
