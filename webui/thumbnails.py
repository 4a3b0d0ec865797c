"""Small pictures of stored ones, drawn once by a bounded child and kept under the data folder."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from functools import cache
from pathlib import Path

from flask import Response, request

from engines.thumbnails import Pen
from jobs.storage import StorageError
from webui.copies import Bench, Shelf
from webui.studio import studio

SIZES = (160, 480, 960, 1600)
# A picture of the largest size takes some hundred megabytes while it is open.
PLACES = 2
DRAWING = Bench(PLACES)
_pens = [Pen() for _ in range(PLACES)]
for _pen in _pens:
    atexit.register(_pen.close)


def answer(sha256: str, fetch: Callable[[Path], None]) -> Response:
    """The thumbnail whose long side fits ``?size=``, cached for good under its content's hash."""
    asked = request.args.get("size", SIZES[1], type=int)
    size = min((known for known in SIZES if known >= asked), default=SIZES[-1])
    made = Response(content_type="image/jpeg")
    made.set_etag(f"{sha256}-{size}")
    made.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    if request.if_none_match.contains(f"{sha256}-{size}"):
        made.status_code = 304
        return made
    made.data = drawn(sha256, size, fetch)
    return made


def drawn(sha256: str, size: int, fetch: Callable[[Path], None]) -> bytes:
    """JPEG bytes of a picture with a long side of at most ``size``; never enlarged.

    ``fetch`` puts the picture at a path. Raises PictureError where it cannot be decoded within
    bounds, RefusedError while too many others are being drawn, StorageError where the disk fails.
    """

    def draw(target: Path) -> None:
        source = target.with_name("stored")
        fetch(source)
        pen = _pens.pop()  # there is one for each place
        try:
            pen.draw(source, target, size)
        finally:
            _pens.append(pen)

    try:
        with _shelf(shelves()).open(sha256, f"{size}.jpg", draw, DRAWING) as opened:
            return opened.read()
    except OSError as failed:  # a disk that fails is no fault of the picture
        raise StorageError(f"no thumbnail of {sha256} can be drawn: {failed}") from failed


def shelves() -> Path:
    """Where thumbnails are kept."""
    return studio().settings.data.absolute() / "thumbnails"


@cache
def _shelf(folder: Path) -> Shelf:
    return Shelf(folder)
