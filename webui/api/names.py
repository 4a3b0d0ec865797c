"""What a download is called."""

from __future__ import annotations

from urllib.parse import quote

from flask import Response


def name_answer(made: Response, name: str, disposition: str) -> None:
    """Say what a download is called: RFC 6266, as header bytes are Latin-1 and names are not."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    made.headers.set(
        "Content-Disposition",
        disposition,
        **{"filename": plain, "filename*": f"UTF-8''{quote(name, safe='')}"},
    )
