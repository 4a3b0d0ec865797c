"""Opaque cursors: where the neighbouring page of a list starts."""

from __future__ import annotations

import base64
from typing import Protocol
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from flask import request

from jobs.refusals import Fault, RefusedError
from webui.studio import studio


def read(cursor: str) -> dict[str, UUID]:
    """The bounds a cursor stands for; none for an empty one."""
    if not cursor:
        return {}
    try:
        raw = base64.urlsafe_b64decode(cursor.encode() + b"==")
        side = {b"<": "older_than", b">": "newer_than"}[raw[:1]]
        return {side: UUID(bytes=raw[1:])}
    except (ValueError, KeyError):
        values = {"value": cursor[:80], "expected": "a cursor from 'next' or 'previous'"}
        raise RefusedError("invalid", faults=[Fault("/cursor", "wrong_type", values)]) from None


class Bounded(Protocol):
    """A page of a list: the ids from which its neighbours start."""

    @property
    def older_than(self) -> UUID | None:
        """Of the next page."""

    @property
    def newer_than(self) -> UUID | None:
        """Of the previous page."""


def links(page: Bounded) -> dict[str, str | None]:
    """Addresses of the next (older) and previous (newer) page, with the same filters."""
    return {
        "next": _address(b"<", page.older_than),
        "previous": _address(b">", page.newer_than),
    }


def _address(side: bytes, bound: UUID | None) -> str | None:
    if bound is None:
        return None
    cursor = base64.urlsafe_b64encode(side + bound.bytes).rstrip(b"=").decode()
    kept = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
    return f"{_origin()}{request.path}?{urlencode([*kept, ('cursor', cursor)])}"


def _origin() -> str:
    """Scheme and host as the asker knows them; behind a proxy only ``PUBLIC_URL`` tells."""
    public = urlsplit(studio().settings.public_url)
    scheme = public.scheme if public.netloc == request.host else request.scheme
    return f"{scheme}://{request.host}"
