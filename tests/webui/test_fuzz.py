"""Every route with every name it reads, and values that nobody would mean: refused, never broken.

What a view reads of its address, form or JSON is found by watching it read, so a new parameter is
asked with these values without being listed here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Request
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.routing import Rule

from jobs.access import passwords
from jobs.access.roles import Role
from jobs.settings import Settings
from tests.webui.belongings import Belongings
from tests.webui.quiet import Caller, Quiet, opened, png
from tests.webui.test_permissions import May, filled, routes, who_may
from webui.api import reading

# Numbers beyond any column, digits that are none, times beyond the calendar, text that no database
# holds, words of other lists.
TEXTS: tuple[str, ...] = (
    *("9" * 30, "a\0b", "no such thing"),
    *("9" * 5000, "\u00b2", "1e999", "nan", "0001-01-01T00:00:00+23:59", "x" * 20_000),
)
VALUES: tuple[Any, ...] = (
    *(10**30, "a\0b", ["a\0b"], None),
    *(1.5, True, [], {"a": {}}, [10**30], "\ud800", *TEXTS[2:5], *TEXTS[7:]),
)
PATHS = ("9" * 30, "a\0b", "x" * 3000, "f" * 32)
# How many of each are asked with every change of the code; make proof asks with all.
FEW = 2
# What an order holds: its names are not checked by reading.only alone.
ORDERS = {"jobs.submit": ("kind", "params", "priority", "tags", "deadline_at", "webhook")}


class Watched(ImmutableMultiDict):  # type: ignore[type-arg]
    """Notes which names are asked for."""

    read: set[str]

    def get(self, key: str, *given: Any, **named: Any) -> Any:
        type(self).read.add(key)
        return super().get(key, *given, **named)

    def getlist(self, key: str, *given: Any, **named: Any) -> Any:
        type(self).read.add(key)
        return super().getlist(key, *given, **named)

    def __getitem__(self, key: str) -> Any:
        type(self).read.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        type(self).read.add(str(key))
        return super().__contains__(key)


@pytest.fixture(scope="module")
def quiet(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quiet]:
    """A front end of its own: what is asked here changes the studio."""
    folder = tmp_path_factory.mktemp("fuzz")
    changed = settings.changed(
        storage_url=str(folder / "files"), data=folder / "var", accounts="on"
    )
    with opened(changed, "fuzz") as made:
        yield made


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names that views have asked for since it was last cleared."""
    found: set[str] = set()
    only = reading.only

    def watched(body: dict[str, Any], allowed: frozenset[str]) -> None:
        found.update(allowed)
        only(body, allowed)

    monkeypatch.setattr(Watched, "read", found, raising=False)
    monkeypatch.setattr(Request, "parameter_storage_class", Watched)
    monkeypatch.setattr(reading, "only", watched)
    # What hashing costs is not asked here.
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(1, 8, 1))
    return found


@dataclass
class Asked:
    """A route, asked by somebody with one odd value after the other."""

    quiet: Quiet
    person: Caller
    rule: Rule
    method: str
    named: dict[str, str]
    broken: list[str] = field(default_factory=list)

    def ask(self, where: str, name: str, value: Any) -> None:
        """Ask with ``value`` as ``name`` in the path, query, form or JSON; note what breaks."""
        path = {**self.named, name: value} if where == "path" else self.named
        ways: dict[str, dict[str, Any]] = {
            "path": {},
            "query": {"query_string": {name: value}},
            "form": {"data": {name: value}},
            "json": {"data": json.dumps({name: value}), "content_type": "application/json"},
        }
        answer = self.quiet.app.test_client(use_cookies=False).open(
            filled(self.rule, path),
            method=self.method,
            base_url=self.quiet.address,
            headers={"Authorization": f"Bearer {self.person.token}"},
            **ways[where],
        )
        if answer.mimetype != "text/event-stream":  # which ends when its job does
            answer.get_data()
        answer.close()
        if answer.status_code == 500:
            self.broken.append(f"{answer.status_code}: {where} {name}={str(value)[:60]!r}")


@dataclass
class Studio:
    """Who asks, and what there is to be asked for."""

    quiet: Quiet
    picture: str
    root: Caller
    shared: Belongings

    def asked(self, rule: Rule, method: str) -> Asked:
        """A route as whoever may ask it for what is there; things of its own for what changes
        them."""
        changes = method != "GET" and rule.arguments
        things = Belongings(self.quiet.somebody(), self.picture) if changes else self.shared
        person = self.root if who_may(rule.rule) is May.ADMINISTRATOR else things.owner
        named = {name: things.of(rule.rule, name) for name in rule.arguments}
        return Asked(self.quiet, person, rule, method, named)


@pytest.fixture(scope="module")
def studio(quiet: Quiet) -> Studio:
    """One studio for all questions."""
    artist = quiet.somebody()
    picture = str(artist.upload(png(64, 48)).get_json()["sha256"])
    quiet.somebody(Role.ADMINISTRATOR)  # who stays one, whatever is asked
    root = quiet.somebody(Role.ADMINISTRATOR)
    return Studio(quiet, picture, root, Belongings(artist, picture))


def ask_all(asked: Asked, read: set[str], few: int | None) -> None:
    """Ask with the first ``few`` values of each kind, or all, as every name that the view reads."""
    for name in asked.named:
        for value in PATHS[:few]:
            asked.ask("path", name, value)
    changing = ["json"] if "/api/" in asked.rule.rule else ["query", "form"]
    for where in ["query"] if asked.method == "GET" else changing:
        done = {"csrf_token", "nothing"}
        read.clear()
        asked.ask(where, "nothing", "")
        read.update(ORDERS.get(asked.rule.endpoint, ()))
        while names := read - done:
            done |= names
            for name in sorted(names):
                for value in (VALUES if where == "json" else TEXTS)[:few]:
                    asked.ask(where, name, value)


def test_no_value_of_a_stranger_breaks_a_route(studio: Studio, read: set[str]) -> None:
    broken = []
    for rule, method in routes():
        asked = studio.asked(rule, method)
        ask_all(asked, read, FEW)
        broken += [f"{method} {rule.rule}: {each}" for each in asked.broken]
    assert broken == []


@pytest.mark.proof
@pytest.mark.parametrize(
    ("rule", "method"),
    routes(),
    ids=[f"{method} {rule.rule}" for rule, method in routes()],
)
def test_none_of_many_values_breaks_a_route(
    studio: Studio, read: set[str], rule: Rule, method: str
) -> None:
    asked = studio.asked(rule, method)
    ask_all(asked, read, None)
    assert asked.broken == []
