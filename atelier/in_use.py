"""The studio in use: its settings, its address, its database, past its API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from atelier.errors import StudioError
from atelier.folders import read_private
from atelier.problems import NoStudioError
from atelier.processes import bind_address
from jobs.settings import Settings

if TYPE_CHECKING:
    from jobs.database import Database


def running(settings: Settings) -> tuple[Settings, str]:
    """Settings with the database of the studio in use, and the address people type."""
    public = settings.public_url.rstrip("/")
    if settings.database_url:
        return settings, public or f"http://{bind_address(settings)}"
    if (address := read_private(settings.address_file)) is None:
        raise NoStudioError(str(settings.data.absolute()))
    from atelier.postgres import url_of

    return settings.changed(database_url=url_of(settings)), public or address


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The database of ``settings``. Raises :class:`StudioError` when it is away."""
    from jobs.database import DatabaseDownError, connect

    database = connect(settings)
    try:
        yield database
    except DatabaseDownError as away:
        raise StudioError(f"The database cannot be reached: {away}") from None
    finally:
        database.close()
