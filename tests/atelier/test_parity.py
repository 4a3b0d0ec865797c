"""What the API lets people do with a job, the client, the command line and the pages do too."""

from __future__ import annotations

import click
import pytest
from click import Group

from atelier.cli import atelier
from atelier.client import Studio
from jobs.settings import Settings
from webui import create_app
from webui.cards import ACTIONS
from webui.pages import admin as admin_pages
from webui.pages.jobs import _ACTS

BELOW_A_JOB = "/api/v1/jobs/<job_id>/"


def asked(method: str) -> set[str]:
    """The last parts of the addresses below a job that take ``method``."""
    app = create_app(Settings.read({"DATABASE_URL": "postgresql://nobody@nowhere/nothing"}))
    return {
        rule.rule.removeprefix(BELOW_A_JOB)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(BELOW_A_JOB) and method in (rule.methods or ())
    }


@pytest.fixture(scope="module")
def actions() -> set[str]:
    found = asked("POST")
    assert found >= {"cancel", "pause", "resume", "retry", "rerun"}
    return found


def test_every_action_is_a_method_of_the_client(actions: set[str]) -> None:
    assert {name for name in actions if not callable(getattr(Studio, name, None))} == set()


def test_every_action_is_a_command(actions: set[str]) -> None:
    assert actions - set(atelier.commands) == set()


def test_every_action_can_be_asked_of_a_page_and_no_other(actions: set[str]) -> None:
    assert set(_ACTS) == actions
    assert {name for offered in ACTIONS.values() for name in offered} <= actions


def test_what_can_be_read_of_a_job_can_be_read_with_the_client() -> None:
    read = {
        "artifacts": "artifacts",
        "log": "log",
        "metrics": "metrics",
        "frames": "frames",
        "events": "events",
    }
    assert {name for name in read if name not in asked("GET")} == set()
    assert {name for name in read.values() if not callable(getattr(Studio, name, None))} == set()
    assert {"log", "metrics", "frames"} <= set(atelier.commands)


ADMINISTRATION = {
    "/workers/<name>/drain": ("drain", "drain"),
    "/workers/<name>/undrain": ("undrain", "undrain"),
    "/workers/<name>/quarantine": ("quarantine", "quarantine"),
    "/workers/<name>/forget": ("forget", "forget"),
    "/admin/queues/<name>/pause": ("pause_queue", "pause-queue"),
    "/admin/queues/<name>/resume": ("resume_queue", "resume-queue"),
    "/admin/queues/<name>/wake": ("wake", "wake"),
    "/admin/maintenance/begin": ("begin_maintenance", "maintenance begin"),
    "/admin/maintenance/end": ("end_maintenance", "maintenance end"),
    "/admin/jobs/<job_id>/cancel": ("cancel_job", "cancel"),
    "/admin/jobs/<job_id>/priority": ("set_priority", "priority"),
    "/admin/jobs/<job_id>/front": ("move_to_front", "front"),
    "/admin/jobs/<job_id>/requeue": ("requeue", "requeue"),
    "/admin/requeue": ("requeue_many", "requeue"),
}


def test_what_administrators_may_do_over_the_api_they_may_with_client_and_command() -> None:
    app = create_app(Settings.read({"DATABASE_URL": "postgresql://nobody@nowhere/nothing"}))
    asked = {
        rule.rule.removeprefix("/api/v1")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] in ("admin", "workers")
        and "POST" in (rule.methods or ())
    }
    assert asked == set(ADMINISTRATION)
    for method, words in ADMINISTRATION.values():
        assert callable(getattr(Studio, method, None)), method
        command: click.Command | None = atelier.commands["admin"]
        for word in words.split():
            assert isinstance(command, click.Group)
            command = command.commands.get(word)
        assert command is not None, words


def test_what_can_be_done_with_models_is_in_the_client_the_command_line_and_the_pages() -> None:
    app = create_app(Settings.read({"DATABASE_URL": "postgresql://nobody@nowhere/nothing"}))
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("models.")]
    asked_of_api = {rule.endpoint.removeprefix("models.") for rule in rules}
    client = {
        "index": "models",
        "show": "model",
        "add": "add_model",
        "rename": "rename_model",
        "delete": "delete_model",
    }
    assert set(client) == asked_of_api
    assert {name for name in client.values() if not callable(getattr(Studio, name, None))} == set()
    command = atelier.commands["models"]
    assert isinstance(command, Group)
    named = {"list" if name == "index" else name for name in asked_of_api}
    assert named | {"download"} == set(command.commands)  # its file is one of /files
    shown = {"index": "models_page", "show": "model_page", "add": "add_model"}
    pages = {shown.get(name, f"{name}_model") for name in asked_of_api}
    assert {f"pages.{name}" for name in pages} <= set(app.view_functions)


def test_what_the_api_does_with_datasets_the_client_the_commands_and_the_pages_do_too() -> None:
    """Bring, draw, list, look, describe, delete: asked of the API's own addresses."""
    app = create_app(Settings.read({"DATABASE_URL": "postgresql://nobody@nowhere/nothing"}))
    asked_for = {
        (method, rule.rule.removeprefix("/api/v1/datasets"))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("datasets.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    ways = {
        ("POST", ""): ("add_dataset", "add", "bring_dataset"),
        ("POST", "/sample"): ("sample_dataset", "sample", "sample_dataset"),
        ("GET", ""): ("datasets", "list", "datasets_page"),
        ("GET", "/<dataset_id>"): ("dataset", "show", "dataset_page"),
        ("PATCH", "/<dataset_id>"): ("change_dataset", "change", "change_dataset"),
        ("DELETE", "/<dataset_id>"): ("delete_dataset", "delete", "delete_dataset"),
    }
    bytes_of_it = {"pictures", "thumbnails/<int:position>", "sheet", "content"}
    assert callable(Studio.download_dataset)
    assert asked_for == {*ways, *(("GET", f"/<dataset_id>/{part}") for part in bytes_of_it)}
    commands = atelier.commands["datasets"].commands  # type: ignore[attr-defined]
    assert "download" in commands
    for method, command, page in ways.values():
        assert callable(getattr(Studio, method))
        assert command in commands
        assert f"pages.{page}" in app.view_functions


def test_what_administrators_may_do_over_the_api_they_may_on_the_pages() -> None:
    def last_parts(start: str) -> set[str]:
        return {path.rpartition("/")[2] for path in ADMINISTRATION if path.startswith(start)}

    assert last_parts("/workers/") == set(admin_pages.SLOT_ACTIONS)
    assert last_parts("/admin/queues/") == set(admin_pages.QUEUE_ACTIONS)
    assert last_parts("/admin/jobs/") == set(admin_pages.JOB_ACTIONS)
    assert last_parts("/admin/maintenance/") == {"begin", "end"}
