"""Checking datasets beside the keeper's other chores: one child process at a time.

The keeper never waits for it. The kernel ends the child with the keeper; what was not finished is
begun anew, and whoever commits first is right, as a check always comes to the same end.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from uuid import UUID

from jobs.database import Database
from jobs.settings import Settings
from jobs.stored import datasets

# A service or the disk was away, which is no fault of the dataset.
TRY_AGAIN = os.EX_TEMPFAIL
REST_SECONDS = 5.0

log = logging.getLogger(__name__)


@dataclass
class _Child:
    dataset_id: UUID
    process: subprocess.Popen[bytes]


class Checks:
    """Starts the checks; :meth:`turn` looks after the one that runs."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings
        self._child: _Child | None = None
        self._not_before = 0.0
        self._passed: set[UUID] = set()

    def turn(self, now: float) -> None:
        """Note how a check ended, and start the next one. ``now`` is of the monotonic clock."""
        if self._child is not None:
            status = self._child.process.poll()
            if status is None:
                return
            self._note_end(self._child.dataset_id, status, now)
            self._child = None
        if now < self._not_before:
            return
        with self._database.begin() as session:
            dataset_id = datasets.next_to_check(session, self._passed)
            if dataset_id is None and self._passed:
                self._passed.clear()
                dataset_id = datasets.next_to_check(session)
        if dataset_id is not None:
            self._child = _Child(dataset_id, self._started(dataset_id))

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The check that runs, if one does."""
        return self._child.process if self._child else None

    def _started(self, dataset_id: UUID) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "jobs.stored.checking", str(dataset_id), str(os.getpid())]
        environment = self._settings.environment(**self._settings.variables())
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)

    def _note_end(self, dataset_id: UUID, status: int, now: float) -> None:
        if status == 0:
            return
        if status == TRY_AGAIN:
            # The others first: what it waits for may be something of its own.
            self._passed.add(dataset_id)
            self._not_before = now + REST_SECONDS
            return
        with self._database.begin() as session:
            row = datasets.note_death(session, dataset_id)
        if row is not None:
            log.warning(
                "dataset %s: its check ended with status %s, %s times now; it is %s",
                dataset_id,
                status,
                row.deaths,
                row.state,
            )
