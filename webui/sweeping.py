"""Removes thumbnails and copies of pictures that are stored no more.

The keeper may run on another machine than the web, so whoever keeps them clears them away: a
thread of the web for each folder, that begins with the web itself and looks once an hour.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from sqlalchemy import select

from jobs.database import Database, DatabaseDownError
from jobs.models import Blob
from webui import samples
from webui.studio import Studio

# Below the data folder.
FOLDERS = ("thumbnails", "copies")
EVERY_SECONDS = 3600.0
# A draft this old belongs to a process that died while writing it.
DRAFT_SECONDS = 3600.0
KEPT = re.compile(r"([0-9a-f]{64})-\d+-[\w.-]+")

log = logging.getLogger(__name__)
_begun: set[Path] = set()
_beginning = threading.Lock()


def begin_all(studio: Studio) -> None:
    """Look after every folder of a studio from now on."""
    for name in FOLDERS:
        begin(studio.settings.data.absolute() / name, studio.database)


def begin(folder: Path, database: Database) -> None:
    """Look after what is kept in ``folder`` from now on; once is enough."""
    with _beginning:
        if folder in _begun:
            return
        _begun.add(folder)
    threading.Thread(
        target=_look_after, args=(folder, database), name=folder.name, daemon=True
    ).start()


def sweep(folder: Path, database: Database) -> int:
    """Remove what belongs to no stored picture and no sample; how many files that was."""
    removed = 0
    # One shelf at a time: a question of a bounded size, and little to hold.
    for shelf in sorted(folder.glob("[0-9a-f][0-9a-f]")):
        drawn: dict[str, list[Path]] = {}
        for path in shelf.iterdir():
            if found := KEPT.fullmatch(path.name):
                drawn.setdefault(found[1], []).append(path)
            else:
                with suppress(FileNotFoundError):  # given its name, or gone, in this moment
                    if time.time() - path.stat().st_mtime > DRAFT_SECONDS:
                        path.unlink()
                        removed += 1
        for sha256 in drawn.keys() - _stored(database, drawn.keys()):
            for path in drawn[sha256]:
                path.unlink(missing_ok=True)
                removed += 1
    return removed


def _stored(database: Database, hashes: Collection[str]) -> set[str]:
    """Those of these pictures that are stored, or are samples, which come with the program."""
    shown = {sample.sha256 for sample in samples.all_samples().values()}
    with database.begin() as session:
        found = session.scalars(select(Blob.sha256).where(Blob.sha256.in_(hashes)))
        return shown.union(found)


def _look_after(folder: Path, database: Database) -> None:
    while True:
        try:
            if removed := sweep(folder, database):
                log.info("%s of pictures long gone removed from %s", removed, folder.name)
        except (DatabaseDownError, OSError) as failed:
            log.warning("%s not swept: %s", folder.name, failed)
        except Exception:  # a chore that fails must not end the chores
            log.exception("%s not swept", folder.name)
        time.sleep(EVERY_SECONDS)
