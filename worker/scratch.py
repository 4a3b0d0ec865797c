"""The scratch folder of an attempt, and the lock that keeps one runner per job on a machine.

    <root>/<slot>.slot           locked by the slot's worker
    <root>/<job>/lock            locked by the runner, which is named in it
    <root>/<job>/<fence>/held    locked by the worker as long as the attempt lasts

What nobody holds was left behind by a worker that died.
"""

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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO
from uuid import UUID, uuid4

from jobs.lease import Claim
from jobs.storage import DamagedError, Storage, StorageError
from worker.protocol import SavedFile

KILL_SECONDS = 10.0
# Others only make or remove folders meanwhile; one that takes longer is stopped.
OTHERS_SECONDS = 5.0
LOCK, HELD, OTHERS = "lock", "held", "making-and-removing"

log = logging.getLogger(__name__)


class Scratch:
    """``<root>/<job>/<fence>``: inputs and checkpoints in, works out."""

    def __init__(self, root: Path, claim: Claim) -> None:
        self._root = root
        self.job_folder = root / str(claim.hold.job_id)
        self.folder = self.job_folder / str(claim.hold.fence)
        self.lock = self.job_folder / LOCK
        self._held: IO[bytes] | None = None

    def prepare(self) -> None:
        """Make the folder; whoever still holds the job's lock on this machine is killed, and what
        earlier attempts left here goes."""
        self._root.mkdir(parents=True, exist_ok=True)
        with _alone(self._root):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._held = (self.folder / HELD).open("ab")
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.lock.touch()
        _evict(self.lock)
        with _alone(self._root):
            _clear(self.job_folder)

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
                if not isinstance(damaged, DamagedError) and not is_unreadable(damaged, storage):
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
        """Forget the attempt. The job's lock stays where another slot has the job by now."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._held is not None:
            self._held.close()
        with contextlib.suppress(OSError), _alone(self._root):
            _forget_if_empty(self.job_folder)


def lock_slot(root: Path, name: str, stopping: threading.Event) -> IO[bytes] | None:
    """Become the only worker of a slot on this machine: wait until an earlier one is gone.

    None when told to stop before that. Raises OSError where no lock can be had.
    """
    root.mkdir(parents=True, exist_ok=True)
    lock = (root / f"{name}.slot").open("a+b")
    try:
        while not stopping.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.warning("slot %s: another worker of this machine still has it", name)
                stopping.wait(1.0)
            else:
                return lock
    except BaseException:
        lock.close()
        raise
    lock.close()
    return None


def place_of(lock: IO[bytes]) -> str:
    """What names a slot's lock among all there ever were. Two machines that are called the same
    hold two locks: who holds the one knows nothing of who holds the other. Raises OSError."""
    lock.seek(0)
    if not lock.read(1):
        lock.write(uuid4().hex.encode())
        lock.flush()
    lock.seek(0)
    return lock.read().decode()


def sweep(root: Path) -> None:
    """Remove what dead workers left behind."""
    with _alone(root):
        for job_folder in _job_folders(root):
            # A runner takes its lock at its start: nobody may hold that, even for a moment, while
            # a worker is about to start one.
            attempts = [each for each in job_folder.iterdir() if each.is_dir()]
            if all(_is_free(each / HELD) for each in attempts) and _is_free(job_folder / LOCK):
                _clear(job_folder)
                _forget_if_empty(job_folder)


def _job_folders(root: Path) -> Iterator[Path]:
    for folder in root.iterdir():
        with contextlib.suppress(ValueError):  # of something else, such as the check of a dataset
            UUID(folder.name)
            if folder.is_dir():
                yield folder


def _clear(job_folder: Path) -> None:
    """Remove the attempts that no worker sees through any more; the caller is alone."""
    for attempt in job_folder.iterdir():
        if attempt.is_dir() and _is_free(attempt / HELD):
            shutil.rmtree(attempt, ignore_errors=True)


def _forget_if_empty(job_folder: Path) -> None:
    """Remove a job's folder without attempts, its lock included; the caller is alone."""
    if not any(each.is_dir() for each in job_folder.iterdir()):
        (job_folder / LOCK).unlink(missing_ok=True)
        job_folder.rmdir()


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Be the only one on this machine who makes or removes folders below ``root``.

    Raises OSError when another is in the middle of it and does not go on.
    """
    until = time.monotonic() + OTHERS_SECONDS
    with (root / OTHERS).open("ab") as guard:
        while True:
            try:
                fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise TimeoutError(f"another process is busy in {root}") from None
                time.sleep(0.01)
        yield


def is_unreadable(failed: StorageError, storage: Storage) -> bool:
    """Whether it is this file that cannot be read, as on a bad sector, and not the storage."""
    cause = failed.__cause__
    return isinstance(cause, OSError) and cause.errno == errno.EIO and storage.answers()


def _is_free(path: Path) -> bool:
    """Whether nobody holds a lock, or it is not there."""
    try:
        with path.open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return True
    return True


def _evict(path: Path) -> None:
    until = time.monotonic() + KILL_SECONDS
    while not _is_free(path):
        holder = path.read_text().strip()
        if holder.isdigit() and _has_open(int(holder), path):
            log.warning("killing runner %s: its job was given to a new attempt", holder)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(holder), signal.SIGKILL)
        if time.monotonic() > until:
            raise TimeoutError(f"{path} is still held by {holder}")
        time.sleep(0.05)


def _has_open(pid: int, path: Path) -> bool:
    """Whether a process has a file open. The number in a lock that was just taken may still be
    that of an earlier runner, and belong to anybody by now."""
    facts = path.stat()
    with contextlib.suppress(OSError):
        for opened in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if os.path.samestat(opened.stat(), facts):
                    return True
    return False
