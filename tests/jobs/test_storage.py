"""Stored bytes: once per content, whole or not at all, and checked when they come back."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from pathlib import Path

import pytest

from jobs.database import Database
from jobs.storage import DamagedError, Storage, StorageError, digest


def put(workshop: Database, shelf: Storage, folder: Path, content: bytes) -> str:
    """Store ``content``."""
    source = folder / "source"
    source.write_bytes(content)
    return shelf.put(workshop, source).sha256


def stored_files(folder: Path) -> list[Path]:
    """Everything on the storage's shelves."""
    return [path for path in (folder / "files").glob("??/*") if path.is_file()]


def test_what_is_put_comes_back_and_is_named_by_its_hash(
    workshop: Database, shelf: Storage, tmp_path: Path
) -> None:
    """The name is the SHA-256 of the content."""
    sha256 = put(workshop, shelf, tmp_path, b"strokes")
    shelf.fetch(sha256, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"strokes"
    assert sha256 == hashlib.sha256(b"strokes").hexdigest()


def test_the_same_bytes_are_kept_once(workshop: Database, shelf: Storage, tmp_path: Path) -> None:
    """Two uploads of one picture are one file."""
    put(workshop, shelf, tmp_path, b"same")
    put(workshop, shelf, tmp_path, b"same")
    assert len(stored_files(tmp_path)) == 1


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_damaged_bytes_are_refused_and_leave_no_file_behind(
    workshop: Database, shelf: Storage, tmp_path: Path, damage: str
) -> None:
    """A flipped bit, a missing tail or a missing file is an error, not a picture."""
    sha256 = put(workshop, shelf, tmp_path, b"a picture of some length")
    kept = stored_files(tmp_path)[0]
    content = kept.read_bytes()
    if damage == "remove":
        kept.unlink()
    else:
        kept.write_bytes(content[:-4] if damage == "truncate" else b"B" + content[1:])
    with pytest.raises(StorageError):
        shelf.fetch(sha256, tmp_path / "back")
    assert not list(tmp_path.glob("back*"))
    put(workshop, shelf, tmp_path, content)
    shelf.fetch(sha256, tmp_path / "back")
    assert stored_files(tmp_path) == [kept], "made whole by storing the same again"


def test_a_folder_that_is_not_mounted_is_no_damage(
    workshop: Database, shelf: Storage, tmp_path: Path
) -> None:
    """Whether it is gone or empty: once it is back, so is the file."""
    sha256 = put(workshop, shelf, tmp_path, b"strokes")
    files = tmp_path / "files"
    files.rename(tmp_path / "unmounted")
    for _ in range(2):
        for read in (shelf.check, lambda name: shelf.fetch(name, tmp_path / "back")):
            with pytest.raises(StorageError) as away:
                read(sha256)
            assert not isinstance(away.value, DamagedError)
        files.mkdir(exist_ok=True)
    files.rmdir()
    (tmp_path / "unmounted").rename(files)
    shelf.fetch(sha256, tmp_path / "back")
    assert shelf.answers()
    with pytest.raises(StorageError) as nowhere:
        shelf.fetch(sha256, tmp_path / "gone" / "back")
    assert not isinstance(nowhere.value, DamagedError), "it is the target that is missing"
    shelf.remove(sha256)
    with pytest.raises(DamagedError):
        shelf.check(sha256)


@pytest.mark.parametrize("gone", [False, True])
def test_a_folder_that_is_not_mounted_takes_nothing(
    workshop: Database, shelf: Storage, tmp_path: Path, gone: bool
) -> None:
    """What is written to its place would be hidden by the mount, and a row would name it."""
    put(workshop, shelf, tmp_path, b"strokes")
    files = tmp_path / "files"
    files.rename(tmp_path / "unmounted")
    if not gone:
        files.mkdir()
    for each in (shelf, Storage(str(files))):
        with pytest.raises(StorageError, match="mounted"):
            put(workshop, each, tmp_path, b"dots")
    assert not shelf.answers()
    assert stored_files(tmp_path) == []
    (tmp_path / "other").write_bytes(b"restored")
    shelf.begin()
    shelf.bring(tmp_path / "other", digest(tmp_path / "other"))
    put(workshop, Storage(str(files)), tmp_path, b"dots")


def test_a_service_that_cannot_be_reached_is_a_storage_that_is_away(
    workshop: Database, shelf: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Object stores have errors of their own for that, and no job is to blame for them."""

    class EndpointConnectionError(Exception):
        """As botocore raises it."""

    def unreachable(*_asked: object, **_how: object) -> object:
        raise EndpointConnectionError("could not connect")

    far = Storage("memory://far")
    sha256 = put(workshop, far, tmp_path, b"strokes")
    for name in ("open", "exists", "put_file", "ls"):
        monkeypatch.setattr(far._fs, name, unreachable, raising=True)
    for ask in (
        lambda: far.fetch(sha256, tmp_path / "back"),
        lambda: far.check(sha256),
        lambda: put(workshop, far, tmp_path, b"dots"),
    ):
        with pytest.raises(StorageError) as away:
            ask()
        assert not isinstance(away.value, DamagedError)
    assert not far.answers()


def test_what_was_being_stored_when_its_writer_died_goes(shelf: Storage, tmp_path: Path) -> None:
    """A day later, in which the slowest writer is done."""
    shelves = [tmp_path / "files" / name for name in ("ab", "cd")]
    for folder in shelves:
        folder.mkdir(parents=True)
        (folder / ".part-old").write_bytes(b"half")
        (folder / ".part-new").write_bytes(b"half")
        long_ago = time.time() - 2 * 86_400
        os.utime(folder / ".part-old", (long_ago, long_ago))
    pulses: list[None] = []
    assert shelf.sweep_drafts(lambda: pulses.append(None)) == len(pulses) == len(shelves)
    assert [path.name for path in stored_files(tmp_path)] == [".part-new"] * 2


def test_a_lost_shelf_beside_others_is_damage(
    workshop: Database, shelf: Storage, tmp_path: Path
) -> None:
    """The storage is there: waiting would bring nothing back, and a job would wait for ever."""
    lost, kept = (put(workshop, shelf, tmp_path, content) for content in (b"strokes", b"dots"))
    assert lost[:2] != kept[:2]
    for path in stored_files(tmp_path):
        if path.name == lost:
            path.unlink()
            path.parent.rmdir()
    with pytest.raises(DamagedError):
        shelf.check(lost)
    shelf.check(kept)


def test_what_is_stored_already_needs_no_room(
    workshop: Database, shelf: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is no trouble to bytes that are there; it is to bytes that are not whole."""

    def full(_source: Path, _sha256: str) -> None:
        raise OSError(errno.ENOSPC, "no space")

    sha256 = put(workshop, shelf, tmp_path, b"strokes")
    monkeypatch.setattr(shelf, "_write", full)
    assert put(workshop, shelf, tmp_path, b"strokes") == sha256
    stored_files(tmp_path)[0].write_bytes(b"stroke")
    with pytest.raises(StorageError):
        put(workshop, shelf, tmp_path, b"strokes")


@pytest.mark.parametrize("name", ["../../etc/passwd", "a" * 63, "g" * 64, "A" * 64, ""])
def test_only_a_hash_is_a_name(shelf: Storage, name: str) -> None:
    """No path from a client can become one of ours."""
    with pytest.raises(ValueError, match="SHA-256"):
        shelf.holds(name)


def test_a_failed_write_leaves_nothing_half_written(workshop: Database, tmp_path: Path) -> None:
    """The root is a file, so the folder cannot be made."""
    (tmp_path / "files").write_bytes(b"in the way")
    with pytest.raises(StorageError):
        put(workshop, Storage(str(tmp_path / "files")), tmp_path, b"strokes")


def test_any_filesystem_of_fsspec_will_do(workshop: Database, tmp_path: Path) -> None:
    """The same promises on a store that is no folder."""
    shelf = Storage("memory://shelf")
    sha256 = put(workshop, shelf, tmp_path, b"in memory")
    shelf.fetch(sha256, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"in memory"
    shelf.remove(sha256)
    assert not shelf.holds(sha256)
    shelf.probe()
