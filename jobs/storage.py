"""Content-addressed files over fsspec: a folder, S3, or whatever fsspec speaks.

A stored file never changes; its name is its SHA-256. Putting the same bytes twice keeps them
once. Order of a put: shield the blob's row from the sweep, store the bytes, and only then may
a row refer to them. So whatever a row names is there.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import fsspec
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert as upsert

from jobs.database import Database
from jobs.models import Blob, table
from jobs.mount import Mount

CHUNK = 1024 * 1024
DRAFT, DRAFT_SECONDS = ".part-", 86_400.0
T = TypeVar("T")
_INSERT = upsert(table(Blob)).values(touched_at=func.clock_timestamp())
_TOUCH = _INSERT.on_conflict_do_update(
    index_elements=["sha256"], set_={"touched_at": _INSERT.excluded.touched_at}
)


class StorageError(Exception):
    """Bytes could not be stored or read, or are not what their name promises."""


class SourceError(StorageError):
    """The file that was to be stored cannot be read: the storage is not to blame."""


class DamagedError(StorageError):
    """Stored bytes are gone or changed: asking again will not bring them back."""


@dataclass(frozen=True)
class Stored:
    """Bytes in storage: their SHA-256 in hex and their size in bytes."""

    sha256: str
    size: int


class Storage:
    """Put and fetch files by content under one root."""

    def __init__(self, root: str) -> None:
        """``root`` is a folder or any URL that fsspec knows."""
        self._fs, path = fsspec.core.url_to_fs(root)
        self._root = str(path).rstrip("/")
        self._local = "file" in _protocols(self._fs)
        self._mount = Mount(Path(self._root) if self._local else None)

    def put(self, database: Database, source: Path) -> Stored:
        """Store a file; what was damaged is whole afterwards.

        Raises :class:`StorageError`, DatabaseDownError; :class:`SourceError` where it is the file
        that cannot be read.
        """
        try:
            stored = Stored(digest(source), source.stat().st_size)
        except OSError as failed:
            raise SourceError(f"cannot read {source.name}: {failed}") from failed
        self.expect_there(database)
        touch(database, stored)
        # Also where a file of that name lies already: it may be damaged, and a run that makes the
        # same state again would rely on it for ever.
        try:
            self._write(source, stored.sha256)
        except OSError as failed:
            if not self._is_whole(stored.sha256):
                raise StorageError(f"cannot store {stored.sha256}: {failed}") from failed
        return stored

    def expect_there(self, database: Database) -> None:
        """Raise :class:`StorageError` where the folder is not the one of before, as one that is not
        mounted; one that is used for the first time is marked. Raises DatabaseDownError."""
        try:
            there = self._mount.is_there(database)
        except OSError as failed:
            raise StorageError(f"cannot write to {self._root}: {failed}") from failed
        if not there:
            raise StorageError(self._mount.words)

    def begin(self) -> None:
        """Let the folder be the storage, whatever was before. Raises :class:`StorageError`."""
        try:
            self._mount.mark()
        except OSError as failed:
            raise StorageError(f"cannot write to {self._root}: {failed}") from failed

    def bring(self, source: Path, sha256: str) -> bool:
        """Store a file whose row will come with a restored database; False if it was there.

        Raises :class:`StorageError`.
        """
        if self.holds(sha256):
            return False
        try:
            self._write(source, sha256)
        except OSError as failed:
            raise StorageError(f"cannot store {sha256}: {failed}") from failed
        return True

    def fetch(self, sha256: str, target: Path, pulse: Callable[[], None] = lambda: None) -> None:
        """Copy a stored file to ``target``, which appears whole or not at all.

        ``pulse`` is called between its pieces; what it raises ends the copying.
        Raises :class:`DamagedError` when it is missing or no longer hashes right, and
        :class:`StorageError` when the storage cannot be reached, or is not mounted.
        """
        draft = target.with_name(target.name + ".part")
        try:
            found = hashlib.sha256()
            with self.open(sha256) as source, draft.open("wb") as sink:
                while chunk := _asked(lambda: source.read(CHUNK)):
                    sink.write(chunk)
                    found.update(chunk)
                    pulse()
            if found.hexdigest() != sha256:
                raise DamagedError(f"{sha256} is damaged")
            draft.replace(target)
        except FileNotFoundError as missing:
            raise self._missing(sha256) from missing
        except OSError as failed:
            raise StorageError(f"cannot read {sha256}: {failed}") from failed
        finally:
            draft.unlink(missing_ok=True)

    def check(self, sha256: str) -> None:
        """Read a stored file to its end without keeping it. Raises as :meth:`fetch` does."""
        found = hashlib.sha256()
        try:
            with self.open(sha256) as source:
                while chunk := _asked(lambda: source.read(CHUNK)):
                    found.update(chunk)
        except FileNotFoundError as missing:
            raise self._missing(sha256) from missing
        except OSError as failed:
            raise StorageError(f"{sha256} cannot be read: {failed}") from failed
        if found.hexdigest() != sha256:
            raise DamagedError(f"{sha256} is damaged")

    def _missing(self, sha256: str) -> StorageError:
        """What it means that a stored file is not found.

        Damage; but not where nothing is stored at all, as when a network folder is not mounted, nor
        where it is the place to copy it to that is gone.
        """
        try:
            damaged = not self.holds(sha256) and self._holds_anything()
        except OSError:
            damaged = False
        if damaged:
            return DamagedError(f"{sha256} is missing")
        return StorageError(f"{sha256} is out of reach")

    def _holds_anything(self) -> bool:
        return any(_asked(lambda: self._fs.ls(self._root, detail=False)))

    def _is_whole(self, sha256: str) -> bool:
        try:
            self.check(sha256)
        except StorageError:
            return False
        return True

    def place(self, sha256: str) -> str:
        """Where a file is stored, in words for an administrator."""
        return self._key(sha256)

    @contextmanager
    def open(self, sha256: str) -> Iterator[IO[bytes]]:
        """Read a stored file as a stream."""
        key = self._key(sha256)
        with _asked(lambda: self._fs.open(key, "rb")) as opened:
            yield opened

    def holds(self, sha256: str) -> bool:
        """Whether these bytes are stored."""
        key = self._key(sha256)
        return bool(_asked(lambda: self._fs.exists(key)))

    def remove(self, sha256: str) -> None:
        """Forget these bytes; only the sweep may call it, under the blob row's lock."""
        if self.holds(sha256):
            key = self._key(sha256)
            _asked(lambda: self._fs.rm_file(key))

    def sweep_drafts(self, pulse: Callable[[], None]) -> int:
        """Remove what was being written when its writer died, a day ago or more; how many files.

        ``pulse`` is called between shelves. Raises OSError.
        """
        removed = 0
        for shelf in sorted(Path(self._root).glob("[0-9a-f][0-9a-f]")) if self._local else ():
            for draft in shelf.glob(f"{DRAFT}*"):
                with suppress(FileNotFoundError):  # its writer lives
                    if time.time() - draft.stat().st_mtime > DRAFT_SECONDS:
                        draft.unlink()
                        removed += 1
            pulse()
        return removed

    def free_bytes(self) -> float:
        """Room that is left, in bytes; infinite where that cannot be asked, as on S3."""
        disk = self.disk()
        return math.inf if disk is None else float(disk[0])

    def disk(self) -> tuple[int, int] | None:
        """Free and total bytes of the disk; None where that cannot be asked, as on S3."""
        if not self._local:
            return None
        place = Path(self._root)
        while not place.exists():
            place = place.parent
        usage = shutil.disk_usage(place)
        return usage.free, usage.total

    def answers(self) -> bool:
        """Whether the storage can be asked for a file."""
        try:
            self.holds("0" * 64)
            return not self._mount.is_gone()
        except OSError:
            return False

    def probe(self) -> None:
        """Raise :class:`StorageError` unless a file can be written, read and removed."""
        content = os.urandom(32)
        with tempfile.TemporaryDirectory() as folder:
            sample = Path(folder, "probe")
            sample.write_bytes(content)
            sha256 = digest(sample)
            try:
                self._write(sample, sha256)
                self.fetch(sha256, Path(folder, "back"))
                self.remove(sha256)
            except OSError as failed:
                raise StorageError(f"cannot write to {self._root}: {failed}") from failed

    def _key(self, sha256: str) -> str:
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError(f"not a SHA-256: {sha256!r}")
        return f"{self._root}/{sha256[:2]}/{sha256}"

    def _write(self, source: Path, sha256: str) -> None:
        key = self._key(sha256)
        if not self._local:  # an object store shows an object whole or not at all
            _asked(lambda: self._fs.put_file(str(source), key))
            return
        target = Path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=DRAFT)
        draft = Path(name)
        try:
            with os.fdopen(handle, "wb") as sink, source.open("rb") as opened:
                shutil.copyfileobj(opened, sink, CHUNK)
                sink.flush()
                os.fsync(sink.fileno())
            draft.replace(target)
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        finally:
            draft.unlink(missing_ok=True)


def touch(database: Database, stored: Stored) -> None:
    """Shield a blob from the sweep: from now on it counts as about to be referenced."""
    with database.begin() as session:
        session.execute(_TOUCH, {"sha256": stored.sha256, "size": stored.size})


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _asked(ask: Callable[[], T]) -> T:
    """What a file system answers; OSError whatever it raises.

    Those of object stores raise errors of their libraries' own where their service cannot be
    reached at all: s3fs passes on what botocore calls ``EndpointConnectionError``.
    """
    try:
        return ask()
    except OSError:
        raise
    except Exception as failed:
        raise OSError(errno.EREMOTEIO, f"{type(failed).__name__}: {failed}") from failed


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
