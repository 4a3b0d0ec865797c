"""The folder of what runs prepared from their inputs: what has not been used for longest goes."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path

# A draft this old belongs to a run that died while writing it.
DRAFT_SECONDS = 3600.0
DRAFT = ".part-"

log = logging.getLogger(__name__)


def sweep(folder: Path, most: int) -> int:
    """Remove the files used longest ago until at most ``most`` bytes are left; how many went.

    A run that has one of them mapped keeps it. Whoever uses one marks it by its time of change.
    """
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # another worker of this machine may sweep too
            facts = path.stat()
            if path.is_file():
                found.append((facts.st_mtime, facts.st_size, path))
    removed, kept = 0, 0
    for used_at, size, path in sorted(found, reverse=True):
        if path.name.startswith(DRAFT):
            gone = time.time() - used_at > DRAFT_SECONDS
        else:
            kept += size
            gone = kept > most
        if gone:
            path.unlink(missing_ok=True)
            removed += 1
    if removed:
        log.info("%s files removed from the cache of prepared inputs", removed)
    return removed
