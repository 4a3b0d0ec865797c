"""The tables once more, in a schema of their own in the real database, without workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, text

from jobs.database import Database
from jobs.models import Base


@contextmanager
def own_schema(database: Database, schema: str) -> Iterator[None]:
    """Let ``database``, not yet connected, use fresh tables that no worker looks at."""

    def enter(connection: Any, _record: object) -> None:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        connection.execute(f"SET search_path TO {schema}")
        connection.commit()

    event.listen(database.engine, "connect", enter)
    Base.metadata.create_all(database.engine)
    try:
        yield
    finally:
        with database.begin() as session:
            session.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        database.close()


def emptied(database: Database) -> Database:
    """The same tables without a row: much sooner there than new ones."""
    names = ", ".join(table.name for table in Base.metadata.sorted_tables)
    with database.begin() as session:
        session.execute(text(f"TRUNCATE {names}"))
    return database
