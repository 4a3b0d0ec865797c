"""A form with one file, sent while it is read: nothing large is ever held (RFC 7578)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO
from secrets import token_hex
from typing import IO

CHUNK = 1 << 18


class Form:
    """The body of a request with text ``fields`` and then one file in the part ``file``.

    Has what ``requests`` asks of a stream with a known length, and can be read again after
    :meth:`rewind`.
    """

    def __init__(self, fields: Mapping[str, str], name: str, stream: IO[bytes]) -> None:
        self._boundary = token_hex(16)
        head = "".join(
            f'--{self._boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in fields.items()
        )
        quoted = name.replace('"', "%22").replace("\r", "").replace("\n", "")
        head += (
            f'--{self._boundary}\r\nContent-Disposition: form-data; name="file";'
            f' filename="{quoted}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        )
        self._parts: tuple[IO[bytes], ...] = (
            BytesIO(head.encode()),
            stream,
            BytesIO(f"\r\n--{self._boundary}--\r\n".encode()),
        )
        self._length = sum(part.seek(0, 2) for part in self._parts)
        self.rewind()

    @property
    def content_type(self) -> str:
        """The value of the header that names the boundary."""
        return f"multipart/form-data; boundary={self._boundary}"

    def rewind(self) -> None:
        """Begin anew."""
        for part in self._parts:
            part.seek(0)

    def read(self, size: int = -1) -> bytes:
        """The next bytes, none at the end; fewer than ``size`` where a part ends."""
        for part in self._parts:
            if found := part.read(size):
                return found
        return b""

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read(CHUNK):
            yield chunk
