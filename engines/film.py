"""Films as animated WebP, made frame by frame, with the recipe inside. No torch here.

Each frame is a still picture of its own (the format has no motion between frames to save), so a
film can be stopped after any frame and goes on with the frames it has. The container follows
Google's "WebP Container Specification" and is written here: Pillow's encoder holds all frames
until the end. There is no mp4: its encoder would be a dependency of 36 MB with a GPL library in
it, for a film that every browser plays as it is and that carries its recipe.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape, unescape
from io import BytesIO
from typing import Any

from PIL import Image

MEDIA_TYPE = "image/webp"
LOSSLESS_SIDE = 64
QUALITY = 92
_ANIMATED, _WITH_XMP = 0x02, 0x04
_HEAD = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
    ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    ' xmlns:atelier="urn:atelier:" atelier:recipe="'
)
_TAIL = '"/></rdf:RDF></x:xmpmeta>'


@dataclass(frozen=True)
class Film:
    """Frames as :func:`encode_frame` made them, all of ``size`` (width, height) px; it loops."""

    frames: Sequence[bytes]
    size: tuple[int, int]
    frame_rate: int

    def encoded(self, recipe: dict[str, Any] | None = None) -> bytes:
        """The film as WebP bytes; ``recipe`` goes into its XMP."""
        width, height = (_three_bytes(side - 1) for side in self.size)
        flags = _ANIMATED | (_WITH_XMP if recipe else 0)
        chunks = [
            _chunk(b"VP8X", struct.pack("<I", flags) + width + height),
            _chunk(b"ANIM", struct.pack("<IH", 0, 0)),  # black ground, for ever
        ]
        for position, frame in enumerate(self.frames):
            place = bytes(6) + width + height + _three_bytes(self._milliseconds(position))
            chunks.append(_chunk(b"ANMF", place + b"\x02" + frame))  # 2: do not blend
        if recipe is not None:
            text = json.dumps(recipe, ensure_ascii=False, sort_keys=True, allow_nan=False)
            chunks.append(_chunk(b"XMP ", (_HEAD + escape(text) + _TAIL).encode()))
        return _riff(chunks)

    def _milliseconds(self, position: int) -> int:
        """Of one frame: whole ones whose sum keeps the rate."""
        begin, end = (round(1000 * at / self.frame_rate) for at in (position, position + 1))
        return end - begin


def encode_frame(picture: Image.Image) -> bytes:
    """A frame's chunks: without loss where it is small and would show it, else at high quality."""
    buffer = BytesIO()
    lossless = max(picture.size) <= LOSSLESS_SIDE
    picture.save(buffer, "WEBP", lossless=lossless, quality=50 if lossless else QUALITY, method=4)
    chunks = _chunks(buffer.getvalue())
    return b"".join(_chunk(name, body) for name, body in chunks if name in (b"VP8 ", b"VP8L"))


def recipe_in(xmp: bytes) -> str | None:
    """The recipe inside a film's XMP as text, or None."""
    found = re.search(r'atelier:recipe="([^"]*)"', xmp.decode("utf-8", "replace"))
    return unescape(found[1]) if found else None


def with_xmp(film: bytes, xmp: bytes | None) -> bytes:
    """The film's bytes with another XMP, or none."""
    chunks = []
    for name, body in _chunks(film):
        if name == b"VP8X" and body:
            flags = body[0] | _WITH_XMP if xmp else body[0] & ~_WITH_XMP
            body = bytes([flags]) + body[1:]
        if name != b"XMP ":
            chunks.append(_chunk(name, body))
    if xmp:
        chunks.append(_chunk(b"XMP ", xmp))
    return _riff(chunks)


def _riff(chunks: Sequence[bytes]) -> bytes:
    content = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(content):
        name, (length,) = content[at : at + 4], struct.unpack_from("<I", content, at + 4)
        yield name, content[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _three_bytes(number: int) -> bytes:
    return number.to_bytes(3, "little")
