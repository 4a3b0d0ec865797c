"""Every route asked by nobody, by the artist whose things it names, by another artist and by an
administrator. Who may is declared in one table; a route without a row fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from jobs.access.roles import Role
from jobs.ids import new_id
from jobs.settings import Settings
from tests.webui.belongings import Belongings
from tests.webui.quiet import Caller, Quiet, opened, png
from webui import create_app


class May(Enum):
    """Who gets in; everybody else learns nothing, not even whether there is such a thing."""

    ANYBODY = "anybody, signed in or not"
    WITH_SECRET = "whoever has the secret in the address"
    SIGNED_IN = "whoever is signed in, to what is their own"
    OWNER = "the owner of what the address names; administrators have no more right to it"
    ADMINISTRATOR = "administrators"


# An address, or with a * all that begin so; the longest that fits counts.
WHO: dict[str, May] = {
    "/healthz": May.ANYBODY,
    "/readyz": May.ANYBODY,
    "/static/*": May.ANYBODY,
    "/welcome": May.ANYBODY,
    "/login": May.ANYBODY,
    "/language": May.ANYBODY,
    "/sign-in*": May.ANYBODY,
    "/invitations/<secret>": May.WITH_SECRET,
    "/reset/<secret>": May.WITH_SECRET,
    "/shared/<link>*": May.WITH_SECRET,
    "/": May.SIGNED_IN,
    "/logout": May.SIGNED_IN,
    "/samples/<name>": May.SIGNED_IN,
    "/new/<kind_name>*": May.SIGNED_IN,
    "/jobs": May.SIGNED_IN,
    "/jobs/<job_id>*": May.OWNER,
    "/thumbnails/<file_id>": May.OWNER,
    "/models": May.SIGNED_IN,
    "/models/<model_id>*": May.OWNER,
    "/datasets*": May.SIGNED_IN,
    "/datasets/<dataset_id>*": May.OWNER,
    "/account*": May.SIGNED_IN,
    "/account/links*": May.OWNER,
    "/account/uploads/<file_id>*": May.OWNER,
    "/account/webhooks/<webhook_id>*": May.OWNER,
    "/account/deliveries/<delivery_id>*": May.OWNER,
    "/account/sessions/<token_id>*": May.OWNER,
    "/account/tokens/<token_id>*": May.OWNER,
    "/admin*": May.ADMINISTRATOR,
    "/metrics": May.ADMINISTRATOR,
    "/api/v1/kinds*": May.SIGNED_IN,
    "/api/v1/files": May.SIGNED_IN,
    "/api/v1/files/<file_id>*": May.OWNER,
    "/api/v1/jobs": May.SIGNED_IN,
    "/api/v1/events": May.SIGNED_IN,
    "/api/v1/jobs/<job_id>*": May.OWNER,
    "/api/v1/models": May.SIGNED_IN,
    "/api/v1/models/<model_id>*": May.OWNER,
    "/api/v1/datasets*": May.SIGNED_IN,
    "/api/v1/datasets/<dataset_id>*": May.OWNER,
    "/api/v1/me*": May.SIGNED_IN,
    "/api/v1/me/sessions/<token_id>": May.OWNER,
    "/api/v1/me/webhooks/<webhook_id>": May.OWNER,
    "/api/v1/me/deliveries/<delivery_id>*": May.OWNER,
    "/api/v1/me/tokens/<token_id>": May.OWNER,
    "/api/v1/links": May.SIGNED_IN,
    "/api/v1/links/<link_id>": May.OWNER,
    "/api/v1/workers*": May.ADMINISTRATOR,
    "/api/v1/admin*": May.ADMINISTRATOR,
}
# Bodies without which an answer would not get as far as asking whose the thing is.
BODIES: dict[str, dict[str, str]] = {
    "models.rename": {"name": "dots"},
    "pages.make_link": {"file_id": "{work}", "days": "7"},
}
# Who signs in proves who they are; these answer 401 to whoever does not.
PROVE = frozenset({"pages.sign_in", "pages.sign_in_code"})
FAR_AWAY = {"REMOTE_ADDR": "203.0.113.9"}


def who_may(rule: str) -> May:
    """What the table says of an address."""
    fits = [row for row in WHO if row == rule or (row.endswith("*") and rule.startswith(row[:-1]))]
    assert fits, f"{rule} has no row in tests/webui/test_permissions.py: say who may"
    return WHO[max(fits, key=len)]


def routes() -> list[tuple[Rule, str]]:
    """Every address with every method that it takes."""
    app = create_app(Settings.read({"DATABASE_URL": "postgresql://nobody@nowhere/nothing"}))
    found = [
        (rule, method)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]
    return sorted(found, key=lambda one: (one[0].rule, one[1]))


class Asked(NamedTuple):
    """One question, asked of the application by different people."""

    app: Flask
    address: str
    method: str
    base: str
    body: Any

    def by(self, person: Caller | None, address: str | None = None) -> TestResponse:
        """The answer to this person."""
        headers = {"Authorization": f"Bearer {person.token}"} if person else {}
        body = {"json": self.body or {}} if "/api/" in self.address else {"data": self.body or {}}
        how = {} if self.method == "GET" else body
        client = self.app.test_client(use_cookies=False)
        answer = client.open(
            address or self.address,
            method=self.method,
            base_url=self.base,
            headers=headers,
            environ_base=FAR_AWAY,
            **how,  # type: ignore[arg-type]
        )
        if answer.mimetype != "text/event-stream":  # which ends when its job does
            answer.get_data()
        answer.close()
        return answer


@pytest.fixture(scope="module")
def quiet(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quiet]:
    """A front end of its own that others can reach: what is asked here changes the studio."""
    folder = tmp_path_factory.mktemp("permissions")
    changed = settings.changed(
        storage_url=str(folder / "files"), data=folder / "var", accounts="on"
    )
    with opened(changed, "permissions") as made:
        yield made


@pytest.fixture(scope="module")
def other(quiet: Quiet) -> Caller:
    """Another artist."""
    return quiet.somebody()


@pytest.fixture(scope="module")
def picture(other: Caller) -> str:
    """A picture that is stored: its SHA-256."""
    return str(other.upload(png(64, 48)).get_json()["sha256"])


@pytest.fixture(scope="module")
def root(quiet: Quiet) -> Caller:
    """An administrator; there is a second, who stays one whatever is asked."""
    quiet.somebody(Role.ADMINISTRATOR)
    return quiet.somebody(Role.ADMINISTRATOR)


def code(answer: TestResponse) -> str:
    body = answer.get_json(silent=True)
    return str(body.get("code", "")) if isinstance(body, dict) else ""


def let_in(answer: TestResponse) -> bool:
    """Whether the question was heard, whatever came of it."""
    if answer.status_code == 404:
        return code(answer) not in ("", "unknown_route") and not code(answer).startswith("unknown")
    leads_away = answer.status_code == 302 and answer.location.startswith("/sign-in")
    return answer.status_code < 500 and answer.status_code not in (401, 403) and not leads_away


def sent_to_sign_in(answer: TestResponse, asked: Asked) -> bool:
    """A program is told 401; a browser that looks is led to the sign-in."""
    if asked.method == "GET" and "/api/" not in asked.address and asked.address != "/metrics":
        return answer.status_code == 302 and answer.location.startswith("/sign-in")
    return answer.status_code == 401


@pytest.mark.parametrize(
    ("rule", "method"),
    routes(),
    ids=[f"{method} {rule.rule}" for rule, method in routes()],
)
def test_only_who_may_gets_in(
    quiet: Quiet, picture: str, other: Caller, root: Caller, rule: Rule, method: str
) -> None:
    may, artist = who_may(rule.rule), quiet.somebody()
    things = Belongings(artist, picture)
    named = {name: things.of(rule.rule, name) for name in rule.arguments}
    bodies = BODIES.get(rule.endpoint, {})
    body = {name: value.format_map(things.values) for name, value in bodies.items()}
    asked = Asked(quiet.app, filled(rule, named), method, quiet.address, body)
    nowhere = filled(rule, {name: _of_nothing(name, value) for name, value in named.items()})
    nobody, stranger = asked.by(None), asked.by(other)
    mine = asked.by(artist) if may is May.ADMINISTRATOR else None
    chief = asked.by(root)
    mine = mine or asked.by(artist)

    if may is May.ANYBODY:
        proves = rule.endpoint in PROVE
        for answer in (nobody, stranger, chief, mine):
            assert answer.status_code == 401 if proves else answer.status_code < 400, answer
        return
    if may is May.WITH_SECRET:
        assert all(map(let_in, (nobody, stranger, chief)))
        assert [asked.by(who, nowhere).status_code for who in (None, other, root)] == [404] * 3
        return
    assert sent_to_sign_in(nobody, asked), nobody
    if named:
        unknown = asked.by(None, nowhere)
        assert unknown.status_code == nobody.status_code, "nobody learns what there is"
    if may is May.SIGNED_IN:
        assert all(map(let_in, (stranger, chief, mine))), (stranger, chief, mine)
    elif may is May.OWNER:
        assert [stranger.status_code, chief.status_code] == [404, 404]
        assert let_in(mine), mine.get_data(as_text=True)[:400]
    else:
        refused = [stranger, mine, *([asked.by(other, nowhere)] if named else [])]
        assert [answer.status_code for answer in refused] == [403] * len(refused)
        assert let_in(chief), chief.get_data(as_text=True)[:400]


def test_a_row_of_the_table_is_about_a_route_that_there_is() -> None:
    rules = [rule.rule for rule, _ in routes()]
    unused = {
        row
        for row in WHO
        if not any(
            rule == row or (row.endswith("*") and rule.startswith(row[:-1])) for rule in rules
        )
    }
    assert unused == set()


def test_a_route_that_names_somebodys_thing_belongs_to_an_owner_or_to_administrators() -> None:
    for rule, _ in routes():
        if any(name.endswith("_id") for name in rule.arguments):
            assert who_may(rule.rule) in (May.OWNER, May.ADMINISTRATOR), rule.rule


def filled(rule: Rule, values: dict[str, str]) -> str:
    address = rule.rule
    for name, value in values.items():
        for written in (f"<{name}>", f"<int:{name}>", f"<path:{name}>"):
            address = address.replace(written, value)
    return address


def _of_nothing(name: str, value: str) -> str:
    """A value of the same shape that stands for nothing."""
    if name.endswith("_id"):
        return str(new_id())
    if value.isdigit() or name == "action":
        return value
    return value[:-1] + ("A" if value[-1] != "A" else "B")
