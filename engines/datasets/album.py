"""Small pictures of a whole set in one file, and a contact sheet of it. No torch here.

The file: the magic, the length of a JSON list, the list (per picture: name, label, width, height,
where its JPEG begins and how long it is), and the JPEGs. So one is found by one seek, wherever
the file is stored.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

from PIL import Image

from engines import pictures

MAGIC = b"ATELIER-ALBUM-1\n"
LENGTH = struct.Struct(">Q")
SHEET_COLUMNS, SHEET_ROWS, SHEET_TILE, SHEET_GAP = 8, 4, 112, 4
SHEET_GROUND = (128, 128, 128)


class AlbumError(Exception):
    """The file is no album of ours, or a damaged one."""


@dataclass(frozen=True)
class Shown:
    """A picture of the set as it is listed; ``label`` is its position in the album's labels."""

    name: str
    label: int | None
    width: int
    height: int
    start: int
    length: int


@dataclass(frozen=True)
class Album:
    """What an album lists. ``start`` is where the first JPEG begins."""

    labels: tuple[str, ...]
    pictures: tuple[Shown, ...]
    start: int

    def thumbnail(self, opened: IO[bytes], position: int) -> bytes:
        """The JPEG of a picture, from the opened file that the album was read from."""
        picture = self.pictures[position]
        opened.seek(self.start + picture.start)
        return opened.read(picture.length)


def write(
    path: Path,
    labels: Sequence[str],
    listed: Sequence[tuple[str, int | None, int, int]],
    thumbnails: Sequence[Path],
) -> None:
    """Bind ``thumbnails`` (JPEG files) in their order; ``listed`` holds for each its picture's
    name, label, width and height. OSError when it cannot be written."""
    rows, start = [], 0
    for facts, thumbnail in zip(listed, thumbnails, strict=True):
        length = thumbnail.stat().st_size
        rows.append([*facts, start, length])
        start += length
    head = json.dumps({"labels": list(labels), "pictures": rows}, ensure_ascii=False).encode()
    with path.open("wb") as sink:
        sink.write(MAGIC + LENGTH.pack(len(head)) + head)
        for thumbnail in thumbnails:
            sink.write(thumbnail.read_bytes())


def read(opened: IO[bytes]) -> Album:
    """The list at the head of an opened album. Raises :class:`AlbumError`, OSError."""
    head = opened.read(len(MAGIC) + LENGTH.size)
    if not head.startswith(MAGIC) or len(head) < len(MAGIC) + LENGTH.size:
        raise AlbumError("this is no album of ours")
    (length,) = LENGTH.unpack(head[len(MAGIC) :])
    try:
        told = json.loads(opened.read(length))
        rows = tuple(Shown(*row) for row in told["pictures"])
        return Album(tuple(told["labels"]), rows, len(head) + length)
    except (ValueError, KeyError, TypeError) as damage:
        raise AlbumError(f"this album is damaged: {damage}") from damage


def contact_sheet(labels: Sequence[int | None], thumbnail: Callable[[int], bytes]) -> bytes:
    """JPEG bytes of a mosaic of up to 32 pictures without gaps, every label in its turn.

    ``labels`` holds each picture's label; ``thumbnail`` gives a picture's JPEG by position.
    """
    columns, rows = sheet_shape(len(labels))
    chosen = spread(labels, columns * rows)
    pace = SHEET_TILE + SHEET_GAP
    size = (columns * pace - SHEET_GAP, rows * pace - SHEET_GAP)
    sheet = Image.new("RGB", size, SHEET_GROUND)
    for place, position in enumerate(chosen):
        with Image.open(BytesIO(thumbnail(position)), formats=("JPEG",)) as small:
            tile = pictures.middle_square(small.convert("RGB"), SHEET_TILE)
        sheet.paste(tile, (place % columns * pace, place // columns * pace))
    return pictures.encode_jpeg(sheet, 85)


def sheet_shape(count: int) -> tuple[int, int]:
    """Columns and rows of the largest sheet that ``count`` pictures fill, about twice as wide as
    high: a few pictures may stay away, but no place is empty."""
    fitting = (
        (columns, rows)
        for rows in range(1, SHEET_ROWS + 1)
        for columns in range(rows + rows // 2, min(SHEET_COLUMNS, 3 * rows) + 1)
        if columns * rows <= count
    )
    return max(fitting, key=lambda shape: (shape[0] * shape[1], -abs(shape[0] - 2 * shape[1])))


def spread(labels: Sequence[int | None], most: int) -> list[int]:
    """Positions of at most ``most`` pictures, evenly over the labels and within each."""
    groups: dict[int | None, list[int]] = {}
    for position, label in enumerate(labels):
        groups.setdefault(label, []).append(position)
    share = -(-most // max(1, len(groups)))
    picked = [group[:: max(1, len(group) // share)][:share] for group in groups.values()]
    rounds = max(map(len, picked), default=0)
    dealt = [each[turn] for turn in range(rounds) for each in picked if turn < len(each)]
    return dealt[:most]
