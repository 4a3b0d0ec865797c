"""All works of a job as one ZIP, made while it is sent: nothing of it is kept.

Each leaves as it would alone: labelled as the administrator wants, with or without its recipe.
The format: PKWARE's APPNOTE.TXT 6.3.10, written by the standard library; sizes stand behind each
file, as they are not known before, which needs a compressed entry for every reader's sake.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import IO

from flask import Response, stream_with_context

from jobs.models import File
from jobs.refusals import RefusedError
from jobs.storage import StorageError
from webui import leaving
from webui.api.names import name_answer
from webui.studio import studio

MEDIA_TYPE = "application/zip"
# Pictures are packed already; more effort would only cost time.
EFFORT = 1
# How often it is asked for a copy that others keep from being made.
TRIES = 8


def answer(works: Sequence[File], name: str, recipe: bool) -> Response:
    """The works as a ZIP that is kept as ``name``. Raises StorageError where one is missing."""
    for work in works:
        if not studio().storage.holds(work.sha256):
            raise StorageError(f"{work.sha256} is missing")
    made = Response(stream_with_context(_pieces(works, recipe)), content_type=MEDIA_TYPE)
    made.headers["Cache-Control"] = "private, no-cache"
    name_answer(made, name, keep=True)
    return made


class _Sink:
    """What has been written and not been sent; it cannot be sought in."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        """Take ``data``."""
        self._written += data
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def taken(self) -> bytes:
        """Everything written since the last time."""
        written = bytes(self._written)
        self._written.clear()
        return written


def _pieces(works: Sequence[File], recipe: bool) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(
        sink,  # type: ignore[call-overload]
        "w",
        zipfile.ZIP_DEFLATED,
        compresslevel=EFFORT,
    ) as archive:
        for name, work in _named(works):
            entry = zipfile.ZipInfo(name, work.created_at.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            with ExitStack() as opened:
                source = _leaving(work, recipe, opened)
                entry.file_size = source.seek(0, os.SEEK_END)
                source.seek(0)
                with archive.open(entry, "w") as target:
                    while piece := source.read(leaving.CHUNK):
                        target.write(piece)
                        yield sink.taken()
    yield sink.taken()


def _named(works: Sequence[File]) -> Iterator[tuple[str, File]]:
    """Each under its name; one whose name is taken already gets a number."""
    taken: set[str] = set()
    for work in works:
        path, name, number = PurePosixPath(work.name), work.name, 1
        while name in taken:
            number += 1
            name = f"{path.stem} ({number}){path.suffix}"
        taken.add(name)
        yield name, work


def _leaving(work: File, recipe: bool, until: ExitStack) -> IO[bytes]:
    """A work as it leaves, open ``until`` then."""
    for left in reversed(range(TRIES)):
        try:
            made = leaving.opened(work, recipe) if leaving.is_work(work) else None
            return until.enter_context(made or studio().storage.open(work.sha256))
        except RefusedError:  # copies are being made for others: each try waits for a place
            if not left:
                raise
    raise AssertionError("the last try returns or raises")
