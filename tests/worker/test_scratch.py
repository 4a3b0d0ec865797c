"""What dead workers left in the scratch folder goes; what anybody still uses stays."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from jobs.lease import Claim, Hold, SavedState
from jobs.storage import Storage, StorageError, digest
from worker import scratch

HOLD = Hold(UUID(int=1), 2)


def attempt(root: Path, name: str, age: float) -> Path:
    """A job's folder with an attempt in it, last used ``age`` seconds ago."""
    folder = root / name
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "input").write_bytes(b"picture")
    lock = folder / "lock"
    lock.touch()
    then = time.time() - age
    os.utime(lock, (then, then))
    return folder


@pytest.mark.parametrize(
    ("age", "held", "stays"),
    [
        (2 * scratch.ORPHAN_SECONDS, False, False),
        (2 * scratch.ORPHAN_SECONDS, True, True),
        (0.0, False, True),
    ],
)
def test_old_folders_are_swept_unless_a_runner_holds_their_lock(
    tmp_path: Path, age: float, held: bool, stays: bool
) -> None:
    folder = attempt(tmp_path, "job", age)
    with (folder / "lock").open("r+b") as lock:
        if held:
            fcntl.flock(lock, fcntl.LOCK_EX)
        scratch.sweep(tmp_path)
    assert folder.exists() == stays


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
