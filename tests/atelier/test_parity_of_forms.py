"""Every form of every page asks for something that the API, the client and a command do too."""

from __future__ import annotations

import re
from typing import NamedTuple

import click
import pytest
from flask import Flask

from atelier.cli import atelier
from atelier.client import Studio
from jobs.settings import Settings
from tests.source import ROOT
from webui import create_app

TEMPLATES = ROOT / "webui" / "templates"


class Ways(NamedTuple):
    """The other ways to what a form does: of the API, of the client, of the command line."""

    api: str
    client: str
    command: str


# By the view that takes the form. One whose view does several things has them in test_parity.py.
WAYS = {
    "make": Ways("jobs.submit", "submit", "submit"),
    "act": Ways("jobs.cancel", "cancel", "cancel"),
    "delete_now": Ways("deletion.delete_job", "delete", "delete"),
    "make_link": Ways("links.share", "share", "links make"),
    "revoke_link": Ways("links.unshare", "unshare", "links revoke"),
    "add_model": Ways("models.add", "add_model", "models add"),
    "rename_model": Ways("models.rename", "rename_model", "models rename"),
    "delete_model": Ways("models.delete", "delete_model", "models delete"),
    "bring_dataset": Ways("datasets.bring", "add_dataset", "datasets add"),
    "sample_dataset": Ways("datasets.sample", "sample_dataset", "datasets sample"),
    "change_dataset": Ways("datasets.change", "change_dataset", "datasets change"),
    "delete_dataset": Ways("datasets.delete", "delete_dataset", "datasets delete"),
    "delete_upload": Ways("deletion.delete_file", "delete_file", "delete-file"),
    "change_profile": Ways("me.change", "change_me", "account change"),
    "choose_downloads": Ways("downloads.choose", "choose_recipe_inside", "account downloads"),
    "change_password": Ways("me.change_password", "change_password", "account password"),
    "begin_second_factor": Ways(
        "me.begin_second_factor", "begin_second_factor", "account second-factor"
    ),
    "confirm_second_factor": Ways(
        "me.confirm_second_factor", "confirm_second_factor", "account second-factor --code"
    ),
    "remove_second_factor": Ways(
        "me.remove_second_factor", "remove_second_factor", "account second-factor --off"
    ),
    "renew_recovery_codes": Ways(
        "me.renew_recovery_codes", "renew_recovery_codes", "account second-factor --renew-codes"
    ),
    "revoke_session": Ways("me.revoke_session", "revoke_session", "account sign-out"),
    "make_token": Ways("me.make_token", "make_token", "tokens make"),
    "revoke_token": Ways("me.revoke_token", "revoke_token", "tokens revoke"),
    "change_notices": Ways("notices.change", "change_notices", "notices"),
    "add_webhook": Ways("notices.add", "add_webhook", "webhooks add"),
    "remove_webhook": Ways("notices.remove", "remove_webhook", "webhooks remove"),
    "replay_delivery": Ways("notices.replay", "replay", "webhooks replay"),
    "act_on_slot": Ways("workers.drain", "drain", "admin drain"),
    "act_on_queue": Ways("admin.pause_queue", "pause_queue", "admin pause-queue"),
    "act_on_job": Ways("admin.cancel", "cancel_job", "admin cancel"),
    "maintenance": Ways("admin.begin_maintenance", "begin_maintenance", "admin maintenance begin"),
    "requeue_many": Ways("admin.requeue_many", "requeue_many", "admin requeue"),
    "change_retention": Ways("retention.replace", "set_retention", "admin retention set"),
    "apply_retention": Ways("retention.apply", "apply_retention", "admin retention apply"),
    "invite_person": Ways("people.invite", "invite", "admin invite"),
    "withdraw_invitation": Ways("people.withdraw", "withdraw", "admin uninvite"),
    "change_person": Ways("people.change", "change_person", "admin limits"),
    "disable_person": Ways("people.change", "change_person", "admin disable"),
    "enable_person": Ways("people.change", "change_person", "admin enable"),
    "reset_person": Ways("people.reset", "reset_link", "admin reset"),
}
# What only a browser has: a session that begins and ends, or a link that somebody was given, whose
# holder has no token yet.
OF_BROWSERS = {
    *("sign_in", "sign_in_code", "logout", "choose_language"),
    *("accept_invitation", "reset_password"),
}
# What a page's script asks while a form is filled in; an order's answer says it, too.
OF_SCRIPTS = {"expected"}
# Where a form's address comes from the view: which views those are.
BY_NAME = {
    "_sets.html": {"bring_dataset"},  # the macro's callers name it
    "admin.html": {"act_on_slot", "act_on_queue", "maintenance", "requeue_many"},  # stands.py
}


def forms() -> dict[str, set[str]]:
    """The views that take the forms of each template, as they are written in it."""
    found: dict[str, set[str]] = {}
    for path in sorted(TEMPLATES.glob("*.html")):
        for tag in re.findall(r"<(?:form|button)\b[^>]*>", path.read_text(encoding="utf-8")):
            sends = re.search(r'(?:form)?action="\{\{(.*?)\}\}"', tag)
            if sends is None:
                asks = re.search(r'<button|method="(?:get|dialog)"', tag)
                assert asks, f"{path.name}: {tag} leads nowhere that can be read"
                continue
            views = set(re.findall(r"'pages\.(\w+)'", sends[1]))
            assert views or path.name in BY_NAME, f"{path.name}: {tag}"
            found.setdefault(path.name, set()).update(views or BY_NAME[path.name])
    return found


@pytest.fixture(scope="module")
def app() -> Flask:
    return create_app(Settings.read({"DATABASE_URL": "postgresql://nobody@nowhere/nothing"}))


def test_every_form_has_its_other_ways_and_no_way_is_left_over() -> None:
    sent = set().union(*forms().values())
    assert sent - OF_BROWSERS == set(WAYS), "say in WAYS which operation and command do the same"


def test_every_view_that_takes_a_form_is_led_to_by_one(app: Flask) -> None:
    taken = {
        rule.endpoint.removeprefix("pages.")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("pages.") and "POST" in (rule.methods or ())
    }
    assert taken == {*WAYS, *OF_BROWSERS, *OF_SCRIPTS}


@pytest.mark.parametrize("view", WAYS)
def test_what_a_form_does_the_api_the_client_and_a_command_do_too(app: Flask, view: str) -> None:
    ways = WAYS[view]
    (rule,) = app.url_map.iter_rules(ways.api)
    assert rule.rule.startswith("/api/v1/")
    assert {"POST", "PUT", "PATCH", "DELETE"} & (rule.methods or set())
    assert callable(getattr(Studio, ways.client))
    words, _, option = ways.command.partition(" --")
    command: click.Command | None = atelier
    for word in words.split():
        assert isinstance(command, click.Group), words
        command = command.commands.get(word)
    assert command is not None, words
    options = {name for parameter in command.params for name in parameter.opts}
    assert not option or f"--{option}" in options
