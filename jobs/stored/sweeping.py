"""Removing stored bytes that nothing refers to, an hour after they were last touched.

One by one, each under its row's lock: whoever puts the same bytes at that moment waits, and whoever
came to refer to them just before is seen. A lock that the database takes back in the middle would
let the bytes of a new put be removed, so the transaction may idle for long.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlalchemy import ColumnElement, delete, func, select, text
from sqlalchemy.orm import Session

from jobs import references
from jobs.database import Database
from jobs.models import Blob
from jobs.storage import Storage
from jobs.stored import backup

BLOB_GRACE = "1 hour"
AT_A_TIME = 200
IDLE = "SET LOCAL idle_in_transaction_session_timeout = '10min'"

log = logging.getLogger(__name__)


def sweep_bytes(database: Database, storage: Storage, pulse: Callable[[], None]) -> None:
    """Remove what nothing refers to, at most :data:`AT_A_TIME` files; ``pulse`` is called after
    each. Raises StorageError where the storage is not there, DatabaseDownError."""
    storage.expect_there(database)
    with database.begin() as session:
        query = select(Blob.sha256).where(_old(), references.unneeded())
        found = session.scalars(query.limit(AT_A_TIME)).all()
    for sha256 in found:
        with database.begin() as session:
            if not backup.may_sweep(session):
                return
            if _lock_unneeded(session, sha256):
                _remove(session, storage, sha256)
        pulse()


def _remove(session: Session, storage: Storage, sha256: str) -> None:
    try:
        storage.remove(sha256)
    except OSError as failed:  # one that cannot be removed keeps no other
        log.warning("stored file %s cannot be removed: %s", sha256, failed)
    else:
        session.execute(delete(Blob).where(Blob.sha256 == sha256))


def _lock_unneeded(session: Session, sha256: str) -> bool:
    """Lock a blob that may go; False where it may not, or somebody is about to refer to it."""
    session.execute(text(IDLE))
    mine = select(Blob.sha256).where(Blob.sha256 == sha256, _old())
    if session.execute(mine.with_for_update(skip_locked=True, of=Blob)).first() is None:
        return False
    # Asked only now that it is locked: what was committed before that is seen.
    return session.execute(mine.where(references.unneeded())).first() is not None


def _old() -> ColumnElement[bool]:
    return Blob.touched_at < func.now() - text(f"interval '{BLOB_GRACE}'")
