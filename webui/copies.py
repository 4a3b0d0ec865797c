"""Copies of works as they leave, made once and kept under the data folder within a bound.

What a copy is made from never changes under its hash, so a copy is good as long as it is there;
:mod:`webui.sweeping` removes those of works that are gone.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO
from uuid import uuid4

log = logging.getLogger(__name__)
# Raise it when a copy of the same work, by the same policy, would be another than before.
EDITION = 1
# A picture of the largest size takes some hundred megabytes while it is copied.
_encoding = threading.BoundedSemaphore(2)
_room = threading.Lock()
# Who asks for what is being made waits for it: one of these is held by whoever makes it.
_making = [threading.Lock() for _ in range(64)]
# What a small file really takes of a disk; it also bounds how many there are.
LEAST_BYTES = 4096


class Shelf:
    """Copies in ``folder``, of at most ``most`` bytes; beyond that the longest unused go."""

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self._most = folder, most
        self._left = 0  # how much may still come before the folder must be looked at

    def open(self, sha256: str, name: str, make: Callable[[Path], None]) -> IO[bytes]:
        """The copy ``name`` of a stored file, open to be read; ``make`` writes it to a path where
        it is not kept yet. Whatever ``make`` raises is passed on.
        """
        path = self.folder / sha256[:2] / f"{sha256}-{EDITION}-{name}"
        if found := _opened(path):
            return found
        with _making[hash(path) % len(_making)]:
            if found := _opened(path):
                return found
            with _encoding, tempfile.TemporaryDirectory(prefix="atelier-copy-") as folder:
                draft = Path(folder, "copy")
                make(draft)
                made = draft.open("rb")  # also when it cannot be kept
                self._keep(draft, path)
            return made

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
