"""One attempt at a job: start a runner, beat, pass on a stop, record how it ended.

The loop listens to the runner and watches the clock. Whatever may take long, storing files
and committing them, happens on the clerk's thread, so that a beat is never late.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from engines.registry import KINDS
from jobs import lease
from jobs.database import Database, DatabaseDownError
from jobs.lease import BEATS_PER_LEASE, Claim
from jobs.moves import FenceLostError
from jobs.states import Wanted
from worker.clerk import Clerk
from worker.nursery import Runner
from worker.protocol import Assignment, Say, Stop, boot_clock

LOOK_SECONDS = 1.0
TERM_AFTER_SECONDS = 10.0
KILL_AFTER_SECONDS = 15.0
LEAVE_AFTER_SECONDS = 18.0
TICK_SECONDS = 0.25
SNAPSHOT_AGAIN_SECONDS = 30.0
# What a runner has started may keep its pipe open: so long after its end nobody listens any more.
LINGER_SECONDS = 5.0

log = logging.getLogger(__name__)


def step_until(asked_at: float, lease_seconds: float) -> float:
    """When a runner holds that was promised a lease at ``asked_at``, both on the boot clock.

    A beat's length before the lease's end, 5 s of 30: a step that began just before is either
    over by then or shows its worker's death, and nobody else begins one.
    """
    return asked_at + lease_seconds * (1 - 1 / BEATS_PER_LEASE)


class Supervisor:
    """Watches one runner from its start to its recorded end."""

    def __init__(
        self,
        database: Database,
        claim: Claim,
        runner: Runner,
        clerk: Clerk,
        *,
        lease_seconds: float,
        stall_seconds: float,
    ) -> None:
        self._database, self._claim, self._runner, self._clerk = database, claim, runner, clerk
        self._lease, self._stall = lease_seconds, stall_seconds
        self._life_at = self._turned_at = time.monotonic()
        self._look_at = self._beat_at = 0.0
        self._progress: dict[str, Any] | None = None
        self._stop: Stop | None = None
        self._stop_at = 0.0
        self._term_sent = False
        self._gone_at: float | None = None
        self._ending: Future[None] | None = None
        self._stalled = False
        self._may_ask = bool(KINDS[claim.kind].snapshots)
        self._ask_from: dict[str, float] = {}
        self._stepped, self._began_at_step = False, 0
        left = claim.seconds_left
        self._deadline = math.inf if left is None else boot_clock() + left
        self._stored = {
            Say.METRICS: clerk.keep_metrics,
            Say.FRAME: clerk.keep_frame,
            Say.PREVIEW: clerk.keep_preview,
            Say.CHECKPOINT: clerk.keep_checkpoint,
            Say.OUTPUT: clerk.add_output,
        }
        self._tend: Callable[[bool], None] = lambda _: None
        self._stepping: Callable[[int, int], None] = lambda _step, _total: None

    def run(
        self,
        assignment: Assignment,
        shutdown: threading.Event,
        tend: Callable[[bool], None],
        stepping: Callable[[int, int], None],
    ) -> None:
        """Start the runner and stay until its end is recorded or its fence is lost.

        ``tend`` is called with every beat, and told whether the first step is done: what else
        the slot does. ``stepping`` hears how many steps are done, of how many.
        """
        self._tend, self._stepping = tend, stepping
        self._beat_at = time.monotonic() + self._lease / BEATS_PER_LEASE
        try:
            self._runner.start(assignment)
            while not self._over(shutdown):
                self._excuse_own_pause()
                self._hear(self._runner.next_message(TICK_SECONDS))
                if shutdown.is_set():
                    self._ask_to_stop(Stop.YIELD)
                if boot_clock() > self._deadline:
                    self._ask_to_stop(Stop.DEADLINE)
                self._press_stop()
                self._watch_for_stall()
                self._tell_database()
                if self._ending is None and self._has_ended():
                    self._guarded(self._look)  # its last progress, before its end
                    self._ending = self._clerk.conclude(self._stop, self._stalled, self._runner)
            if self._ending is not None and self._ending.done():
                self._ending.result()
        except FenceLostError:
            log.warning("job %s: fence %s lost", self._claim.hold.job_id, self._claim.hold.fence)
        finally:
            self._runner.kill()
            self._clerk.close()
            self._runner.close()

    def _has_ended(self) -> bool:
        """Whether the process is gone and all that it said was heard."""
        if not self._runner.wait(TICK_SECONDS if self._runner.silent else 0.0):
            return False
        now = time.monotonic()
        self._gone_at = now if self._gone_at is None else self._gone_at
        return self._runner.silent or now - self._gone_at > LINGER_SECONDS

    def _excuse_own_pause(self) -> None:
        """Who was stopped as a whole, as a paused container is, and its runner with it, takes that
        time neither for the runner's silence nor for the time that it had to stop."""
        now = time.monotonic()
        away, self._turned_at = now - self._turned_at, now
        if away > self._stall / 4:
            self._life_at += away
            self._stop_at += away

    def _over(self, shutdown: threading.Event) -> bool:
        if self._ending is not None and self._ending.done():
            return True
        # A worker that has to go does not wait for a database that is away: the lease runs out.
        waited = time.monotonic() - self._stop_at if self._stop is not None else 0.0
        return shutdown.is_set() and waited > LEAVE_AFTER_SECONDS

    def _hear(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        self._life_at = time.monotonic()
        match message.pop("is"):
            case said if said in self._stored:
                self._stored[said](message)
            case Say.PROGRESS:
                self._progress = message
                if message["step"] > self._began_at_step:
                    self._stepped = True
                    self._stepping(message["step"], message["total"])
            case Say.RESUMED:
                self._began_at_step = message["step"] or 0
                self._clerk.record_resume(message["step"])
            case Say.SNAPSHOT:
                of = message["of"]
                self._clerk.keep_snapshot(message, lambda kept: self._may_ask_again(of, kept))
            case Say.FITTED:
                self._clerk.note_fitted(message["name"], message["value"])
            case Say.DONE | Say.STOPPED as said:
                self._clerk.note_end(said, message)
            case Say.FAILED as said:
                cause = message.pop("cause")
                log.error("job %s failed:\n%s", self._claim.hold.job_id, cause)
                self._clerk.note_end(said, message, cause)

    def _tell_database(self) -> None:
        """Look every second and beat several times a lease, as long as there is life."""
        now = time.monotonic()
        if now >= self._beat_at and not self._stalled:
            beaten = self._guarded(self._beat)
            self._beat_at = now + (self._lease / BEATS_PER_LEASE if beaten else 1.0)
            self._guarded(lambda: self._tend(self._stepped))
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._clerk.keep_log()
            self._guarded(self._look)

    def _beat(self) -> None:
        # The lease runs from before the question: the answer may have taken its time.
        asked_at = boot_clock()
        with self._database.begin() as session:
            wanted = lease.beat(session, self._claim.hold, self._lease)
        self._runner.lease(step_until(asked_at, self._lease))
        self._obey(wanted)

    def _look(self) -> None:
        progress, self._progress = self._progress, None
        with self._database.begin() as session:
            if progress is None:
                wanted = lease.look(session, self._claim.hold)
            else:
                wanted = lease.report_progress(session, self._claim.hold, progress)
            asked = lease.snapshots_wanted(session, self._claim.hold) if self._may_ask else []
        for of in asked:
            # Until it is stored, or could not be, the wish stands and is told once.
            if time.monotonic() >= self._ask_from.get(of, 0.0):
                self._ask_from[of] = math.inf
                self._runner.snapshot(of)
        self._obey(wanted)

    def _may_ask_again(self, of: str, kept: bool) -> None:
        # A storage that is away or full takes no model every second.
        self._ask_from[of] = time.monotonic() + (0.0 if kept else SNAPSHOT_AGAIN_SECONDS)

    def _guarded(self, act: Callable[[], None]) -> bool:
        """Do it; a database that is away is no reason to end healthy work."""
        try:
            act()
        except DatabaseDownError as away:
            log.warning("job %s: database away: %s", self._claim.hold.job_id, away)
            return False
        except FenceLostError:
            # The clerk may just have recorded the end: then this is no loss.
            if self._ending is None:
                raise
        return True

    def _obey(self, wanted: Wanted) -> None:
        if wanted is Wanted.CANCEL:
            self._ask_to_stop(Stop.CANCEL)
        elif wanted is Wanted.PAUSE:
            self._ask_to_stop(Stop.PAUSE)

    def _ask_to_stop(self, why: Stop) -> None:
        upgrade = why is Stop.CANCEL and self._stop is not Stop.CANCEL
        if self._stop is not None and not upgrade:
            return
        if self._stop is None:
            self._stop_at = time.monotonic()
        self._stop = why
        self._runner.stop(why)

    def _press_stop(self) -> None:
        """A runner that does not stop by itself gets SIGTERM, then SIGKILL."""
        if self._stop is None or self._runner.gone:
            return
        waited = time.monotonic() - self._stop_at
        if waited > KILL_AFTER_SECONDS:
            self._runner.signal_group(signal.SIGKILL)
        elif waited > TERM_AFTER_SECONDS and not self._term_sent:
            self._term_sent = True
            self._runner.signal_group(signal.SIGTERM)

    def _watch_for_stall(self) -> None:
        quiet = time.monotonic() - self._life_at
        if quiet > self._stall and not self._stalled and not self._runner.silent:
            self._stalled = True
            log.error("job %s: no sign of life for %.0f s", self._claim.hold.job_id, quiet)
            self._runner.signal_group(signal.SIGKILL)
