"""What dead workers left in the scratch folder goes; what anybody still uses stays."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from jobs.lease import Claim, Hold, SavedState
from jobs.storage import Storage, StorageError, digest
from worker import scratch

HOLD = Hold(UUID(int=1), 2)


def claimed(fence: int) -> Claim:
    """The same job, given out anew."""
    return Claim(Hold(HOLD.job_id, fence), UUID(int=3), "style_transfer", {}, fence, {}, ())


def attempt(root: Path, fence: int) -> scratch.Scratch:
    """An attempt that a worker of this machine sees through."""
    place = scratch.Scratch(root, claimed(fence))
    place.prepare()
    (place.folder / "input").write_bytes(b"picture")
    return place


def died(place: scratch.Scratch) -> None:
    """Its worker holds nothing any more."""
    assert place._held is not None
    place._held.close()


def test_what_a_dead_worker_left_is_swept_and_what_anybody_holds_stays(tmp_path: Path) -> None:
    """At once, however young it is."""
    place = attempt(tmp_path, 1)
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "check").mkdir()
    scratch.sweep(tmp_path)
    assert (place.folder / "input").exists(), "its worker lives"
    died(place)
    with place.lock.open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        scratch.sweep(tmp_path)
    assert (place.folder / "input").exists(), "its runner lives"
    scratch.sweep(tmp_path)
    assert not place.job_folder.exists()
    assert (tmp_path / "datasets" / "check").exists(), "that belongs to somebody else"


def test_an_attempt_begins_by_clearing_what_earlier_ones_left(tmp_path: Path) -> None:
    """Else a job that lost its worker on this machine would leave its inputs here for ever."""
    died(attempt(tmp_path, 1))
    second = attempt(tmp_path, 2)
    assert [path.name for path in second.job_folder.iterdir() if path.is_dir()] == ["2"]
    second.remove()
    assert not second.job_folder.exists()


def test_who_lost_a_job_leaves_the_lock_to_who_has_it_now(tmp_path: Path) -> None:
    """Without it the new runner could not begin, which would count as a death of the job's."""
    outlived, successor = attempt(tmp_path, 1), attempt(tmp_path, 2)
    outlived.remove()
    assert not outlived.folder.exists()
    assert successor.lock.exists()
    successor.remove()
    assert not successor.job_folder.exists()


def test_only_who_has_the_lock_open_is_killed_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number in it may be that of an earlier runner, and by now of anybody."""
    monkeypatch.setattr(scratch, "KILL_SECONDS", 0.1)
    lock = tmp_path / "lock"
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as bystander:
        lock.write_text(str(bystander.pid))
        with lock.open("r+b") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(TimeoutError):
                scratch._evict(lock)
        assert bystander.poll() is None
        bystander.kill()
    with lock.open("r+b") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        # It has the same lock, and nobody else has.
        runner = subprocess.Popen(
            ["sleep", "60"], start_new_session=True, pass_fds=[theirs.fileno()]
        )
    lock.write_text(str(runner.pid))
    monkeypatch.undo()
    scratch._evict(lock)
    assert runner.wait(10) == -signal.SIGKILL


class Blinking(Storage):
    """A storage that cannot be read now."""

    code = 0

    def fetch(self, sha256: str, target: Path, pulse: Callable[[], None] = lambda: None) -> None:
        """Raises as a storage that is away, or without room for ``target``, does."""
        failed = OSError(self.code, os.strerror(self.code))
        raise StorageError(f"cannot read {sha256}: {failed}") from failed


def resumable(*hashes: str) -> Claim:
    saved = tuple(SavedState(sha256, 9 - number, 1, 1) for number, sha256 in enumerate(hashes))
    return Claim(HOLD, UUID(int=3), "style_transfer", {}, 2, {}, saved)


@pytest.mark.parametrize("code", [errno.ETIMEDOUT, errno.ENOSPC])
def test_a_run_does_not_begin_anew_because_its_checkpoint_cannot_be_fetched_now(
    tmp_path: Path, code: int
) -> None:
    storage, claim = Blinking(str(tmp_path / "files")), resumable("0" * 64)
    storage.code = code
    place = scratch.Scratch(tmp_path, claim)
    with pytest.raises(StorageError):
        place.bring_checkpoint(storage, claim, 1, lambda: None)


def test_a_checkpoint_that_is_damaged_or_unreadable_gives_way_to_the_one_before(
    tmp_path: Path,
) -> None:
    storage = Storage(str(tmp_path / "files"))
    content = tmp_path / "state"
    content.write_bytes(b"state")
    whole = digest(content)
    storage.bring(content, whole)
    claim = resumable("0" * 64, whole)
    place = scratch.Scratch(tmp_path, claim)
    place.prepare()
    (found,) = place.bring_checkpoint(storage, claim, 1, lambda: None)
    assert found.step == 8
    broken = Blinking(str(tmp_path / "files"))
    broken.code = errno.EIO
    assert place.bring_checkpoint(broken, claim, 1, lambda: None) == []
    place.remove()
