"""Stores what a runner made and records how it ended, on a thread of its own.

Everything goes in the order in which it was said, so a checkpoint is committed before the
pause that relies on it, and outputs before the success that promises them.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from engines.registry import KINDS
from jobs import lease, process_log, snapshots
from jobs.database import Database, DatabaseDownError
from jobs.lease import Claim, SavedState, Work
from jobs.moves import FenceLostError
from jobs.records import causes, logs
from jobs.states import Reason, State
from jobs.storage import Storage, StorageError, Stored
from jobs.stored import facts
from worker import failures, memory
from worker.logbook import Logbook
from worker.nursery import Runner
from worker.protocol import Say, Stop, boot_clock
from worker.timeline import Timeline

RETRY_SECONDS = 1.0
# Bytes that nothing refers to go an hour after they were stored. Works that have waited this long
# for their rows, as for a slow last work or a database, are stored again.
UNREFERRED_SECONDS = 600.0
# Why a runner that stopped as asked is where it is now.
STOPPED: dict[Stop, tuple[State, Reason]] = {
    Stop.CANCEL: (State.CANCELED, Reason.CANCELED_BY_USER),
    Stop.PAUSE: (State.PAUSED, Reason.PAUSED_BY_USER),
    Stop.DEADLINE: (State.FAILED, Reason.TIMED_OUT),
    Stop.YIELD: (State.QUEUED, Reason.WORKER_STOPPED),
}

log = logging.getLogger(__name__)
T = TypeVar("T")


class Clerk:
    """The writing side of one attempt."""

    def __init__(
        self, database: Database, storage: Storage, claim: Claim, logbook: Logbook
    ) -> None:
        self._database, self._storage, self._claim = database, storage, claim
        self._logbook, self._log_due = logbook, False
        self._timeline = Timeline(database, storage, claim.hold, logbook)
        self._began = time.monotonic()
        about = process_log.about()
        self._desk = ThreadPoolExecutor(
            1, thread_name_prefix="clerk", initializer=lambda: process_log.bind(**about)
        )
        self._works: list[Work] = []
        self._made: list[Path] = []
        self._made_at = math.inf
        self._end: tuple[str, dict[str, Any]] | None = None
        self._cause = ""
        self._failure: Exception | None = None
        self._closing = threading.Event()
        self._oom_kills = memory.oom_kills()
        self._fitted: tuple[str, int] | None = None
        self.device_failed = False

    def record_resume(self, step: int | None) -> None:
        """Say from which step the attempt goes on."""
        self._later(lambda: self._write(lambda s: lease.report_resume(s, self._claim.hold, step)))

    def keep_log(self) -> None:
        """Bring what the run has said to the database; what cannot go now goes later."""
        if not self._log_due:
            self._log_due = True
            self._later(lambda: self._tried("log", self._send_log))

    def keep_metrics(self, told: dict[str, Any]) -> None:
        """Bring figures to the database; what cannot go now goes later."""

        def store() -> None:
            self._timeline.add_points(told)
            self._tried("figures", self._timeline.bring)

        self._later(store)

    def keep_frame(self, told: dict[str, Any]) -> None:
        """Add a picture to the timeline; one that cannot be stored now is stored later."""

        def store() -> None:
            self._timeline.add_frame(told)
            self._tried("picture", self._timeline.bring)

        self._later(store)

    def keep_preview(self, told: dict[str, Any]) -> None:
        """Show a newer preview; one that cannot be stored is left out."""

        def store() -> None:
            stored = self._storage.put(self._database, Path(told["path"]))
            with self._database.begin() as session:
                lease.report_preview(session, self._claim.hold, stored)

        self._later(lambda: self._tried_once("preview", store, told))

    def keep_checkpoint(self, told: dict[str, Any]) -> None:
        """Store a state, then commit its row; one that cannot be stored is left out."""

        def store() -> None:
            # Whoever resumes from here goes on with the timeline as it was here.
            self._timeline.bring()
            stored = self._storage.put(self._database, Path(told["path"]))
            how = (told["step"], told["state_version"], told["threads"], told["score"])
            saved = SavedState(stored.sha256, *how)
            with self._database.begin() as session:
                lease.commit_checkpoint(session, self._claim.hold, saved)

        self._later(lambda: self._tried_once("checkpoint", store, told))

    def keep_snapshot(self, told: dict[str, Any], done: Callable[[bool], None]) -> None:
        """Store a model of now, then commit its row; ``done`` hears whether that went well. Where
        it did not, the wish still stands and the file is gone."""

        def store() -> None:
            work = _work(told, self._storage.put(self._database, Path(told["path"])))
            with self._database.begin() as session:
                snapshots.keep(session, self._claim.hold, told["of"], work)

        def tried() -> None:
            kept = False
            try:
                kept = self._tried_once("model", store, told)
            finally:
                done(kept)

        self._later(tried)

    def add_output(self, told: dict[str, Any]) -> None:
        """Store a finished work; its row comes with the success."""

        def store() -> None:
            path = Path(told["path"])
            self._made_at = min(self._made_at, boot_clock())
            self._made.append(path)
            stored = self._until_up(lambda: self._storage.put(self._database, path))
            self._works.append(_work(told, stored))

        self._later(store)

    def note_fitted(self, name: str, value: int) -> None:
        """Remember which size has stayed within memory so far."""
        self._fitted = name, value

    def note_end(self, said: str, told: dict[str, Any], cause: str = "") -> None:
        """Remember how the runner says it ended, and the traceback if it broke."""
        self._end, self._cause = (said, told), cause

    def conclude(self, stop: Stop | None, stalled: bool, runner: Runner) -> Future[None]:
        """Record the end, after everything said before it; the process must be gone."""
        return self._desk.submit(lambda: self._record(stop, stalled, runner))

    def close(self) -> None:
        """Finish what is under way and end the thread; waiting for the database ends too."""
        self._closing.set()
        self._desk.shutdown(wait=True, cancel_futures=True)

    def _record(self, stop: Stop | None, stalled: bool, runner: Runner) -> None:
        seconds, hold = time.monotonic() - self._began, self._claim.hold
        said, told = self._end or ("", {})
        self._close("the rest of its timeline", self._timeline.bring)
        self._close("the rest of its log", lambda: self._send_log(ended=True))
        if self._failure is not None:
            return self._record_failed_write(self._failure, seconds)
        if said == Say.DONE:
            return self._record_success(seconds)
        if said == Say.FAILED:
            return self._record_failure(told, seconds)
        if said == Say.STOPPED or stop is not None:
            # Told to stop and gone, whether by itself or by force.
            target, reason = STOPPED[Stop(told["why"]) if told else stop or Stop.YIELD]
            return self._write(lambda s: lease.stop(s, hold, target, reason, seconds))
        cause, reason = runner.cause_of_death(), Reason.WORKER_LOST
        if stalled:
            cause, reason = "no sign of life", Reason.STALLED
        elif runner.ended_with_server:
            log.error("job %s: %s", hold.job_id, cause)
            lost = (State.QUEUED, Reason.WORKER_LOST)  # a service's death, and none of the job's
            return self._write(lambda s: lease.stop(s, hold, *lost, seconds))
        elif runner.was_killed and memory.oom_kills() > self._oom_kills:
            self._cause = f"{cause}: the machine was out of memory"
            log.error("job %s: %s", hold.job_id, self._cause)
            return self._record_out_of_memory(failures.what_fits(self._fitted), seconds, True)
        log.error("job %s: %s", hold.job_id, cause)
        self._cause = cause
        return self._write_broken(lambda s: lease.runner_died(s, hold, reason, cause, seconds))

    def _record_success(self, seconds: float) -> None:
        def once() -> None:
            self._look_after_works()
            with self._database.begin() as session:
                lease.finish(session, self._claim.hold, self._works, seconds)

        try:
            self._until_up(once)
        except StorageError as failed:
            self._record_failed_write(failed, seconds)

    def _look_after_works(self) -> None:
        """Store works again that were stored long ago: they may have been swept meanwhile."""
        if boot_clock() - self._made_at > UNREFERRED_SECONDS:
            for path in self._made:
                self._storage.put(self._database, path)
            self._made_at = boot_clock()

    def _record_failure(self, told: dict[str, Any], seconds: float) -> None:
        reason, error = Reason(told["reason"]), told["error"]
        hold = self._claim.hold
        if reason in (Reason.DEVICE_ERROR, Reason.WORKER_LOST):
            # Another machine may well run it.
            self.device_failed = reason is Reason.DEVICE_ERROR
            cause = f"the {'device' if self.device_failed else 'machine'} answered with an error"
            return self._write_broken(lambda s: lease.runner_died(s, hold, reason, cause, seconds))
        if reason is Reason.OUT_OF_MEMORY:
            return self._record_out_of_memory(error, seconds, killed=False)
        target = State.PAUSED if reason is Reason.DISK_FULL else State.FAILED
        return self._write_broken(lambda s: lease.stop(s, hold, target, reason, seconds, error))

    def _record_out_of_memory(
        self, error: dict[str, Any] | None, seconds: float, killed: bool
    ) -> None:
        pieces = KINDS[self._claim.kind].pieces
        self._write_broken(
            lambda s: lease.ran_out_of_memory(
                s, self._claim.hold, seconds, error, pieces=pieces, killed=killed
            )
        )

    def _record_failed_write(self, failure: Exception, seconds: float) -> None:
        """What the runner said could not be recorded: wait for room, or let it be tried again."""
        if isinstance(failure, (FenceLostError, DatabaseDownError)):
            raise failure  # another holds the job, or will as soon as the lease has ended
        hold = self._claim.hold
        log.error("job %s: not recorded: %s", hold.job_id, failure, exc_info=failure)
        if not isinstance(failure, StorageError):
            reason, cause = Reason.INTERNAL_ERROR, "the worker could not record the run"
            self._write(lambda s: lease.runner_died(s, hold, reason, cause, seconds))
            return
        target, reason = State.QUEUED, Reason.STORAGE_AWAY
        if failures.is_full(failure.__cause__):
            target, reason = State.PAUSED, Reason.DISK_FULL
        self._write(lambda s: lease.stop(s, hold, target, reason, seconds))

    def _send_log(self, ended: bool = False) -> None:
        self._log_due = False
        if said := self._logbook.unsent(ended):
            with self._database.begin() as session:
                if not logs.append(session, self._claim.hold, said):
                    log.warning("job %s: its log is full", self._claim.hold.job_id)
            self._logbook.sent(said)

    def _close(self, what: str, bring: Callable[[], None]) -> None:
        """Bring the rest before the end is recorded, which it must never prevent."""
        try:
            self._until_up(bring)
        except (FenceLostError, DatabaseDownError):
            raise
        except Exception:
            log.exception("job %s: %s is lost", self._claim.hold.job_id, what)
            self._logbook.note(f"{what} is lost")

    def _write_broken(self, act: Callable[[Session], object]) -> None:
        """Record how it broke, and beside it the cause that only administrators see."""

        def both(session: Session) -> None:
            act(session)
            causes.keep(session, self._claim.hold, self._cause)

        self._write(both)

    def _write(self, act: Callable[[Session], object]) -> None:
        def once() -> None:
            with self._database.begin() as session:
                act(session)

        self._until_up(once)

    def _until_up(self, act: Callable[[], T]) -> T:
        """Do it as soon as the database is there; its being away costs no work."""
        while True:
            try:
                return act()
            except DatabaseDownError:
                if self._closing.wait(RETRY_SECONDS):
                    raise

    def _tried(self, what: str, store: Callable[[], None]) -> bool:
        try:
            store()
        except (DatabaseDownError, StorageError) as failed:
            log.warning("job %s: %s left out: %s", self._claim.hold.job_id, what, failed)
            return False
        return True

    def _tried_once(self, what: str, store: Callable[[], None], told: dict[str, Any]) -> bool:
        """The same for a file that nobody comes back for: it goes, however that ended, or a storage
        that is away would fill the machine's own disk."""
        try:
            return self._tried(what, store)
        finally:
            with suppress(OSError):
                Path(told["path"]).unlink(missing_ok=True)

    def _later(self, act: Callable[[], object]) -> None:
        def guarded() -> None:
            if self._failure is not None:
                return
            try:
                act()
            except Exception as failed:
                self._failure = failed

        self._desk.submit(guarded)


def _work(told: dict[str, Any], stored: Stored) -> Work:
    role, name, media_type = (told[each] for each in ("role", "name", "media_type"))
    known = facts.kept(Path(told["path"]), media_type)
    return Work(role, name, media_type, stored, told.get("width"), told.get("height"), known)
