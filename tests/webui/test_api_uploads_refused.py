"""Uploads that are no use: each is refused in the answer, and nothing of it stays."""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.webui.quiet import Caller, Quiet, png, problem


@pytest.fixture(autouse=True)
def _nothing_stays(
    quiet: Quiet, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """No row, no stored file, no temporary file."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = quiet.holdings()
    yield
    assert quiet.holdings() == before
    assert list(tmp_path.iterdir()) == []


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _png_of(width: int, height: int, rows: bytes, *further: bytes) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = _chunk(b"IDAT", zlib.compress(rows, 9))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + header + b"".join(further) + pixels + _chunk(b"IEND", b"")


def _real_bomb() -> bytes:
    """9000 x 9000 pixels, all there: 243 MB of picture in less than 0.2 MB of file."""
    packer = zlib.compressobj(9)
    row = bytes(1 + 3 * 9000)
    packed = b"".join(packer.compress(row) for _ in range(9000)) + packer.flush()
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, 2, 0, 0, 0))
    ended = _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", packed[:150_000]) + ended


def _text_bomb() -> bytes:
    """A small picture with a comment that unpacks to 100 MB."""
    comment = b"Comment\0\0" + zlib.compress(bytes(100_000_000), 9)
    return _png_of(32, 32, (b"\0" + bytes(3 * 32)) * 32, _chunk(b"zTXt", comment))


def _gif() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (32, 32)).save(buffer, "GIF")
    return buffer.getvalue()


UNFIT: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "empty": ("photo.png", bytes, "empty_file"),
    "a text called .jpg": ("photo.jpg", lambda: b"dear diary\n" * 50, "not_a_picture"),
    "a GIF called .png": ("photo.png", _gif, "not_a_picture"),
    "cut off": ("photo.png", lambda: png(200, 200)[:-60], "unreadable_picture"),
    "garbage after a good header": (
        "photo.png",
        lambda: _png_of(64, 64, b"\xff" * 100),
        "unreadable_picture",
    ),
    "a claim of 60000 x 60000": (
        "photo.png",
        lambda: _png_of(60_000, 60_000, b""),
        "picture_too_large",
    ),
    "a bomb of pixels": ("photo.png", _real_bomb, "picture_too_large"),
    "a bomb of text": ("photo.png", _text_bomb, "unreadable_picture"),
    "a stripe": ("photo.png", lambda: png(64, 3), "picture_too_small"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_an_unfit_picture_is_refused_naming_the_field_and_what_is_wrong(
    caller: Caller, name: str
) -> None:
    file_name, made, code = UNFIT[name]
    body = problem(caller.upload(made(), file_name), 422, "bad_picture", "/file")
    assert body["errors"][0]["code"] == code


def test_a_picture_too_large_in_pixels_is_told_its_size_and_the_limit(caller: Caller) -> None:
    answer = caller.upload(_png_of(60_000, 60_000, b""))
    (error,) = problem(answer, 422, "bad_picture", "/file")["errors"]
    assert "60000 x 60000" in error["detail"]
    assert "64000000" in error["detail"]


@pytest.mark.parametrize("beyond", [1, 50_000, 300_000])
def test_a_file_too_large_in_bytes_is_refused_naming_the_limit(
    quiet: Quiet, caller: Caller, beyond: int
) -> None:
    limit = quiet.settings.upload_bytes
    body = problem(caller.upload(bytes(limit + beyond)), 413, "too_large")
    assert f" {limit} bytes" in body["title"]


def test_a_huge_field_beside_the_file_is_refused(caller: Caller) -> None:
    head = b'--edge\r\nContent-Disposition: form-data; name="note"\r\n\r\n'
    body = head + b"x" * 505_000 + b"\r\n--edge--\r\n"
    answer = caller.post("/files", data=body, content_type="multipart/form-data; boundary=edge")
    problem(answer, 413, "too_large")


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"data": {"picture": (BytesIO(b"x"), "photo.png")}},
        {"data": {"file": "a field, not a file"}},
        {"data": b"raw bytes", "content_type": "image/png"},
        {"json": {"file": "photo.png"}},
    ],
    ids=["no body", "another field", "a field that is no file", "no multipart", "JSON"],
)
def test_a_request_without_the_file_field_is_told_so(
    caller: Caller, how: dict[str, object]
) -> None:
    body = problem(caller.post("/files", **how), 422, "invalid", "/file")
    assert body["errors"][0]["code"] == "missing"


@pytest.mark.parametrize("body", [b"", b"--edge", b"--edge\r\nno colon here\r\n\r\nx\r\n--edge--"])
def test_a_broken_multipart_body_is_a_problem_and_no_traceback(caller: Caller, body: bytes) -> None:
    answer = caller.post("/files", data=body, content_type="multipart/form-data; boundary=edge")
    assert 400 <= answer.status_code < 500
    assert answer.content_type == "application/problem+json"
