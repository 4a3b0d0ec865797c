"""Works as they leave the studio: labelled as the administrator wants, with the recipe inside as
their artist wants, in the format that was asked for.

What is stored stays as the run made it, so that its hash is that of its recipe; only what differs
is made anew, once, in a bounded child process, and told by a hash of its own (``Repr-Digest``,
RFC 9530).
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import IO

from flask import Response, request

from engines import copies, origin, pictures
from jobs.models import File
from jobs.storage import StorageError
from webui.api import reading
from webui.api.names import name_answer
from webui.copies import SMALL, Shelf
from webui.studio import studio

MADE = ("result", "samples")
CHUNK = 256 * 1024


def is_work(row: File) -> bool:
    """Whether this is a picture or film that a run has made."""
    return row.role in MADE and row.media_type.startswith("image/")


def format_asked() -> str:
    """The format of ``?format=``; empty: as it is stored. Raises RefusedError."""
    return reading.choice("format", ("", *origin.FORMATS))


def copy(row: File, recipe: bool, form: str = "") -> Response | None:
    """A work as it leaves, as an answer; else as :func:`opened`."""
    made = opened(row, recipe, form)
    return _answer(row, made) if made else None


def opened(row: File, recipe: bool, form: str = "") -> IO[bytes] | None:
    """A work as it leaves; None where the stored bytes may go as they are. What is no picture or
    film goes as it is, unless its recipe or format is asked for.

    Raises PictureError when it cannot be had so, RefusedError while others are being made,
    StorageError where the disk takes nothing.
    """
    policy = studio().settings.origin_label if is_work(row) else "off"
    stored = next(
        (name for name, known in origin.FORMATS.items() if known[0] == row.media_type), ""
    )
    form = form or stored
    if not stored or (policy == "off" and recipe and form == stored):
        return None
    wanted = copies.Wanted(form, recipe, policy)
    name = f"{form}-{'recipe' if recipe else 'bare'}-{policy}"
    try:
        made = shelf().open(row.sha256, name, lambda path: _make(row.sha256, path, wanted))
    except OSError as failed:  # a disk that takes nothing is no fault of the picture
        raise StorageError(f"no copy of {row.sha256} can be written: {failed}") from failed
    if not os.fstat(made.fileno()).st_size:
        made.close()
        return None  # there is nothing to take out
    return made


def label_small(made: Response, row: File) -> None:
    """Label a thumbnail of a work that somebody outside is shown, as the work itself would be."""
    policy = studio().settings.origin_label if is_work(row) else "off"
    if policy == "off" or made.status_code != 200:
        return
    small = made.data

    def label(path: Path) -> None:
        path.write_bytes(origin.copy_of(pictures.open_rgb(BytesIO(small)), "jpeg", None, policy))

    name = f"small-{hashlib.sha256(small).hexdigest()[:16]}-{policy}"
    with shelf().open(row.sha256, name, label, SMALL) as labelled:
        made.data = labelled.read()


def shelf() -> Shelf:
    """Where copies are kept; :mod:`webui.sweeping` clears away what is gone."""
    settings = studio().settings
    return _shelf(settings.data.absolute() / "copies", settings.copies_bytes)


@cache
def _shelf(folder: Path, most: int) -> Shelf:
    return Shelf(folder, most)


def _make(sha256: str, target: Path, wanted: copies.Wanted) -> None:
    source = target.with_name("stored")
    studio().storage.fetch(sha256, source)
    copies.make(source, target, wanted)


def _answer(row: File, opened: IO[bytes]) -> Response:
    digest = hashlib.file_digest(opened, "sha256").digest()  # type: ignore[arg-type]
    opened.seek(0)
    # A film stays one, whatever was asked for: what it is, it says itself.
    media_type, suffix, _ = origin.FORMATS[pictures.form_of(opened.read(4))]
    opened.seek(0)
    made = Response(_pieces(opened), content_type=media_type)
    made.call_on_close(opened.close)  # broken off, or never begun
    made.content_length = os.fstat(opened.fileno()).st_size
    made.headers["Repr-Digest"] = f"sha-256=:{base64.b64encode(digest).decode()}:"
    made.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    made.set_etag(digest.hex())
    name = row.name if media_type == row.media_type else f"{Path(row.name).stem}.{suffix}"
    name_answer(made, name)
    made.make_conditional(request)
    if made.status_code == 304 or request.method == "HEAD":
        opened.close()
    return made


def _pieces(opened: IO[bytes]) -> Iterator[bytes]:
    with opened:
        while piece := opened.read(CHUNK):
            yield piece
