"""What a stored model is, in its row: who commissions a job or opens a page waits for no storage.

A worker of an earlier version keeps rows without it, and so did the studio before: the keeper reads
those from the storage, once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from engines import media, models
from engines.models import ModelError, ModelFacts
from jobs.database import Database
from jobs.models import Blob, File
from jobs.storage import Storage

log = logging.getLogger(__name__)


def kept(path: Path, media_type: str) -> dict[str, Any] | None:
    """What a row keeps of a file that is about to be stored: None where it is no model, nothing
    where it cannot be read as one."""
    if media_type != media.MODEL:
        return None
    try:
        return models.inspect(path).as_json()
    except ModelError as unfit:
        log.warning("%s is no model that can be used: %s", path.name, unfit)
        return {}


def read(row: Mapping[str, Any] | None) -> ModelFacts | None:
    """The facts that a row keeps; None where it has none."""
    return ModelFacts.of_json(row) if row else None


def learn(database: Database, storage: Storage, pulse: Callable[[], None]) -> int:
    """Read what rows without facts are from the storage; how many were learned. One that is out of
    reach is left for another time. ``pulse`` is called between them."""
    unread = (
        select(File.id, File.sha256, Blob.size)
        .join(Blob, Blob.sha256 == File.sha256)
        .where(File.facts.is_(None), File.media_type == media.MODEL)
        .order_by(File.id)
    )
    with database.begin() as session:
        rows = session.execute(unread).all()
    learned = 0
    for id_, sha256, size in rows:
        try:
            with storage.open(sha256) as opened:
                found = models.read_facts(opened, size).as_json()
        except ModelError as unfit:
            log.warning("model %s: %s", id_, unfit)
            found = {}
        except OSError as away:
            log.warning("model %s: its file cannot be read now: %s", id_, away)
            continue
        finally:
            pulse()
        with database.begin() as session:
            session.execute(update(File).where(File.id == id_).values(facts=found))
        learned += 1
    return learned
