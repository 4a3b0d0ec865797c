"""The life of a slot: wait for a wake or look by itself, claim a job, see it through, again.

One thread does all of it. It starts every runner and waits for it, because the kernel ties a
runner's life to the thread that started it. Wakes only nudge it.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path

from engines.registry import KINDS
from jobs import lease, process_log, rescue, slots
from jobs.database import Database, DatabaseDownError
from jobs.lease import Claim
from jobs.moves import FenceLostError, PreventedError
from jobs.records import causes
from jobs.settings import Settings
from jobs.states import Reason, State
from jobs.storage import DamagedError, Storage, StorageError
from worker import cache, failures, probe, scratch
from worker.clerk import STOPPED, Clerk
from worker.errand import CalledOffError, Errand
from worker.logbook import Logbook
from worker.nursery import Nursery
from worker.protocol import Assignment, boot_clock
from worker.slots import SlotSpec
from worker.supervisor import Supervisor, step_until
from worker.vitals import Vitals

LOOK_SECONDS = 2.0
# A machine that could not even begin a job leaves jobs to others for so long.
REST_SECONDS = 30.0

log = logging.getLogger(__name__)


class Slot:
    """A slot of this worker process, served by its own thread."""

    def __init__(
        self, settings: Settings, spec: SlotSpec, database: Database, storage: Storage
    ) -> None:
        self._settings, self._spec = settings, spec
        self._database, self._storage = database, storage
        self._name = f"{spec.name}@{settings.machine}"
        self._shutdown = threading.Event()
        self._changed = threading.Condition()
        self._nudges = self._served = 0
        self._room = True
        self._storage_away = False
        self._rests_until = 0.0
        self._told_until = 0.0
        self._unfit: str | None = None
        self._inherited = False
        self._place = ""
        self._vitals = Vitals(spec)
        self._measured = False
        self._thread = threading.Thread(target=self._live, name="slot")

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Claim nothing more; a running job is saved and put back into the queue."""
        self._shutdown.set()
        with self._changed:
            self._changed.notify_all()

    def join(self, timeout: float) -> None:
        """Wait for the end of the thread."""
        self._thread.join(timeout)

    def nudge(self) -> None:
        """Look at the database now; returns when there is nothing more to run.

        Meanwhile the worker takes no further wake, which leaves them to idle workers.
        """
        with self._changed:
            self._nudges += 1
            mine = self._nudges
            self._changed.notify_all()
            while self._served < mine and self._thread.is_alive():
                self._changed.wait(1.0)

    def _live(self) -> None:
        """Serve until told to stop: whatever breaks meanwhile, as on a disk that takes no lock
        now, a worker that looks alive does not stay without its slot."""
        while not self._shutdown.is_set():
            try:
                self._lock_and_serve()
            except Exception:
                log.exception("slot %s: broke; it begins anew", self._name)
                self._shutdown.wait(LOOK_SECONDS)

    def _lock_and_serve(self) -> None:
        lock = scratch.lock_slot(self._settings.scratch, self._name, self._shutdown)
        if lock is None:
            return
        with lock, process_log.bound(slot=self._name):
            self._place = scratch.place_of(lock)
            self._serve()

    def _serve(self) -> None:
        self._sweep()
        nursery = Nursery(self._spec)
        try:
            while not self._shutdown.is_set():
                self._turn(nursery)
        finally:
            nursery.close()
            with self._changed:
                self._served = self._nudges
                self._changed.notify_all()

    def _turn(self, nursery: Nursery) -> None:
        """Run the next job; when none waits, rest until nudged, at most two seconds."""
        with self._changed:
            seen = self._nudges
        try:
            self._inherit()
            self._close_if_unfit()
            # A job is only taken by a slot that can start it: another may be faster.
            ready = nursery.await_standby(LOOK_SECONDS) and self._has_room() and self._has_storage()
            if self._may_claim(ready) and self._run_next(nursery):
                self._sweep()
                return
            if ready and not self._measured:
                self._measure(nursery)
        except DatabaseDownError as away:
            log.warning("slot %s: database away: %s", self._name, away)
            # The answer to a claim may have been lost, or a run ended unrecorded.
            self._inherited = False
        except Exception:
            log.exception("slot %s: turn failed", self._name)
        with self._changed:
            self._served = max(self._served, seen)
            self._changed.notify_all()
            if self._nudges == seen and not self._shutdown.is_set():
                self._changed.wait(LOOK_SECONDS)

    def _measure(self, nursery: Nursery) -> None:
        """Once, while no job waits: what the machine does, so that the studio can say how long a
        first job should take. Its runner is spent; the next one is a fork away."""
        self._measured = True
        runner = nursery.take()
        try:
            rate = runner.measure(self._settings.cpu_threads)
        finally:
            runner.kill()
            runner.close()
        if rate is None:
            log.warning("slot %s: how fast it is could not be measured", self._name)
            return
        log.info("slot %s: %.3g operations a second of a matrix product", self._name, rate)
        with self._database.begin() as session:
            slots.note_rate(session, self._name, rate)

    def _may_claim(self, ready: bool) -> bool:
        """Whether a job may be asked for. What was told of the slot a moment ago is not told again
        before a claim, which finds out by itself what was closed meanwhile."""
        ready = ready and time.monotonic() >= self._rests_until
        told = ready and time.monotonic() < self._told_until
        is_open = told or self._register(ready)
        return ready and is_open and not self._shutdown.is_set()

    def _sweep(self) -> None:
        """Remove what dead workers left on this machine, and of the cache what is too much."""
        try:
            scratch.sweep(self._settings.scratch)
            cache.sweep(self._settings.cache, self._settings.cache_bytes)
        except OSError as failed:
            log.warning("slot %s: scratch or cache is not swept: %s", self._name, failed)

    def _inherit(self) -> None:
        """Put back what was given to this slot and runs nowhere: an earlier worker died with it, or
        the database was away when it was given or ended."""
        if self._inherited:
            return
        with self._database.begin() as session:
            for job in rescue.rescue_predecessor(session, self._name, self._place):
                log.warning("job %s: it runs no more in this slot; now %s", job.id, job.state)
        self._inherited = True

    def _close_if_unfit(self) -> None:
        """Take nothing more on a device that cannot be used: jobs go elsewhere."""
        if self._unfit is None:
            return
        log.error("slot %s is closed, its device fails: %s", self._name, self._unfit)
        with self._database.begin() as session:
            slots.quarantine(session, self._name, self._unfit)
        self._unfit = None

    def _run_next(self, nursery: Nursery) -> bool:
        """Claim a job and see it through; whether to look for another at once."""
        settings = self._settings
        asked_at = boot_clock()
        claim = None
        # Closed since it was registered: nothing is claimed.
        with suppress(PreventedError), self._database.begin() as session:
            claim = lease.claim(
                session,
                self._name,
                self._spec.resource,
                settings.lease,
                settings.running_per_owner,
                settings.gpu_hours_per_owner,
                place=self._place,
            )
        if claim is None:
            return False
        hold = claim.hold
        with process_log.bound(job=hold.job_id, fence=hold.fence, owner=claim.owner_id):
            log.info("job %s: attempt %s, fence %s", hold.job_id, claim.attempt, hold.fence)
            try:
                self._attempt(claim, nursery, step_until(asked_at, settings.lease))
            except DatabaseDownError:
                raise  # nothing can be recorded: what ran here is put back once it is there again
            except Exception as unfit:
                self._give_up(claim, unfit)
                return False
            log.info("job %s: attempt %s ended", hold.job_id, claim.attempt)
        return True

    def _attempt(self, claim: Claim, nursery: Nursery, until: float) -> None:
        """See a job through. Raises whatever keeps it from being run or its end from being told."""
        place = scratch.Scratch(self._settings.scratch, claim)
        runner = nursery.take()
        errand = Errand(self._database, claim.hold, self._settings.lease, until, self._shutdown)
        try:
            kind = KINDS[claim.kind]
            place.prepare()
            assignment = self._assignment(claim, place, errand)
            logbook = Logbook(Path(assignment.log), claim.attempt)
            clerk = Clerk(self._database, self._storage, claim, logbook)
            supervisor = Supervisor(
                self._database,
                claim,
                runner,
                clerk,
                lease_seconds=self._settings.lease,
                stall_seconds=kind.stall_seconds,
            )
        except Exception:
            runner.kill()
            runner.close()
            place.remove()
            raise
        try:
            supervisor.run(
                assignment,
                self._shutdown,
                lambda stepped: self._tend(nursery, stepped),
                self._vitals.begin(runner.pid),
            )
        finally:
            self._vitals.end()
            place.remove()
            if clerk.device_failed:
                self._unfit = probe.failure(self._spec)

    def _assignment(self, claim: Claim, place: scratch.Scratch, errand: Errand) -> Assignment:
        kind, job_id = KINDS[claim.kind], str(claim.hold.job_id)
        logs = self._settings.logs / "jobs"
        logs.mkdir(parents=True, exist_ok=True)
        inputs = place.bring_inputs(self._storage, claim.inputs, errand.pulse)
        version = kind.state_version
        checkpoints = place.bring_checkpoint(self._storage, claim, version, errand.pulse)
        return Assignment(
            job_id=job_id,
            fence=claim.hold.fence,
            slot=self._name,
            kind=claim.kind,
            params=claim.params,
            inputs=inputs,
            input_hashes=claim.inputs,
            checkpoints=checkpoints,
            folder=str(place.folder),
            lock=str(place.lock),
            log=str(logs / f"{job_id}.log"),
            log_format=self._settings.log_format,
            weights=str(self._settings.weights),
            cache=str(self._settings.cache),
            traces=self._settings.traces,
            threads=self._settings.cpu_threads,
            step_until=errand.until,
            smaller=claim.smaller,
        )

    def _tend(self, nursery: Nursery, stepped: bool) -> None:
        """What else the slot does while a run goes on; nothing of it may end that."""
        try:
            # A fork server that starts anew imports torch, which a first step should not wait for.
            if stepped:
                nursery.tend()
            self._register(ready=False)
        except DatabaseDownError:
            raise
        except Exception:
            log.exception("slot %s: broke beside its run", self._name)

    def _give_up(self, claim: Claim, unfit: Exception) -> None:
        """It did not come to a run, or the run not to its end: an input is gone for good or only
        away, there is no room, it is no longer wanted, or something broke."""
        if isinstance(unfit, FenceLostError):
            log.warning("job %s: fence %s lost", claim.hold.job_id, claim.hold.fence)
            return
        target, reason = State.QUEUED, Reason.STORAGE_AWAY
        if isinstance(unfit, CalledOffError):
            target, reason = STOPPED[unfit.stop]
        elif isinstance(unfit, DamagedError):
            target, reason = State.FAILED, Reason.INTERNAL_ERROR
        elif failures.is_full(unfit) or failures.is_full(unfit.__cause__):
            target, reason = State.PAUSED, Reason.DISK_FULL
        elif isinstance(unfit, OSError):
            # Such as a runner of the attempt before that does not go: this machine's trouble, and
            # no fault of the job.
            reason = Reason.WORKER_LOST
            self._rests_until = time.monotonic() + REST_SECONDS
        elif not isinstance(unfit, StorageError) or scratch.is_unreadable(unfit, self._storage):
            self._note_death(claim, unfit)
            return
        self._storage_away = reason is Reason.STORAGE_AWAY
        log.error("job %s: %s: %s", claim.hold.job_id, reason, unfit, exc_info=unfit)
        with suppress(FenceLostError), self._database.begin() as session:
            lease.stop(session, claim.hold, target, reason, 0.0)

    def _note_death(self, claim: Claim, broke: Exception) -> None:
        """What nobody thought of is tried again, but not for ever."""
        hold, cause = claim.hold, "the worker could not see it through"
        log.error("job %s: %s: %s", hold.job_id, cause, broke, exc_info=broke)
        with suppress(FenceLostError), self._database.begin() as session:
            lease.runner_died(session, hold, Reason.INTERNAL_ERROR, cause, 0.0)
            causes.keep(session, hold, "".join(traceback.format_exception(broke)))

    def _has_room(self) -> bool:
        """Whether a job could save its work here; says so when that changes."""
        free = shutil.disk_usage(self._settings.data).free
        room = free >= self._settings.free_bytes
        if room != self._room:
            least = self._settings.free_bytes
            log.warning("slot %s: %s bytes of disk are free, %s needed", self._name, free, least)
        self._room = room
        return room

    def _has_storage(self) -> bool:
        """Whether a job could have its inputs. Asked after one could not: else the same job would
        be taken and put back for as long as the storage is away."""
        if self._storage_away:
            try:
                self._storage.expect_there(self._database)
                self._storage_away = not self._storage.answers()
            except StorageError as away:
                log.warning("slot %s: %s", self._name, away)
        return not self._storage_away

    def _register(self, ready: bool) -> bool:
        """Tell the studio that this slot is here; whether it may take a job."""
        self._told_until = 0.0
        with self._database.begin() as session:
            is_open = slots.register(
                session,
                self._name,
                machine=self._settings.machine,
                resource=self._spec.resource,
                device=self._spec.device,
                standby=ready,
                vitals=self._vitals.due(),
            )
        if ready and is_open:
            self._told_until = time.monotonic() + LOOK_SECONDS
        return is_open
