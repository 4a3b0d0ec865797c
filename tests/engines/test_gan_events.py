"""Event files, read back by a reader that knows the format from its description alone."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from engines.engine import Inputs
from engines.gan_training import events
from engines.gan_training.engine import GanTraining
from tests.engines import art, tiny
from tests.engines.trainings import CPU, params_with


def test_the_checksum_is_crc32c() -> None:
    assert events.crc32c(b"123456789") == 0xE3069283
    assert events.crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4


def test_curves_and_the_picture_come_back_with_their_steps(tmp_path: Path) -> None:
    path = tmp_path / "events"
    picture = Image.new("RGB", (20, 10), "teal")
    events.write(path, [("kid", [0, 300], [0.5, 0.25])], ("samples", 300, picture))
    first = next(_records(path.read_bytes()))
    assert dict(_fields(first))[3] == b"brain.Event:2"
    seen = []
    for event, value in _values(path):
        seen.append((event.get(2, 0), value[1]))
        if value[1] == b"samples":
            drawn = dict(_fields(value[4]))
            assert (drawn[1], drawn[2], drawn[3]) == (10, 20, 3)
            assert Image.open(BytesIO(drawn[4])).tobytes() == picture.tobytes()
        else:
            assert struct.unpack("<f", value[2])[0] in (0.5, 0.25)
    assert seen == [(0, b"kid"), (300, b"kid"), (300, b"samples")]


def test_the_picture_stands_at_the_step_of_the_model_that_drew_it(tmp_path: Path) -> None:
    inputs = Inputs({tiny.SET: art.pack(2)}, tiny.SAMPLES, scratch=tmp_path)
    engine = GanTraining(params_with(kid_every=1), inputs, CPU)
    tiny.run_to(engine, 1)
    near = engine.evaluation.curve[1]._replace(value=-9.0)
    engine.evaluation.restore({"curve": [near], "best": near})
    tiny.run_to(engine, 3)
    (path,) = (each.content for each in engine.outputs() if "tfevents" in each.name)
    assert isinstance(path, Path)
    at = [event.get(2, 0) for event, value in _values(path) if value[1] == b"samples"]
    assert at == [engine.best_step] == [1]


def _values(path: Path) -> Iterator[tuple[dict[int, Any], dict[int, Any]]]:
    """Each event with what it tells."""
    for record in list(_records(path.read_bytes()))[1:]:
        event = dict(_fields(record))
        yield event, dict(_fields(dict(_fields(event[5]))[1]))


def _records(content: bytes) -> Iterator[bytes]:
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        data, after = content[12 : 12 + length], content[12 + length :]
        for part, stored in ((content[:8], content[8:12]), (data, after[:4])):
            rotated = (struct.unpack("<I", stored)[0] - 0xA282EAD8) & 0xFFFFFFFF
            assert (rotated << 15 | rotated >> 17) & 0xFFFFFFFF == events.crc32c(part)
        yield data
        content = after[4:]


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    place = 0

    def varint() -> int:
        nonlocal place
        value, shift = 0, 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(data):
        tag = varint()
        wire = tag & 7
        if wire == 0:
            yield tag >> 3, varint()
            continue
        length = {1: 8, 5: 4}.get(wire) or varint()
        yield tag >> 3, data[place : place + length]
        place += length
