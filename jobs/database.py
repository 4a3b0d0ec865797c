"""The way to PostgreSQL: one engine per process, short transactions, bounded waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from jobs.settings import Settings

CONNECT_SECONDS = 4
STATEMENT_SECONDS = 15


class DatabaseDownError(Exception):
    """The database cannot be reached or went away in the middle; asking again is safe."""


class Database:
    """Transactions on one database. Safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back on any exception.

        Raises :class:`DatabaseDownError` when the database is away.
        """
        try:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
        except PoolTimeoutError as busy:
            raise DatabaseDownError(str(busy)) from busy
        except DBAPIError as broken:
            if broken.connection_invalidated or isinstance(broken, OperationalError):
                raise DatabaseDownError(str(broken.orig)) from broken
            raise

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """One transaction that only reads and sees everything as it was at its first statement.

        Raises :class:`DatabaseDownError` when the database is away.
        """
        with self.begin() as session:
            how = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            session.connection(execution_options=how)
            yield session

    def answers(self) -> bool:
        """Whether a trivial statement succeeds now."""
        try:
            with self.begin() as session:
                session.execute(text("SELECT 1"))
        except DatabaseDownError:
            return False
        return True

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


def connect(settings: Settings, connections: int = 20, **options: Any) -> Database:
    """A :class:`Database` for ``DATABASE_URL``; connects lazily."""
    url = make_url(settings.database_url).set(drivername="postgresql+psycopg")
    arguments = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "atelier",
        # A dead peer must be noticed well within a lease, or a worker would hang in a beat.
        "tcp_user_timeout": 5_000,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "options": f"-c statement_timeout={STATEMENT_SECONDS}s -c timezone=UTC"
        f" -c idle_in_transaction_session_timeout={STATEMENT_SECONDS}s",
    }
    options = {"pool_size": connections, "max_overflow": 0, "pool_timeout": 5, **options}
    return Database(create_engine(url, connect_args=arguments, pool_pre_ping=True, **options))
