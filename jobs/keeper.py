"""Chores of the studio, done by one leader: rescue lost jobs, sweep what nothing refers to.

``python -m jobs.keeper``. Any number may run; a database lock chooses the one that works.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from types import FrameType
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, func, select, text
from sqlalchemy.exc import DBAPIError

from jobs import attempts, awaiting, figures, lease, process_log, rescue, slots
from jobs.database import Database, DatabaseDownError, LockedError, connect
from jobs.models import (
    DiskSample,
    Event,
    IdempotencyKey,
    Invitation,
    Job,
    ShareLink,
    Slot,
    Token,
)
from jobs.moves import UnknownJobError, lock_job, move
from jobs.post import courier
from jobs.queue import Waker, make_app
from jobs.records import audit
from jobs.settings import Settings, SettingsError
from jobs.states import Reason, State
from jobs.storage import Storage
from jobs.stored import facts, retention, sweeping
from jobs.stored.checks import Checks
from jobs.trust import Trust

LEADER_LOCK = 7_021_887
TURN_SECONDS = 1.0
SWEEP_SECONDS = 60.0
SEAL_SECONDS = 10.0
MEASURE_SECONDS = 300.0
KEY_LIFETIME = "24 hours"
SLOT_LIFETIME = "7 days"
SAMPLE_LIFETIME = "30 days"
DRAFTS_SECONDS = 3600.0
IDLE_SECONDS = 15.0
# A job that went on for room a moment ago and found none waits this long before it tries again.
ROOM_AGAIN_SECONDS = 60.0

log = logging.getLogger(__name__)


class Keeper:
    """The leader's work; :meth:`turn` does one round of it."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        wake: Callable[[str], None],
        settings: Settings,
    ) -> None:
        self._database, self._storage, self._wake = database, storage, wake
        self._free_bytes = settings.free_bytes
        self._running_limit = settings.running_per_owner
        self._trust = Trust(settings.lease)
        self._lock_milliseconds = round(1000 * settings.lease / 4)
        self.rest = min(TURN_SECONDS, settings.lease / lease.BEATS_PER_LEASE)
        self._noticed: frozenset[str] = frozenset()
        self._sweep_at = self._seal_at = self._measure_at = self._looked_at = 0.0
        self._drafts_at = 0.0
        self._checks = Checks(database, settings)

    def turn(self, now: float) -> None:
        """One round of chores at ``now`` on the monotonic clock."""
        self._look_for_lost(now)
        for chore in (
            self.end_overdue,
            self.resume_where_room,
            lambda: self._checks.turn(now),
            self.settle_awaiting,
            self.notice_idle_slots,
            *self._rarer_chores(now),
        ):
            _alone(chore)
        with self._database.begin() as session:
            figures.note_chore(session, figures.KEEPER)

    def _look_for_lost(self, now: float) -> None:
        clocks = select(func.pg_postmaster_start_time(), func.clock_timestamp())
        with self._database.begin() as session:
            asked_at = time.monotonic()
            started, its_now = session.execute(clocks).one()
            heard_at = time.monotonic()
        self._trust.observe(now, started)
        its = its_now.timestamp()
        self._trust.compare(now, its - heard_at, its - asked_at)
        self._looked_at = now
        if self._trust.holds(now):
            self.rescue()

    def _pulse(self) -> None:
        """Between the pieces of what may take long: what lost its worker waits for no more."""
        now = time.monotonic()
        self._trust.notice(now)
        if now - self._looked_at >= self.rest:
            self._look_for_lost(now)

    def _each(self, which: ColumnElement[bool], act: Callable[[UUID], None]) -> None:
        """Do something to all these jobs; one that breaks keeps no other from it."""
        with self._database.begin() as session:
            found = list(session.execute(select(Job.id).where(which)).scalars())
        for job_id in found:
            _alone(partial(act, job_id))
            self._pulse()

    def _rarer_chores(self, now: float) -> Iterator[Callable[[], None]]:
        """What is not due with every turn."""
        if now >= self._seal_at:
            self._seal_at = now + SEAL_SECONDS
            yield self.seal_audit
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_SECONDS
            yield self.learn_models
            yield self.sweep
        if now >= self._drafts_at:
            self._drafts_at = now + DRAFTS_SECONDS
            yield self.sweep_drafts
        if now >= self._measure_at:
            self._measure_at = now + MEASURE_SECONDS
            yield self.measure_disk

    def rescue(self) -> None:
        """Put back into the queue what lost its worker."""
        with self._database.begin() as session:
            lost = rescue.expired(session)
        for job_id in lost:
            try:
                with self._database.begin() as session:
                    session.execute(text(f"SET LOCAL lock_timeout = {self._lock_milliseconds}"))
                    job = rescue.rescue_expired(session, job_id)
            except UnknownJobError:  # deleted since it was found
                job = None
            except LockedError as locked:
                # Whoever holds one person's rows keeps nobody else's job from going on.
                log.warning("job %s: cannot be put back now: %s", job_id, locked)
                job = None
            if job is not None:
                log.warning("job %s: its worker was lost; now %s", job_id, job.state)
                self._wake(job.resource)
            self._trust.notice(time.monotonic())

    def end_overdue(self) -> None:
        """Fail what still waits when its deadline has passed."""
        overdue = (Job.state == str(State.QUEUED)) & (Job.deadline_at < func.clock_timestamp())

        def end(job_id: UUID) -> None:
            with self._database.begin() as session:
                job = lock_job(session, job_id)
                if job.state != State.QUEUED:
                    return
                now, reason = func.clock_timestamp(), Reason.TIMED_OUT
                move(session, job, State.FAILED, by="keeper", reason=reason, ended_at=now)
            log.info("job %s: its deadline passed before it ran", job_id)

        self._each(overdue, end)

    def resume_where_room(self) -> None:
        """Queue again what a full disk has paused, once there is room."""
        full = (Job.state == str(State.PAUSED)) & (Job.reason == str(Reason.DISK_FULL))
        with self._database.begin() as session:
            waits = session.execute(select(Job.id).where(full).limit(1)).first() is not None
        if not waits or self._storage.free_bytes() < self._free_bytes:
            return
        ago = func.clock_timestamp() - timedelta(seconds=ROOM_AGAIN_SECONDS)
        lately = select(Event.seq).where(
            *(Event.job_id == Job.id, Event.type == "status", Event.at > ago),
            Event.data["reason"].astext == str(Reason.ROOM_AGAIN),
        )

        def resume(job_id: UUID) -> None:
            with self._database.begin() as session:
                job = lock_job(session, job_id)
                if job.state != State.PAUSED or job.reason != Reason.DISK_FULL:
                    return
                move(session, job, State.QUEUED, by="keeper", reason=Reason.ROOM_AGAIN)
            log.info("job %s: there is room again", job_id)
            self._wake(job.resource)

        # Room for one is not room for all, and a share of a disk can be full beside much room.
        self._each(full & ~lately.exists(), resume)

    def settle_awaiting(self) -> None:
        """Let the jobs go on whose datasets are checked by now."""

        def settle(job_id: UUID) -> None:
            with self._database.begin() as session:
                job = awaiting.settle(session, lock_job(session, job_id))
            if not awaiting.awaits(job):
                log.info("job %s: its dataset is checked; now %s", job_id, job.state)
                self._wake(job.resource)

        self._each(awaiting.AWAITS, settle)

    def notice_idle_slots(self) -> None:
        """Wake a slot that has been ready beside a waiting job for 15 s, and log it."""
        with self._database.begin() as session:
            found = slots.idle_beside_work(session, IDLE_SECONDS, self._running_limit)
        for resource in found - self._noticed:
            log.warning("a %s slot is idle beside a waiting job; waking it", resource)
        for resource in found:
            self._wake(resource)
        self._noticed = found

    def measure_disk(self) -> None:
        """Note how full the disk of the stored files is; nothing where that cannot be asked."""
        disk = self._storage.disk()
        if disk is not None:
            with self._database.begin() as session:
                session.add(DiskSample(free_bytes=disk[0], total_bytes=disk[1]))

    def seal_audit(self) -> None:
        """Seal what was written to the audit log; the log of this process keeps the hash too."""
        with self._database.begin() as session:
            sealed = audit.seal(session)
        if sealed is not None:
            log.info("audit log sealed to row %s: %s", sealed.last_id, sealed.hash)

    def learn_models(self) -> None:
        """Read what models are that were kept before rows said so."""
        if learned := facts.learn(self._database, self._storage, self._pulse):
            log.info("%s models learned from their files", learned)

    def sweep(self) -> None:
        """Forget expired secrets and keys, slots long gone, and bytes that nothing refers to."""
        with self._database.begin() as session:
            for secret in (Token, Invitation, ShareLink):
                session.execute(delete(secret).where(secret.expires_at < func.now()))
            attempts.sweep(session)
            old_key = IdempotencyKey.created_at < func.now() - text(f"interval '{KEY_LIFETIME}'")
            session.execute(delete(IdempotencyKey).where(old_key))
            gone = Slot.beat_at < func.now() - text(f"interval '{SLOT_LIFETIME}'")
            session.execute(delete(Slot).where(gone))
            old = DiskSample.at < func.now() - text(f"interval '{SAMPLE_LIFETIME}'")
            session.execute(delete(DiskSample).where(old))
        if removed := retention.apply(self._database, pulse=self._pulse):
            told = ", ".join(f"{what} of {many} jobs" for what, many in removed.items())
            log.info("the rules let go of %s", told)
        sweeping.sweep_bytes(self._database, self._storage, self._pulse)

    def sweep_drafts(self) -> None:
        """Remove what was being stored when its writer died."""
        if removed := self._storage.sweep_drafts(self._pulse):
            log.info("%s files removed that nobody finished to store", removed)


def _alone(chore: Callable[[], None]) -> None:
    """Do a chore; one that breaks, as when the storage is away, keeps no other from being done.

    Least of all the rescue of jobs: a keeper that is started anew trusts nobody's silence at first.
    """
    try:
        with suppress(UnknownJobError):  # deleted since it was found
            chore()
    except DatabaseDownError:
        raise
    except Exception:
        log.exception("a chore of the keeper broke")


def _leads(connection: Connection) -> bool:
    """Whether this process is, or just became, the leader."""
    question = text("SELECT pg_try_advisory_lock(:lock)")
    leads = bool(connection.execute(question, {"lock": LEADER_LOCK}).scalar_one())
    connection.commit()
    return leads


def lead(database: Database, keeper: Keeper, stopping: threading.Event) -> None:
    """Become leader and work until told to stop or until the database goes away."""
    with database.engine.connect() as connection:
        try:
            while not stopping.is_set() and not _leads(connection):
                stopping.wait(TURN_SECONDS)
            log.info("this keeper leads")
            while not stopping.is_set():
                # Asking proves that the session which holds the lock is still there.
                connection.execute(text("SELECT 1"))
                connection.commit()
                keeper.turn(time.monotonic())
                stopping.wait(keeper.rest)
        finally:
            # The lock is its session's: back in the pool it would keep everybody from leading.
            connection.invalidate()


def main() -> int:
    """Keep until SIGTERM; a database that is away is waited for."""
    try:
        settings = Settings.read()
    except SettingsError as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    process_log.begin("keeper", settings)
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    database = connect(settings, connections=3)
    waker = Waker(make_app(settings))
    courier.Courier(connect(settings, connections=courier.THREADS), settings).begin(stopping)
    keeper = Keeper(database, Storage(settings.storage), waker.wake, settings)
    while not stopping.is_set():
        try:
            lead(database, keeper, stopping)
        except (DatabaseDownError, DBAPIError) as away:
            log.warning("database away: %s", away)
            stopping.wait(TURN_SECONDS)
    database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
