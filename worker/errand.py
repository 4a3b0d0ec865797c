"""What a slot does while it brings a job's inputs: it beats, and stops when that is wanted.

A set of pictures can take minutes to bring. Without beats another slot would be given the job,
which would begin the same errand anew.
"""

from __future__ import annotations

import logging
import threading
import time

from jobs import lease
from jobs.database import Database, DatabaseDownError
from jobs.lease import BEATS_PER_LEASE, Hold
from jobs.states import Wanted
from worker.protocol import Stop, boot_clock
from worker.supervisor import LOOK_SECONDS, step_until

WISHES = {Wanted.CANCEL: Stop.CANCEL, Wanted.PAUSE: Stop.PAUSE}

log = logging.getLogger(__name__)


class CalledOffError(Exception):
    """The run is not wanted any more, or its worker has to go: ``stop`` says why."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(str(stop))
        self.stop = stop


class Errand:
    """Call :meth:`pulse` between the pieces. ``until`` is how far the lease reaches for steps."""

    def __init__(
        self,
        database: Database,
        hold: Hold,
        lease_seconds: float,
        until: float,
        shutdown: threading.Event,
    ) -> None:
        self._database, self._hold, self._lease = database, hold, lease_seconds
        self._shutdown = shutdown
        self._every = min(LOOK_SECONDS, lease_seconds / BEATS_PER_LEASE)
        self._due_at = time.monotonic() + self._every
        self.until = until

    def pulse(self) -> None:
        """Beat when it is time. Raises :class:`CalledOffError`, FenceLostError."""
        if self._shutdown.is_set():
            raise CalledOffError(Stop.YIELD)
        if time.monotonic() < self._due_at:
            return
        self._due_at = time.monotonic() + self._every
        asked_at = boot_clock()
        try:
            with self._database.begin() as session:
                wanted = lease.beat(session, self._hold, self._lease)
        except DatabaseDownError as away:
            log.warning("job %s: database away: %s", self._hold.job_id, away)
            return
        self.until = step_until(asked_at, self._lease)
        if wanted in WISHES:
            raise CalledOffError(WISHES[wanted])
