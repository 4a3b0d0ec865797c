"""A look at a studio's own records, past its API: for whoever administers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from atelier.errors import StudioError
from jobs.settings import Settings

if TYPE_CHECKING:
    from jobs.database import Database


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


def verify(settings: Settings, tell: Callable[[str], object]) -> dict[str, Any]:
    """Check the records of the studio in use; each finding is told as soon as it is found.

    Returns what was looked at and found, for programs.
    """
    from atelier.tokens import running
    from jobs.storage import Storage
    from jobs.verify import Verifier

    settings, _ = running(settings)
    with opened(settings) as database:
        verifier = Verifier(database, Storage(settings.storage))
        found = []
        for finding in verifier.findings():
            tell(finding.line())
            found.append(finding.as_dict())
        return {"jobs": verifier.jobs, "files": verifier.blobs, "findings": found}


def recount(settings: Settings) -> int:
    """Count anew what owners have waiting and running; how many counts were wrong."""
    from atelier.tokens import running
    from jobs import verify

    settings, _ = running(settings)
    with opened(settings) as database:
        return verify.recount(database)
