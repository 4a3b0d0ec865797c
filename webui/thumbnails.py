"""Small pictures of stored ones, drawn once and kept under the data folder."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from flask import Response, request

from engines import pictures
from webui.studio import studio

SIZES = (160, 480, 960, 1600)
QUALITY = 82

log = logging.getLogger(__name__)
# One at a time: a picture of the largest size takes some hundred megabytes while it is open.
_drawing = threading.Lock()


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

    ``fetch`` puts the picture at a path. It was decoded once within limits when it came in,
    so decoding it here cannot surprise.
    """
    kept = shelves() / sha256[:2] / f"{sha256}-{size}.jpg"
    if kept.exists():
        return kept.read_bytes()
    with _drawing, tempfile.TemporaryDirectory(prefix="atelier-thumbnail-") as folder:
        copy = Path(folder, "picture")
        fetch(copy)
        picture = pictures.open_rgb(copy)
        if max(picture.size) > size:
            picture = pictures.fit_long_side(picture, size)
        content = pictures.encode_jpeg(picture, QUALITY)
    _keep(kept, content)
    return content


def shelves() -> Path:
    """Where thumbnails are kept."""
    return studio().settings.data.absolute() / "thumbnails"


def _keep(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as draft:
            draft.write(content)
        Path(draft.name).replace(path)
    except OSError as failed:  # a full or read-only disk: drawn again the next time
        log.warning("thumbnail %s not kept: %s", path.name, failed)
