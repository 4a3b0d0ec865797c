"""A look at a studio's own records, past its API: for whoever administers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atelier.in_use import opened, running
from jobs.settings import Settings


def verify(settings: Settings, tell: Callable[[str], object]) -> dict[str, Any]:
    """Check the records of the studio in use; each finding is told as soon as it is found.

    Returns what was looked at and found, for programs.
    """
    from jobs.office.verify import Verifier
    from jobs.storage import Storage

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
    from jobs.office import verify

    settings, _ = running(settings)
    with opened(settings) as database:
        return verify.recount(database)
