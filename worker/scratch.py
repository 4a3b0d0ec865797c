"""The scratch folder of an attempt, and the lock that keeps one runner per job on a machine."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from jobs.lease import Claim
from jobs.storage import DamagedError, Storage, StorageError
from worker.protocol import SavedFile

KILL_SECONDS = 10.0
ORPHAN_SECONDS = 3600.0

log = logging.getLogger(__name__)


class Scratch:
    """``<root>/<job>/<fence>``: inputs and checkpoints in, works out."""

    def __init__(self, root: Path, claim: Claim) -> None:
        self.job_folder = root / str(claim.hold.job_id)
        self.folder = self.job_folder / str(claim.hold.fence)
        self.lock = self.job_folder / "lock"

    def prepare(self) -> None:
        """Make the folder; whoever still holds the job's lock on this machine is killed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock.touch()
        _evict(self.lock)

    def bring_inputs(
        self, storage: Storage, inputs: dict[str, str], pulse: Callable[[], None]
    ) -> dict[str, str]:
        """Fetch every input; paths by id. Raises StorageError, and what ``pulse`` raises."""
        paths: dict[str, str] = {}
        for id_, sha256 in inputs.items():
            path = self.folder / f"input-{id_}"
            storage.fetch(sha256, path, pulse)
            paths[id_] = str(path)
        return paths

    def bring_checkpoint(
        self, storage: Storage, claim: Claim, state_version: int, pulse: Callable[[], None]
    ) -> list[SavedFile]:
        """Fetch the newest checkpoint whose file still hashes right and can be read.

        Raises StorageError while the storage is away or there is no room for it: to begin anew
        would throw away what was done. And what ``pulse`` raises.
        """
        for saved in claim.checkpoints:
            if saved.state_version != state_version:
                continue
            path = self.folder / f"from-{saved.step}.safetensors"
            try:
                storage.fetch(saved.sha256, path, pulse)
            except StorageError as damaged:
                if not isinstance(damaged, DamagedError) and not _unreadable(damaged, storage):
                    raise
                log.warning(
                    "job %s: checkpoint at step %s left out: %s",
                    claim.hold.job_id,
                    saved.step,
                    damaged,
                )
                continue
            return [SavedFile(str(path), saved.step, saved.threads)]
        return []

    def remove(self) -> None:
        """Forget the attempt."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lock.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.job_folder.rmdir()


def lock_slot(root: Path, name: str, stopping: threading.Event) -> IO[bytes] | None:
    """Become the only worker of a slot on this machine: wait until an earlier one is gone.

    None when told to stop before that.
    """
    root.mkdir(parents=True, exist_ok=True)
    lock = (root / f"{name}.slot").open("ab")
    while not stopping.is_set():
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("slot %s: another worker of this machine still has it", name)
            stopping.wait(1.0)
        else:
            return lock
    lock.close()
    return None


def sweep(root: Path) -> None:
    """Remove what dead workers left behind: old folders whose lock nobody holds."""
    for lock in root.glob("*/lock"):
        old = time.time() - lock.stat().st_mtime > ORPHAN_SECONDS
        if old and _is_free(lock):
            shutil.rmtree(lock.parent, ignore_errors=True)


def _unreadable(failed: StorageError, storage: Storage) -> bool:
    """Whether it is this file that cannot be read, as on a bad sector, and not the storage."""
    cause = failed.__cause__
    return isinstance(cause, OSError) and cause.errno == errno.EIO and storage.answers()


def _is_free(path: Path) -> bool:
    with path.open("r+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _evict(path: Path) -> None:
    until = time.monotonic() + KILL_SECONDS
    while not _is_free(path):
        holder = path.read_text().strip()
        if holder.isdigit():
            log.warning("killing runner %s: its job was given to a new attempt", holder)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(holder), signal.SIGKILL)
        if time.monotonic() > until:
            raise TimeoutError(f"{path} is still held by {holder}")
        time.sleep(0.05)
