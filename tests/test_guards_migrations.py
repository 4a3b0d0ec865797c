"""Migrations: one numbered line, and at its head the tables of the models."""

from __future__ import annotations

import re

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from jobs.database import Database
from jobs.models import Base
from migrations.__main__ import config
from tests.source import ROOT

VERSIONS = ROOT / "migrations" / "versions"


def _scripts() -> ScriptDirectory:
    from jobs.settings import Settings

    return ScriptDirectory.from_config(config(Settings.read({})))


def test_there_is_one_head() -> None:
    assert len(_scripts().get_heads()) == 1


def test_migrations_are_numbered_in_sequence_and_named_after_what_they_do() -> None:
    names = sorted(path.name for path in VERSIONS.glob("*.py"))
    assert names, "no migrations"
    for number, name in enumerate(names, 1):
        assert re.fullmatch(rf"{number:04}_[a-z][a-z0-9_]*\.py", name), name


def test_a_migration_follows_the_one_before_it() -> None:
    for script in _scripts().walk_revisions():
        number = int(script.revision)
        assert script.down_revision == (f"{number - 1:04}" if number > 1 else None)
        assert script.path.rpartition("/")[2].startswith(f"{script.revision}_")


def test_a_migrated_database_has_exactly_the_tables_of_the_models(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_a_running_studio_is_at_the_head(database: Database) -> None:
    with database.begin() as session:
        found = session.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    assert list(found) == _scripts().get_heads()


def test_a_check_of_the_models_is_a_check_of_the_database(database: Database) -> None:
    """What the comparison above does not look at."""
    query = text(
        "SELECT conname FROM pg_constraint WHERE contype = 'c'"
        " AND connamespace = 'public'::regnamespace"
    )
    with database.begin() as session:
        found = set(session.execute(query).scalars())
    declared = {
        str(check.name)
        for table in Base.metadata.tables.values()
        for check in table.constraints
        if hasattr(check, "sqltext")
    }
    assert found == declared
