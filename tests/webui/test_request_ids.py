"""What an artist shows when something broke leads the administrator to its traceback."""

from __future__ import annotations

import logging
from typing import NoReturn

import pytest

from jobs import process_log
from tests.webui.quiet import Caller, Quiet, problem


def test_an_error_page_names_a_request_that_the_log_holds_with_its_traceback(
    quiet: Quiet,
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> NoReturn:
        raise ZeroDivisionError("a defect of ours")

    for endpoint in ("pages.studio_page", "kinds.index"):
        monkeypatch.setitem(quiet.app.view_functions, endpoint, broken)
    caplog.handler.setFormatter(process_log.Lines(process_log.LINE))
    with caplog.at_level(logging.ERROR):
        shown = caller.ask("GET", "/api/v1/kinds")
        page = quiet.app.test_client().get(
            "/",
            base_url=quiet.address,
            headers={"Authorization": f"Bearer {caller.token}", "Accept-Language": "en"},
        )
    told = problem(shown, 500, "internal_error")
    assert told["request_id"] == shown.headers["X-Request-Id"]
    named = page.headers["X-Request-Id"]
    assert named != told["request_id"]
    assert f"<code>{named}</code>" in page.get_data(as_text=True)
    assert "ZeroDivisionError" not in page.get_data(as_text=True)
    for id_ in (told["request_id"], named):
        (line,) = (line for line in caplog.text.splitlines() if f"request={id_}" in line)
        assert f"owner={caller.owner}" in line
    assert caplog.text.count("ZeroDivisionError: a defect of ours") == 2


def test_what_is_refused_rightly_shows_no_request_on_its_page(quiet: Quiet) -> None:
    page = quiet.app.test_client().get("/nothing", base_url=quiet.address)
    assert "<code>" not in page.get_data(as_text=True)


def test_a_client_cannot_choose_its_request_id(caller: Caller) -> None:
    shown = caller.get("/jobs", headers={"X-Request-Id": "mine-0198"})
    assert "mine" not in shown.headers["X-Request-Id"]
