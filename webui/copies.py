"""Copies of works as they leave, made once and kept under the data folder within a bound.

What a copy is made from never changes under its hash, so a copy is good as long as it is there;
:mod:`webui.sweeping` removes those of works that are gone. Nobody waits long for one that is being
made, else a few slow ones would keep every thread of the web.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4

from engines.bounds import BrokenError
from engines.pictures import PictureError
from jobs.refusals import RefusedError

log = logging.getLogger(__name__)
# Raise it when a copy of the same work, by the same policy, would be another than before.
EDITION = 1
# How long somebody waits for a copy, and when whoever waited in vain should ask again.
PATIENCE_SECONDS = 8.0
AGAIN_SECONDS = 5
# What could not be made is not tried again that long: a link may be looked at by many.
FAILED_SECONDS = 300.0
FAILURES_KNOWN = 1000
_room = threading.Lock()
# What a small file really takes of a disk; it also bounds how many there are.
LEAST_BYTES = 4096


class Bench:
    """Where copies are made: ``places`` at a time, and each only once."""

    def __init__(self, places: int, patience: float = PATIENCE_SECONDS) -> None:
        self._places, self._patience = threading.BoundedSemaphore(places), patience
        # Who asks for what is being made waits for it: one of these is held by whoever makes it.
        self._making = [threading.Lock() for _ in range(64)]

    @contextmanager
    def alone(self, path: Path) -> Iterator[None]:
        """Nobody else makes ``path`` meanwhile. Raises RefusedError (``copies_busy``)."""
        with _held(self._making[hash(path) % len(self._making)], self._patience):
            yield

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place to make something. Raises RefusedError (``copies_busy``)."""
        with _held(self._places, self._patience):
            yield


# A picture of the largest size takes some hundred megabytes while it is copied.
WORKS = Bench(places=2)
# Thumbnails are small and quickly labelled: they do not wait for works.
SMALL = Bench(places=1)


class Shelf:
    """Copies in ``folder``, of at most ``most`` bytes; beyond that the longest unused go."""

    def __init__(self, folder: Path, most: float = math.inf) -> None:
        self.folder, self._most = folder, most
        # How much may still come before the folder must be looked at.
        self._left = most if most == math.inf else 0
        self._failed: dict[Path, tuple[float, PictureError | BrokenError]] = {}

    def open(
        self, sha256: str, name: str, make: Callable[[Path], None], bench: Bench = WORKS
    ) -> IO[bytes]:
        """The copy ``name`` of a stored file, open to be read; ``make`` writes it to a path where
        it is not kept yet. Whatever ``make`` raises is passed on, what lies in the picture also to
        whoever asks within :data:`FAILED_SECONDS`.

        Raises RefusedError (``copies_busy``) where it would take too long to wait.
        """
        path = self.folder / sha256[:2] / f"{sha256}-{EDITION}-{name}"
        if found := _opened(path):
            return found
        self._check_not_failed(path)
        with bench.alone(path):
            if found := _opened(path):
                return found
            self._check_not_failed(path)
            with bench.place(), tempfile.TemporaryDirectory(prefix="atelier-copy-") as folder:
                draft = Path(folder, "copy")
                try:
                    make(draft)
                except (PictureError, BrokenError) as failed:
                    self._remember(path, failed)
                    raise
                made = draft.open("rb")  # also when it cannot be kept
                self._keep(draft, path)
            return made

    def _check_not_failed(self, path: Path) -> None:
        until, failed = self._failed.get(path, (0.0, None))
        if failed is not None and time.monotonic() < until:
            raise failed.with_traceback(None)

    def _remember(self, path: Path, failed: PictureError | BrokenError) -> None:
        with _room:
            if len(self._failed) >= FAILURES_KNOWN:
                del self._failed[next(iter(self._failed))]  # the oldest
            self._failed.pop(path, None)
            self._failed[path] = (time.monotonic() + FAILED_SECONDS, failed)

    def _keep(self, draft: Path, path: Path) -> None:
        size = max(LEAST_BYTES, draft.stat().st_size)
        if size > self._most:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            kept = path.with_name(f"tmp{uuid4().hex}")
            shutil.copyfile(draft, kept)
            kept.replace(path)
            self._bound(size)
        except OSError as failed:  # a full or read-only disk: made again the next time
            log.warning("copy %s not kept: %s", path.name, failed)

    def _bound(self, size: int) -> None:
        with _room:
            self._left -= size
            if self._left >= 0:
                return
            found = sorted(_sizes(self.folder))
            total = sum(size for _, size, _ in found)
            for _, size, path in found if total > self._most else []:
                if total <= 0.9 * self._most:
                    break
                path.unlink(missing_ok=True)
                total -= size
            self._left = self._most - total


@contextmanager
def _held(lock: threading.Lock | threading.Semaphore, patience: float) -> Iterator[None]:
    if not lock.acquire(timeout=patience):
        raise RefusedError("copies_busy", seconds=AGAIN_SECONDS)
    try:
        yield
    finally:
        lock.release()


def _opened(path: Path) -> IO[bytes] | None:
    try:
        opened = path.open("rb")
        os.utime(path, (time.time(), os.fstat(opened.fileno()).st_mtime))  # used just now
    except OSError:
        return None
    return opened


def _sizes(folder: Path) -> list[tuple[float, int, Path]]:
    """When each was used last, and how much it takes."""
    found = []
    for path in folder.glob("*/*"):
        try:
            seen = path.stat()
        except OSError:
            continue  # swept in this moment
        found.append((seen.st_atime, max(LEAST_BYTES, seen.st_size), path))
    return found
