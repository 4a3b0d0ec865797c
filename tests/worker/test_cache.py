"""The cache of prepared inputs: bounded, the longest unused first, never a run's own."""

from __future__ import annotations

import os
from pathlib import Path

from worker.cache import DRAFT_SECONDS, sweep


def kept(folder: Path) -> list[str]:
    """What is left, by name."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def filled(folder: Path, *names: str) -> None:
    """Files of 100 bytes, each used a second after the one before it."""
    (folder / "datasets").mkdir(parents=True)
    for second, name in enumerate(names):
        path = folder / "datasets" / name
        path.write_bytes(bytes(100))
        os.utime(path, (1_000_000_000 + second,) * 2)


def test_the_longest_unused_go_until_the_rest_fits(tmp_path: Path) -> None:
    filled(tmp_path, "a", "b", "c", "d")
    assert sweep(tmp_path, 250) == 2
    assert kept(tmp_path) == ["c", "d"]
    assert sweep(tmp_path, 250) == 0
    assert sweep(tmp_path, 0) == 2


def test_what_is_being_written_is_left_alone_and_what_nobody_finishes_goes(tmp_path: Path) -> None:
    filled(tmp_path, ".part-old", "a")
    fresh = tmp_path / "datasets" / ".part-fresh"
    fresh.write_bytes(bytes(100))
    old = tmp_path / "datasets" / ".part-old"
    assert fresh.stat().st_mtime - old.stat().st_mtime > DRAFT_SECONDS
    sweep(tmp_path, 1000)
    assert kept(tmp_path) == [".part-fresh", "a"]


def test_no_cache_is_no_trouble(tmp_path: Path) -> None:
    assert sweep(tmp_path / "none", 0) == 0
