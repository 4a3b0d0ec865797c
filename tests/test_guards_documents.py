"""Documents that say what the code says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from atelier.cli import atelier
from atelier.client import Studio
from tests.source import ROOT
from tests.tables import TABLES, documented

API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("place", "made"), TABLES.items(), ids=[name for _, name in TABLES])
def test_a_table_drawn_from_the_code_is_up_to_date(
    place: tuple[Path, str], made: Callable[[], str]
) -> None:
    assert documented(place) == made(), "mend it with: python -m tests.tables"


def test_every_route_of_the_api_is_described() -> None:
    from jobs.settings import Settings
    from webui import create_app

    app = create_app(Settings.read({"DATABASE_URL": "postgresql://nobody@nowhere/nothing"}))
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/api/v1"):
            continue
        path = re.sub(r"<(?!step)\w+>", "{}", rule.rule.removeprefix("/api/v1"))
        named = path.startswith(("/kinds", "/admin/queues", "/workers"))
        said = path.replace("{}", "{name}" if named else "{id}")
        said = re.sub(r"<(?:int:)?(step|position)>", r"{\1}", said)
        last = "/" + said.rpartition("/")[2]
        assert f"`{said}`" in API or f" {said}`" in API or f"`{last}`" in API, said


def test_every_method_the_page_calls_is_one_of_the_client() -> None:
    called = set(re.findall(r"\bstudio\.(\w+)\(", API))
    assert called
    assert [name for name in called if not hasattr(Studio, name)] == []


def test_every_command_the_page_shows_is_one_of_ours() -> None:
    shown = re.findall(r"^atelier ([a-z]+)(.*)$", API, re.MULTILINE)
    assert shown
    for name, rest in shown:
        command = atelier.get_command(click.Context(atelier), name)
        assert command is not None, name
        if isinstance(command, click.Group):  # a kind's options come from the studio
            continue
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[\w-]+", rest)) <= known, (name, rest)


def test_every_json_the_page_shows_is_json() -> None:
    shown = re.findall(r"^```json\n(.*?)^```", API, re.MULTILINE | re.DOTALL)
    assert shown
    for text in shown:
        json.loads(text)


def test_every_python_the_page_shows_is_python() -> None:
    for text in re.findall(r"^```python\n(.*?)^```", API, re.MULTILINE | re.DOTALL):
        compile(text, "docs/api.md", "exec")


OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_every_service_and_setting_of_the_operators_page_is_there() -> None:
    import yaml

    from jobs.settings import Settings

    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    named = set(
        re.findall(r"`((?:worker-[a-z]+-?\d?)|migrate|keeper|web|redis|postgres)`", OPERATIONS)
    )
    assert named - {"worker-gpu-1"} == set(services)
    variables = set(re.findall(r"\b(?:ATELIER_[A-Z_]+|[A-Z]+_URL)\b", OPERATIONS))
    assert variables <= {str(field.alias) for field in Settings.model_fields.values()}


def test_every_command_of_the_operators_page_is_one_of_ours() -> None:
    names = r"up|login|doctor|upgrade|weights (?:list|fetch)|admin (?:[\w-]+)"
    shown = re.findall(rf"atelier ({names})\b", OPERATIONS)
    assert {"up", "login", "doctor", "weights list", "weights fetch", "admin verify"} <= set(shown)
    for words in shown:
        command: click.Command | None = atelier
        for word in words.split():
            assert isinstance(command, click.Group)
            command = command.get_command(click.Context(command), word)
            assert command is not None, words
