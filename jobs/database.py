"""The way to PostgreSQL: one engine per process, short transactions, bounded waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from jobs.settings import Settings

CONNECT_SECONDS = 4
STATEMENT_SECONDS = 15.0
# How much longer than the server's own limit we wait for its word that the limit was reached.
GRACE_SECONDS = 1.0
POOL_SECONDS = 5
LOOK_SECONDS = 0.1
# Errors of the server or of the way to it, whatever was asked: a session that it ended because it
# idled is told as InternalError, a connection that is closed as InterfaceError.
NOT_OURS = (OperationalError, InternalError, InterfaceError)


class DatabaseDownError(Exception):
    """The database cannot be reached or went away in the middle; asking again is safe."""


class LockedError(DatabaseDownError):
    """Somebody holds rows for longer than this transaction was willing to wait."""


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
            if isinstance(broken.orig, psycopg.errors.LockNotAvailable):
                raise LockedError(str(broken.orig)) from broken
            if broken.connection_invalidated or isinstance(broken, NOT_OURS):
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


class BoundedConnection(psycopg.Connection[Any]):
    """Waits for the server only so long. One that hangs, or whose machine is gone, says nothing:
    neither its statement timeout nor the kernel ends a wait on its socket."""

    answer_seconds: float

    def wait(self, gen: Any, interval: float = LOOK_SECONDS, timeout: float | None = None) -> Any:
        """As in psycopg, with a limit; raises OperationalError and closes when it is reached."""
        try:
            return super().wait(gen, interval, timeout or self.answer_seconds)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # the answer may still come, and nobody would match it
            raise


def connect(
    settings: Settings, connections: int = 20, patience: float = STATEMENT_SECONDS
) -> Database:
    """A :class:`Database` for ``DATABASE_URL``; connects lazily.

    A statement may take ``patience`` seconds; after that the database counts as away.
    """
    url = make_url(settings.database_url).set(drivername="postgresql+psycopg")
    milliseconds = round(1000 * patience)
    arguments = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "atelier",
        # A dead peer must be noticed well within a lease, or a worker would hang in a beat.
        "tcp_user_timeout": 5_000,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "options": f"-c statement_timeout={milliseconds} -c timezone=UTC"
        f" -c idle_in_transaction_session_timeout={milliseconds}",
    }
    engine = create_engine(
        url,
        connect_args=arguments,
        pool_pre_ping=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
    )

    @event.listens_for(engine, "do_connect")
    def bounded(_dialect: Any, _record: Any, given: Any, named: Any) -> BoundedConnection:
        made = BoundedConnection.connect(*given, **named)
        made.answer_seconds = patience + GRACE_SECONDS
        return made

    return Database(engine)
