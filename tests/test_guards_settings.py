"""Settings: one reader of the environment, and every one of them documented."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from jobs.settings import Settings, SettingsError
from tests.source import PACKAGES, ROOT, python_files, shown, tree
from tests.tables import SETTINGS, documented, settings_table

READER = ROOT / "jobs" / "settings.py"


def test_only_the_settings_read_the_environment() -> None:
    names = {"environ", "environb", "getenv", "putenv"}
    wrong = [
        f"{shown(path)}:{node.lineno}"
        for path in python_files(*PACKAGES)
        if path != READER
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Attribute) and node.attr in names)
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and names & {alias.name for alias in node.names}
        )
    ]
    assert wrong == []


def test_every_setting_is_documented_with_its_default_and_limits() -> None:
    assert documented(SETTINGS) == settings_table(), "mend it with: python -m tests.tables"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_a_variable_and_a_meaning(name: str) -> None:
    field = Settings.model_fields[name]
    assert field.alias
    assert field.alias.isupper()
    assert field.description
    assert field.description.endswith(".")


def test_every_bad_variable_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.read({"PORT": "many", "ATELIER_LEASE": "0", "ATELIER_LOG_LEVEL": "LOUD"})
    lines = str(refused.value).splitlines()
    assert [line.partition("=")[0] for line in lines] == [
        "PORT",
        "ATELIER_LEASE",
        "ATELIER_LOG_LEVEL",
    ]


@pytest.mark.parametrize(
    ("url", "sender"),
    [
        ("smpt://u:hush@mail.example", "a@studio.example"),
        ("smtp+tls://", "a@studio.example"),
        ("smtp://u:hush@mail.example", "a@studio.example"),
        ("smtps://u:hush@mail.example", ""),
    ],
)
def test_a_mail_server_that_cannot_be_used_is_refused_without_its_password(
    url: str, sender: str
) -> None:
    with pytest.raises(SettingsError, match="ATELIER_SMTP_URL") as refused:
        Settings.read({"ATELIER_SMTP_URL": url, "ATELIER_MAIL_FROM": sender})
    assert "hush" not in str(refused.value)


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert Settings.read({"PORT": "", "ATELIER_PGDATA": ""}) == Settings.read({})


def test_settings_survive_the_way_to_a_child() -> None:
    given = {"PORT": "8001", "ATELIER_PGDATA": "pg", "ATELIER_LEASE": "5", "STORAGE_URL": "files"}
    settings = Settings.read(given)
    assert Settings.read(settings.variables()) == settings


def test_listening_beyond_loopback_needs_a_public_address() -> None:
    with pytest.raises(SettingsError, match="PUBLIC_URL"):
        Settings.read({"ATELIER_HOST": "0.0.0.0"})
    named = Settings.read({"ATELIER_HOST": "0.0.0.0", "PUBLIC_URL": "https://studio.example"})
    assert "studio.example" in named.allowed_hosts


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ({}, "127.0.0.1:8000"),
        ({"PORT": "8080"}, "localhost:8080"),
        ({"PORT": "80"}, "127.0.0.1"),
        ({"PUBLIC_URL": "https://Studio.Example/"}, "studio.example"),
        ({"PUBLIC_URL": "https://studio.example:443"}, "studio.example"),
        ({"PUBLIC_URL": "http://studio.example:8443"}, "studio.example:8443"),
    ],
)
def test_a_browser_may_leave_out_the_port_that_a_scheme_implies(
    given: dict[str, str], host: str
) -> None:
    assert host in Settings.read(given).allowed_hosts


def test_a_foreign_name_is_never_ours() -> None:
    hosts = Settings.read({"PUBLIC_URL": "https://studio.example"}).allowed_hosts
    assert hosts.isdisjoint({"evil.example", "127.0.0.1", "localhost", "studio.example:8000", ""})


def test_everything_that_is_kept_lies_in_the_data_folder(tmp_path: Path) -> None:
    settings = Settings.read({"ATELIER_DATA": str(tmp_path)})
    places = [settings.scratch, settings.weights, settings.logs, settings.token_file]
    assert all(place.is_relative_to(tmp_path) for place in [*places, Path(settings.storage)])
