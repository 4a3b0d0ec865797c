"""Works as they leave the studio: labelled as the administrator wants, with the recipe inside as
their artist wants, in the format that was asked for.

What is stored stays as the run made it, so that its hash is that of its recipe; only what differs
is made anew, and told by a hash of its own (``Repr-Digest``, RFC 9530).
"""

from __future__ import annotations

import base64
import hashlib
import tempfile
from io import BytesIO
from pathlib import Path

from flask import Response, request

from engines import film, origin, pictures
from jobs.models import File
from webui.api import reading
from webui.api.names import name_answer
from webui.studio import studio

MADE = ("result", "samples")


def is_work(row: File) -> bool:
    """Whether this is a picture or film that a run has made."""
    return row.role in MADE and row.media_type.startswith("image/")


def format_asked() -> str:
    """The format of ``?format=``; empty: as it is stored. Raises RefusedError."""
    return reading.choice("format", ("", *origin.FORMATS))


def copy(row: File, recipe: bool, form: str = "") -> Response | None:
    """A work as it leaves; None where the stored bytes may go as they are."""
    policy = studio().settings.origin_label if is_work(row) else "off"
    stored = next(
        (name for name, known in origin.FORMATS.items() if known[0] == row.media_type), ""
    )
    if not stored or (policy == "off" and recipe and form in ("", stored)):
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "work")
        studio().storage.fetch(row.sha256, path)
        inside = pictures.read_recipe(path)
        if inside is None and policy == "off" and form in ("", stored):
            return None  # there is nothing to take out
        told = inside if recipe else None
        if pictures.is_animated(path):
            # A film leaves as a film; the label lies in its metadata alone.
            form, content = (
                "webp",
                film.with_xmp(path.read_bytes(), origin.packet(told, policy != "off")),
            )
        else:
            form = form or stored
            content = origin.copy_of(pictures.open_rgb(path), form, told, policy)
    media_type, suffix, _ = origin.FORMATS[form]
    made = Response(content, content_type=media_type)
    digest = hashlib.sha256(content)
    made.headers["Repr-Digest"] = f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    made.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    made.set_etag(digest.hexdigest())
    name = row.name if media_type == row.media_type else f"{Path(row.name).stem}.{suffix}"
    name_answer(made, name)
    made.make_conditional(request)
    return made


def label_small(made: Response, row: File) -> None:
    """Label a thumbnail of a work that somebody outside is shown, as the work itself would be."""
    policy = studio().settings.origin_label if is_work(row) else "off"
    if policy != "off" and made.status_code == 200:
        small = pictures.open_rgb(BytesIO(made.data))
        made.data = origin.copy_of(small, "jpeg", None, policy)
