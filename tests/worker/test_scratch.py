"""What dead workers left in the scratch folder goes; what anybody still uses stays."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from worker import scratch


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
