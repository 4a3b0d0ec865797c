"""What a run measured and showed on its way into the database: figures and pictures, by step.

On the clerk's thread. Nothing is dropped while the database or the storage is away: it waits
here and goes with the next that comes, with the next checkpoint at the latest, which is not
committed before it.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from jobs import lease
from jobs.database import Database
from jobs.lease import Hold
from jobs.records import metrics
from jobs.records.frames import Shown
from jobs.records.series import Column, Columns
from jobs.storage import SourceError, Storage
from worker.logbook import Logbook
from worker.points import received

FULL = "the timeline is full; the pictures of later steps are not kept"
LOST = "the picture of step %s is lost"
THINNED = "figures up to step %s are kept as lowest, mean and highest of %s steps each"

log = logging.getLogger(__name__)


class Timeline:
    """One attempt's part of its job's figures and pictures."""

    def __init__(self, database: Database, storage: Storage, hold: Hold, logbook: Logbook) -> None:
        self._database, self._storage, self._hold = database, storage, hold
        self._logbook = logbook
        self._open: Columns = {}
        self._changed = False
        self._frames: list[dict[str, Any]] = []
        self._full = False

    def add_points(self, told: dict[str, Any]) -> None:
        """Figures that a runner sent."""
        for name, column in received(told["columns"]).items():
            self._open.setdefault(name, Column()).extend(column)
        self._changed = True

    def add_frame(self, told: dict[str, Any]) -> None:
        """A picture that a runner wrote."""
        self._frames.append(told)

    def bring(self) -> None:
        """Write what waits. Raises DatabaseDownError, StorageError, FenceLostError."""
        if self._changed:
            self._bring_points()
        while self._frames:
            try:
                self._bring_frame(self._frames[0])
            except SourceError as lost:
                # No checkpoint would be kept any more, if what cannot be read were waited for.
                log.warning("job %s: a picture is lost: %s", self._hold.job_id, lost)
                self._logbook.note(LOST % self._frames[0]["step"])
            del self._frames[0]

    def _bring_points(self) -> None:
        with self._database.begin() as session:
            full = lease.report_metrics(session, self._hold, self._open)
            thinned = metrics.thin(session, self._hold.job_id) if full else None
        self._changed = False
        if full:
            self._open = {}
        if thinned is not None:
            self._logbook.note(THINNED % (thinned, metrics.POINTS_PER_BUCKET))

    def _bring_frame(self, told: dict[str, Any]) -> None:
        path = Path(told["path"])
        stored = self._storage.put(self._database, path)
        shown = Shown(stored, told["step"], told["width"], told["height"], told["score"])
        with self._database.begin() as session:
            kept = lease.report_frame(session, self._hold, shown)
        with suppress(OSError):
            path.unlink(missing_ok=True)
        if not kept and not self._full:
            self._full = True
            self._logbook.note(FULL)
