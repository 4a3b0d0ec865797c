"""Who comes in, once, and from where."""

from __future__ import annotations

from uuid import UUID

import pytest
from flask import Flask

from tests.webui.pages.conftest import Visitor, token
from webui.studio import Studio


def test_a_login_address_works_once(stranger: Visitor, parts: Studio, artist: UUID) -> None:
    secret = token(parts, artist, "login")
    first = stranger.http.get(f"/login?token={secret}", base_url=stranger.base)
    assert (first.status_code, first.headers["Location"]) == (303, "/")
    assert "HttpOnly" in first.headers["Set-Cookie"]
    assert stranger.get("/")[0] == 200
    status, shown = stranger.get(f"/login?token={secret}")
    assert status == 403
    assert "atelier login" in shown


def test_a_program_that_only_looks_does_not_spend_the_token(
    stranger: Visitor, parts: Studio, artist: UUID
) -> None:
    secret = token(parts, artist, "login")
    stranger.http.head(f"/login?token={secret}", base_url=stranger.base)
    answer = stranger.http.get(f"/login?token={secret}", base_url=stranger.base)
    assert answer.status_code == 303


@pytest.mark.parametrize("path", ["/", "/jobs", "/new/style_transfer", "/nowhere"])
def test_who_is_not_signed_in_is_welcomed(stranger: Visitor, path: str) -> None:
    answer = stranger.http.get(path, base_url=stranger.base)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/welcome")
    assert "atelier login" in stranger.page("/welcome")


def test_signing_out_ends_the_session(visitor: Visitor) -> None:
    cookie = visitor.http.get_cookie("atelier_session", domain="127.0.0.1")
    assert cookie is not None
    assert visitor.post("/logout")[2] == "/welcome"
    visitor.http.set_cookie("atelier_session", cookie.value, domain="127.0.0.1")
    assert visitor.get("/")[0] == 302


def test_a_foreign_host_is_refused(visitor: Visitor) -> None:
    answer = visitor.http.get("/", base_url="http://evil.example")
    assert answer.status_code == 403


def test_a_form_without_its_token_is_refused(visitor: Visitor) -> None:
    visitor.csrf = "0" * 64
    status, shown, _ = visitor.post("/new/style_transfer", content="sample:cat.jpg")
    assert status == 403
    assert "Reload the page" in shown


def test_a_form_from_another_page_is_refused(visitor: Visitor) -> None:
    answer = visitor.http.post(
        "/logout",
        base_url=visitor.base,
        data={"csrf_token": visitor.csrf},
        headers={"Origin": "http://evil.example"},
    )
    assert answer.status_code == 403


def test_the_language_is_kept_and_leads_back(visitor: Visitor) -> None:
    status, _, where = visitor.post("/language", language="zh", back="/jobs?status=failed")
    assert (status, where) == (303, "/jobs?status=failed")
    assert 'lang="zh-Hans"' in visitor.page("/jobs")


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example", ""])
def test_choosing_a_language_leads_nowhere_else(visitor: Visitor, back: str) -> None:
    assert visitor.post("/language", language="zh", back=back)[2] == "/"


def test_who_is_not_signed_in_may_choose_a_language(app: Flask, stranger: Visitor) -> None:
    assert stranger.post("/language", language="zh", back="/welcome")[2] == "/welcome"
    assert "欢迎" in stranger.page("/welcome")
