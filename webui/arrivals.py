"""Uploads too large to be held: a multipart body is written to disk while it arrives.

What comes is one ZIP, kept as it is, or any number of files, put into one ZIP under the names
their sender gave them; the check judges either alike. A form with files (RFC 7578) sends its
fields first, so whoever must show the page's token has shown it before a byte is kept.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from flask import g, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import (
    Data,
    Epilogue,
    Event,
    Field,
    File,
    MultipartDecoder,
    NeedData,
)

from engines.datasets.unpacking import ARCHIVES, MOST_PICTURES
from jobs.refusals import Fault, RefusedError
from webui import auth

CHUNK = 256 * 1024
FIELD_BYTES = 10_000
# Fields are held in memory; no form of ours has so many.
MOST_FIELDS = 20
# What the multipart frame takes beside the files themselves: a head for each.
FRAME_BYTES = 1_000_000 + 300 * MOST_PICTURES
DECODER_BYTES = 4 * CHUNK
LEFTOVER_SECONDS = 86_400.0
ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")


@dataclass
class Arrived:
    """The fields of a form, and its files as one ZIP in a folder of the request's own."""

    fields: dict[str, str] = field(default_factory=dict)
    archive: Path | None = None
    first_name: str = ""
    packed: bool = False  # whether the ZIP came as one, and was not made of files here


@contextmanager
def arriving(above: Path, limit: int, part: str = "file") -> Iterator[Arrived]:
    """Read the body of this request to its end; the files are gone when the block ends.

    ``limit`` bounds the body in bytes, ``part`` is the name of the parts that hold files. Raises
    :class:`RefusedError`.
    """
    if request.mimetype != "multipart/form-data":
        raise RefusedError("unsupported_media_type", wanted="multipart/form-data")
    above.mkdir(parents=True, exist_ok=True)
    _forget_old(above)
    with tempfile.TemporaryDirectory(prefix="arriving-", dir=above) as folder:
        request.max_content_length = limit + FRAME_BYTES
        try:
            with closing(_Intake(Path(folder), part)) as intake:
                for event in _events():
                    intake.hear(event)
                arrived = intake.finished()
        except RequestEntityTooLarge:
            raise RefusedError("dataset_too_large", limit=limit) from None
        except ValueError:
            raise RefusedError("bad_request") from None
        yield arrived


def _events() -> Iterator[Event]:
    boundary = request.mimetype_params.get("boundary", "").encode("ascii", "replace")
    if not boundary:
        raise RefusedError("bad_request")
    decoder = MultipartDecoder(boundary, DECODER_BYTES, max_parts=MOST_PICTURES + 20)
    while True:
        chunk = request.stream.read(CHUNK)
        decoder.receive_data(chunk or None)
        while not isinstance(event := decoder.next_event(), NeedData):
            yield event
            if isinstance(event, Epilogue):
                return


class _Intake:
    """Sorts the parts of a body: fields into a table, files into one archive."""

    def __init__(self, folder: Path, part: str) -> None:
        self._folder, self._part = folder, part
        self._arrived = Arrived()
        self._field: str | None = None
        self._value = b""
        self._file: IO[bytes] | None = None
        self._name = ""
        self._single: Path | None = None
        self._container: zipfile.ZipFile | None = None
        self._written: set[str] = set()
        self._numbers: dict[str, int] = {}

    def hear(self, event: Event) -> None:
        """Take in the next piece of the body."""
        if isinstance(event, Field):
            self._field, self._value = event.name, b""
            if len(self._arrived.fields) >= MOST_FIELDS:
                raise RefusedError("bad_request")
        elif isinstance(event, File):
            self._field = None
            self._begin(event)
        elif isinstance(event, Data):
            self._take(event.data)
            if not event.more_data:
                self._end_part()

    def finished(self) -> Arrived:
        """What has arrived, once the body is read."""
        if g.csrf_due:
            raise RefusedError("forbidden")
        if self._container is not None:
            # Alone and called an archive: its sender must not hear of one within another.
            if len(self._written) == 1 and self._arrived.first_name.lower().endswith(ARCHIVES):
                raise RefusedError("invalid", faults=[Fault("/file", "not_an_archive")])
            self._arrived.archive = self._folder / "container.zip"
        else:
            self._arrived.archive = self._single
        return self._arrived

    def close(self) -> None:
        """Let go of what is open; the archive is whole then."""
        for opened in (self._file, self._container):
            if opened is not None:
                opened.close()

    def _begin(self, event: File) -> None:
        if g.csrf_due:
            raise RefusedError("forbidden")
        if event.name != self._part:
            raise RefusedError("invalid", faults=[Fault(f"/{event.name}", "unknown_parameter")])
        # An empty file control sends one nameless, empty part.
        self._name = (event.filename or "").encode("utf-8", "replace").decode()
        self._file = (self._folder / "part").open("wb")

    def _take(self, data: bytes) -> None:
        if self._file is not None:
            self._file.write(data)
        elif self._field is not None:
            self._value += data
            if len(self._value) > FIELD_BYTES:
                values = {"value": len(self._value), "limit": FIELD_BYTES}
                raise RefusedError(
                    "invalid", faults=[Fault(f"/{self._field}", "bad_length", values)]
                )

    def _end_part(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            if self._name:
                self._keep(self._folder / "part")
        elif self._field is not None:
            self._arrived.fields[self._field] = self._value.decode("utf-8", "replace")
            if self._field == "csrf_token" and g.csrf_due:
                auth.check_csrf(self._arrived.fields["csrf_token"])

    def _keep(self, path: Path) -> None:
        with path.open("rb") as opened:
            packed = opened.read(4) in ZIP_STARTS
        first = self._container is None and self._single is None
        self._arrived.first_name = self._arrived.first_name or self._name
        if first and packed:
            self._single = path.rename(self._folder / "single.zip")
            self._arrived.packed = True
            return
        if packed or self._single is not None:
            name = self._name if packed else self._arrived.first_name
            raise RefusedError(
                "invalid", faults=[Fault("/file", "archive_among_files", {"name": name})]
            )
        self._add(path)

    def _add(self, path: Path) -> None:
        if self._container is None:
            target = self._folder / "container.zip"
            self._container = zipfile.ZipFile(target, "w", zipfile.ZIP_STORED)
        # From the number given last: thousands of one name must not be counted through each time.
        name, number = self._name, self._numbers.get(self._name, 1)
        while name in self._written:  # files from several folders, sent without their folders
            number += 1
            stem, dot, suffix = self._name.rpartition(".")
            name = f"{stem} ({number}){dot}{suffix}" if dot else f"{self._name} ({number})"
        self._written.add(name)
        self._numbers[self._name] = number
        entry = zipfile.ZipInfo(name)
        entry.file_size = path.stat().st_size
        with path.open("rb") as source, self._container.open(entry, "w") as sink:
            shutil.copyfileobj(source, sink, CHUNK)


def _forget_old(above: Path) -> None:
    """What a web server that was killed left behind."""
    for leftover in above.glob("arriving-*"):
        if time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS:
            shutil.rmtree(leftover, ignore_errors=True)
