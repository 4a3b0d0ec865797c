"""What every request uses: settings, database, storage, and the way to wake a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast
from uuid import UUID

from flask import current_app, g

from jobs import quotas
from jobs.database import Database, connect
from jobs.queue import Waker, make_app
from jobs.settings import Settings
from jobs.storage import Storage

# A page or a program asks again; nobody waits for a database that hangs.
PATIENCE_SECONDS = 3.0


@dataclass(frozen=True)
class Studio:
    """The parts of a studio, opened once per process."""

    settings: Settings
    database: Database
    storage: Storage
    waker: Waker

    @classmethod
    def open(cls, settings: Settings) -> Studio:
        """Open all parts; nothing connects before it is used."""
        connections = settings.web_threads + 2
        database = connect(settings, connections, patience=PATIENCE_SECONDS)
        return cls(settings, database, Storage(settings.storage), Waker(make_app(settings)))


def studio() -> Studio:
    """The studio of the current application."""
    return cast(Studio, current_app.extensions["atelier"])


def check_room(size: int) -> None:
    """Refuse what is about to be kept where the asker's room does not hold ``size`` bytes more.

    Raises RefusedError (``disk_used``).
    """
    parts = studio()
    with parts.database.begin() as session:
        owned = quotas.limits_of(session, owner_id(), parts.settings)
        quotas.check_disk(session, owner_id(), size, owned)


def owner_id() -> UUID:
    """The owner who asks; :mod:`webui.auth` has put it there or refused the request."""
    return cast(UUID, g.owner_id)
