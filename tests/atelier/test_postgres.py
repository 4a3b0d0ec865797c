"""The embedded database: made whole, kept, reachable by its own role alone."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from atelier.errors import StudioError
from atelier.local import Stack
from atelier.postgres import MAJOR, Postgres
from jobs.settings import Settings
from tests.atelier.watching import processes_of

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root serves as another user")


def settings_for(data: Path) -> Settings:
    return Settings.read({"ATELIER_DATA": str(data)})


def database(data: Path, said: list[str] | None = None) -> Stack:
    heard = [] if said is None else said
    return Stack(settings_for(data), ["postgres"], say=heard.append)


def postgres_of(stack: Stack) -> Postgres:
    assert stack.postgres
    return stack.postgres


def run(stack: Stack, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(stack.settings.database_url) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_rows_are_there_after_a_restart_and_after_a_crash(data: Path) -> None:
    with database(data) as stack:
        run(stack, "CREATE TABLE kept (word text)")
        run(stack, "INSERT INTO kept VALUES ('one')")
    with database(data) as stack:
        run(stack, "INSERT INTO kept VALUES ('two')")
        stack.named("postgres")[0].kill()
        stack.turn(5)
    with database(data) as stack:
        assert run(stack, "SELECT word FROM kept ORDER BY word") == [("one",), ("two",)]


def test_a_half_made_database_is_made_again(data: Path) -> None:
    draft = data / "postgres" / f"data-{MAJOR}.draft"
    draft.mkdir(parents=True)
    data.chmod(0o711)
    draft.parent.chmod(0o711)
    (draft / "PG_VERSION").write_text("18\n")
    with database(data) as stack:
        assert run(stack, "SELECT 1") == [(1,)]
        assert not draft.exists()


def test_a_lost_password_is_set_anew(data: Path) -> None:
    with database(data) as stack:
        before = stack.settings.database_url
        postgres_of(stack).place.password_file.unlink()
    with database(data) as stack:
        assert stack.settings.database_url != before
        assert run(stack, "SELECT 1") == [(1,)]


def test_the_role_is_no_superuser_and_needs_its_password(data: Path) -> None:
    with database(data) as stack:
        assert run(stack, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [
            (False,)
        ]
        assert run(stack, "SHOW fsync") == [("on",)]
        url = stack.settings.database_url
        parts = urlsplit(url)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(url.replace(parts.password or "", "wrong"))
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgresql://postgres@/postgres?{parts.query}")
        (folder,) = parse_qs(parts.query)["host"]
        assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700
        password = postgres_of(stack).place.password_file
        assert stat.S_IMODE(password.stat().st_mode) == 0o600


@pytest.fixture
def closed(data: Path) -> Iterator[Path]:
    """A data folder below one that only its owner may enter."""
    above = data.with_name("closed")
    above.mkdir(mode=0o700)
    yield above / "var"
    assert stat.S_IMODE(above.stat().st_mode) == 0o700


@as_root
def test_below_a_closed_folder_the_database_lives_elsewhere_and_it_says_so(closed: Path) -> None:
    said: list[str] = []
    with database(closed, said) as stack:
        base = postgres_of(stack).place.base
        run(stack, "CREATE TABLE kept (word text)")
    assert closed not in base.parents
    assert str(base) in said[0]
    closed.parent.chmod(0o711)  # a later start must still find the jobs there
    with database(closed) as stack:
        assert run(stack, "SELECT count(*) FROM kept") == [(0,)]
        assert postgres_of(stack).place.base == base
    closed.parent.chmod(0o700)
    shutil.rmtree(base)


@as_root
def test_a_database_that_became_unreachable_is_named_not_replaced(closed: Path) -> None:
    closed.parent.chmod(0o711)
    with database(closed) as stack:
        run(stack, "SELECT 1")
    closed.parent.chmod(0o700)
    with pytest.raises(StudioError, match=r"cannot be served.*ATELIER_PGDATA"):
        database(closed).start()
    assert not processes_of(closed)


def test_a_long_or_odd_path_still_gets_a_socket(data: Path) -> None:
    long = data / ("a folder with % and ü " * 4).strip()
    long.parent.mkdir()
    long.parent.chmod(0o711)
    with Stack(settings_for(long), ["postgres", "valkey"]) as stack:
        assert run(stack, "SELECT 1") == [(1,)]
        folders = [
            postgres_of(stack).place.sockets,
            Path(urlsplit(stack.settings.redis_url).path).parent,
        ]
    for folder in folders:
        assert long not in folder.parents
        shutil.rmtree(folder)
