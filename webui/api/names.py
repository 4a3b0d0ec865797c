"""What a download is called."""

from __future__ import annotations

from urllib.parse import quote

from flask import Response, request

# Whoever asks for one of these wants a file to keep, not a picture to look at.
KEPT = frozenset({"download", "format", "recipe"})


def name_answer(made: Response, name: str, *, keep: bool = False) -> None:
    """Say what a download is called, and with ``keep`` that it is a file to keep: RFC 6266, as
    header bytes are Latin-1 and names are not."""
    disposition = "attachment" if keep or KEPT & request.args.keys() else "inline"
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    made.headers.set(
        "Content-Disposition",
        disposition,
        **{"filename": plain, "filename*": f"UTF-8''{quote(name, safe='')}"},
    )
