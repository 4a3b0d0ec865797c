"""Accounts from the command line: the first administrator, people, tokens, one's own account."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from atelier.client import Studio
from jobs.access import accounts, people
from jobs.access.roles import Role
from jobs.database import Database
from jobs.records import audit
from jobs.settings import Settings
from tests.atelier.conftest import Cli, Said

PASSWORD = "a horse reads the battery staple"


@pytest.fixture
def here(cli: Cli, settings: Settings) -> Cli:
    """The command line on the studio's own machine: it has the database and no token."""

    def run(*arguments: str | Path, **variables: str) -> Said:
        where = {
            "DATABASE_URL": settings.database_url,
            "PUBLIC_URL": "https://studio.example",
            "ATELIER_URL": "",
            "ATELIER_TOKEN": "",
        }
        return cli(*arguments, **{**where, **variables})

    return run


@pytest.fixture
def admin(cli: Cli, database: Database) -> Cli:
    """The command line of an administrator, over HTTP."""
    with database.begin() as session:
        name = f"root {secrets.token_hex(4)}"
        id_ = people.create(session, name, PASSWORD, Role.ADMINISTRATOR, by=None)
        token = accounts.issue(session, id_, "api", accounts.SESSION_LIFETIME)

    def run(*arguments: str | Path, **variables: str) -> Said:
        return cli(*arguments, **{"ATELIER_TOKEN": token, **variables})

    return run


def test_whoever_has_the_database_makes_the_first_administrator(
    here: Cli, database: Database
) -> None:
    said = here("admin", "invite", "--administrator", "--note", "Ada")
    found = re.fullmatch(r"https://studio\.example/invitations/([\w-]{43})\n", said.out)
    assert found, said.err
    name = f"Ada {secrets.token_hex(4)}"
    with database.begin() as session:
        id_ = people.accept(session, found[1], name, PASSWORD)
        assert people.get(session, id_).role == Role.ADMINISTRATOR
        rows = audit.page(session, audit.Filter(action="person"), 5)
    assert {"console", name} <= {row.actor for row in rows}


def test_an_account_is_made_and_its_password_reset_on_the_machine(
    here: Cli, database: Database
) -> None:
    name = f"Grace {secrets.token_hex(4)}"
    made = here("admin", "create", name, "--administrator", "--password", PASSWORD)
    assert made.out == f"{name} may now sign in, as administrator.\n"
    again = here("admin", "create", name.upper(), "--password", PASSWORD)
    assert (again.status, "already called" in again.err) == (1, True)
    short = here("admin", "create", "another", "--password", "short")
    assert (short.status, "12 to 256 characters" in short.err) == (1, True)
    assert "https://studio.example/reset/" in here("admin", "reset", name).out
    assert here("admin", "reset", "nobody of that name").status == 1


def test_an_administrator_is_named_and_tokens_are_narrowed_on_the_machine(
    here: Cli, cli: Cli, database: Database, owner: UUID
) -> None:
    name = str(owner)
    assert here("admin", "role", name, "administrator").out == f"{name} is now administrator.\n"
    assert cli("admin", "people").status == 0
    assert here("admin", "narrow-tokens", name).out == "Tokens narrowed to write: 1.\n"
    refused = cli("admin", "people")
    assert (refused.status, "'admin'" in refused.err) == (1, True)
    assert cli("tokens", "make", "nightly").status == 0
    assert here("admin", "narrow-tokens", name, "--access", "read").out.endswith("read: 2.\n")
    assert cli("tokens", "make", "another").status == 1
    assert here("admin", "role", "nobody of that name", "artist").status == 1
    assert here("admin", "role", name, "artist").status == 0
    with database.begin() as session:
        told = audit.page(session, audit.Filter(target=name), 9)
    assert [row.action for row in reversed(told)] == [
        *("person.role", "person.tokens", "person.tokens", "person.role")
    ]
    assert {row.actor for row in told} == {"console"}


def test_an_administrator_looks_after_people(admin: Cli, owner: UUID, database: Database) -> None:
    name = str(owner)
    assert name[:23] in admin("admin", "people").out
    changed = admin("admin", "limits", name, "--running", "2", "--gpu-hours", "20", "--json")
    assert changed.document["limits"]["gpu_hours"] == 20
    back = admin("admin", "limits", name, "--default", "--json")
    assert back.document["limits"]["gpu_hours"] is None
    assert admin("admin", "role", name, "administrator", "--json").document["role"] == (
        "administrator"
    )
    assert admin("admin", "role", name, "artist").status == 0
    closed = admin("admin", "disable", name, "--reason", "on leave", "--json").document
    assert closed["disabled"] is True
    assert admin("admin", "enable", name, "--json").document["disabled"] is False
    assert "/reset/" in admin("admin", "reset", name).out
    assert admin("admin", "role", "nobody of that name", "artist").status == 2
    made = admin("admin", "invite", "--json").document
    assert made["id"] in admin("admin", "invitations").out
    assert admin("admin", "uninvite", made["id"]).status == 0
    assert made["id"] not in admin("admin", "invitations").out
    with database.begin() as session:
        told = audit.page(session, audit.Filter(target=name), 20)
    assert [row.action for row in reversed(told)] == [
        *("person.limits", "person.limits", "person.role", "person.role"),
        *("person.disabled", "person.enabled", "person.reset"),
    ]
    assert told[-1].after == {"running_limit": 2, "gpu_hours_limit": 20.0}
    assert told[2].reason == "on leave"


def test_an_artist_is_told_that_this_is_for_administrators(cli: Cli) -> None:
    said = cli("admin", "people")
    assert (said.status, "for administrators" in said.err) == (1, True)


def test_ones_own_account_from_the_command_line(cli: Cli, studio: Studio, owner: UUID) -> None:
    assert "artist" in cli("account", "show").out
    name = f"Ada {secrets.token_hex(4)}"
    assert cli("account", "change", "--name", name, "--json").document["name"] == name
    token = cli("tokens", "make", "nightly", "--access", "read", "--days", "7").out.strip()
    assert cli("list", ATELIER_TOKEN=token).status == 0
    (made,) = [one for one in studio.tokens() if one["name"] == "nightly"]
    assert "nightly" in cli("tokens", "list").out
    assert cli("tokens", "revoke", made["id"]).status == 0
    assert cli("list", ATELIER_TOKEN=token).status == 1
    begun = cli("account", "second-factor", "--password", "")
    assert (begun.status, f"atelier admin reset {name}" in begun.err) == (1, True)
    assert cli("account", "sessions").out == "No browser is signed in.\n"
    assert cli("links", "list").out == "You share nothing.\n"


def test_a_second_factor_is_turned_on_from_the_command_line(
    cli: Cli, database: Database, owner: UUID
) -> None:
    import pyotp

    from jobs.access import passwords

    with database.begin() as session:
        people.get(session, owner).password = passwords.hashed(PASSWORD)
    known = ("--password", PASSWORD)
    begun = cli("account", "second-factor", *known).out
    assert "otpauth://totp/Atelier:" in begun
    secret = re.search(r"\b[A-Z2-7]{32}\b", begun)
    assert secret
    code = pyotp.TOTP(secret[0]).now()
    said = cli("account", "second-factor", "--code", code, *known).out
    assert len(re.findall(r"^[a-z2-7-]{19}$", said, re.MULTILINE)) == 10
    assert cli("account", "second-factor", *known).status == 1
    token = cli("tokens", "make", "nightly").out.strip()
    new = ("--new-password", "correct zebra battery staple")
    assert cli("account", "password", *known, *new, "--end-tokens").status == 0
    assert cli("list", ATELIER_TOKEN=token).status == 1


def test_a_limited_person_reads_the_limit_the_use_and_what_to_do(
    admin: Cli, cli: Cli, owner: UUID, photo: Path, painting: Path, database: Database
) -> None:
    admin("admin", "limits", str(owner), "--disk-gb", "0.000001")
    pictures = ["--content", photo, "--styles", painting]
    said = cli("submit", "style_transfer", *pictures)
    assert said.status == 1
    assert re.search(r"Your files take .* of your 1 kB; there is no room for more\.", said.err)
    assert "ask an administrator" in said.err
    with database.begin() as session:
        kept = text("SELECT count(*) FROM file WHERE owner_id = :owner")
        assert session.execute(kept, {"owner": owner}).scalar_one() == 0
