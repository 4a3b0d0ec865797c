"""TensorBoard's event files, written by ourselves: records of protobuf with their checksums.

A record is a length, the masked CRC-32C of its 8 bytes, the data, and the data's masked CRC-32C
(TFRecord). The data is an ``Event`` (tensorflow/core/util/event.proto): wall_time = 1 (double),
step = 2, file_version = 3, summary = 5; a ``Summary`` repeats ``Value`` = 1 with tag = 1 and
simple_value = 2 (float) or image = 4 (height 1, width 2, colorspace 3, encoded 4).
The wall time is the step in seconds: the file is the same bytes whenever it is made.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

VERSION = b"brain.Event:2"
RGB = 3
_POLYNOMIAL = 0x82F63B78  # Castagnoli, reflected
_MASK = 0xA282EAD8


def write(
    path: Path,
    scalars: Iterable[tuple[str, Sequence[float], Sequence[float]]],
    picture: tuple[str, int, Image.Image],
) -> None:
    """Write curves (tag, steps, values) and one picture (tag, step, RGB) as an event file."""
    events = [_number(1, 0.0) + _bytes(3, VERSION)]
    for tag, steps, values in scalars:
        for step, value in zip(steps, values, strict=True):
            named = _bytes(1, tag.encode()) + _tag(2, 5) + struct.pack("<f", value)
            events.append(_event(int(step), named))
    tag, step, image = picture
    encoded = BytesIO()
    image.save(encoded, "PNG")
    drawn = b"".join(
        _varint_field(n, v) for n, v in ((1, image.height), (2, image.width), (3, RGB))
    )
    drawn += _bytes(4, encoded.getvalue())
    events.append(_event(step, _bytes(1, tag.encode()) + _bytes(4, drawn)))
    path.write_bytes(b"".join(map(_record, events)))


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli; RFC 3720, B.4)."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _masked(data: bytes) -> bytes:
    value = crc32c(data)
    rotated = (value >> 15 | value << 17) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + _MASK) & 0xFFFFFFFF)


def _event(step: int, value: bytes) -> bytes:
    summary = _bytes(5, _bytes(1, value))
    return _number(1, float(step)) + _varint_field(2, step) + summary


def _tag(field: int, wire: int) -> bytes:
    return _varint(field << 3 | wire)


def _number(field: int, value: float) -> bytes:
    return _tag(field, 1) + struct.pack("<d", value)


def _varint_field(field: int, value: int) -> bytes:
    return _tag(field, 0) + _varint(value)


def _bytes(field: int, data: bytes) -> bytes:
    return _tag(field, 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _table() -> list[int]:
    entries = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        entries.append(value)
    return entries


_TABLE = _table()
