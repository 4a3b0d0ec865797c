"""A checked set of pictures as one file: a ZIP without compression, the same bytes for the
same pictures, labels and order. No torch here.

``dataset.json`` comes first and lists the pictures in order; each picture's own bytes follow
under a name that the studio gave it, so that nothing a stranger named is ever a path.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, cast

from PIL import Image

from engines import media, pictures

MEDIA_TYPE = media.DATASET
FORMAT = 1
CONTENTS = "dataset.json"
# The earliest date a ZIP can tell: when a set was packed must not change its hash.
NO_DATE = (1980, 1, 1, 0, 0, 0)


class PackError(Exception):
    """The file is no pack of ours, or a damaged one."""


@dataclass(frozen=True)
class Member:
    """One picture: what its owner called it, the position of its label (None without labels),
    its true media type and its size in pixels, upright."""

    name: str
    label: int | None
    media_type: str
    width: int
    height: int


class Pack:
    """A pack opened for reading. Close it, or use it in a ``with``."""

    def __init__(self, path: Path) -> None:
        """Open the pack at ``path``; :class:`PackError` when it is none."""
        try:
            self._zip = zipfile.ZipFile(path)
            self.labels, self.members = described(self._zip.read(CONTENTS))
        except (OSError, zipfile.BadZipFile, KeyError) as damage:
            raise PackError(f"this is no set of pictures of ours: {damage}") from damage

    def __enter__(self) -> Pack:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def __len__(self) -> int:
        return len(self.members)

    def read(self, position: int) -> bytes:
        """The bytes of a picture, as they were brought."""
        try:
            return self._zip.read(name_of(position, self.members[position]))
        except (OSError, KeyError, zipfile.BadZipFile) as damage:
            raise PackError(f"picture {position} cannot be read: {damage}") from damage

    def picture(self, position: int, at_least: int | None = None) -> Image.Image:
        """A picture, upright RGB. Decodes in place: for processes that are bounded themselves.

        ``at_least`` as in :func:`engines.pictures.open_rgb`.
        """
        try:
            return pictures.open_rgb(BytesIO(self.read(position)), at_least)
        except (pictures.PictureError, OSError, SyntaxError, ValueError, EOFError) as damage:
            raise PackError(f"picture {position} cannot be decoded: {damage}") from damage

    def pictures(self) -> Iterator[Image.Image]:
        """All pictures in order."""
        return map(self.picture, range(len(self)))


def write(
    path: Path, labels: Sequence[str], members: Sequence[Member], read: Callable[[int], bytes]
) -> None:
    """Pack ``members`` in their order; ``read`` gives a picture's bytes by its position.

    One picture at a time is in memory. OSError when it cannot be written.
    """
    contents = {
        "format": FORMAT,
        "labels": list(labels),
        "pictures": [asdict(member) for member in members],
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr(_entry(CONTENTS), json.dumps(contents, ensure_ascii=False, indent=1))
        for position, member in enumerate(members):
            packed.writestr(_entry(name_of(position, member)), read(position))


def described(contents: bytes) -> tuple[tuple[str, ...], tuple[Member, ...]]:
    """Labels and members from the bytes of ``dataset.json``, which may come from a stranger.
    :class:`PackError` when they are none of ours."""
    try:
        told = json.loads(contents)
        if told["format"] != FORMAT:
            raise PackError(f"format {told['format']} is not {FORMAT}")
        labels = tuple(told["labels"])
        members = tuple(Member(**member) for member in told["pictures"])
        for position, member in enumerate(members):
            name_of(position, member)
            name, label = cast(Any, member.name), cast(Any, member.label)
            known = label is None or (type(label) is int and 0 <= label < len(labels))
            if not (isinstance(name, str) and known):
                raise PackError(f"picture {position} has no name, or a label that is not there")
        if not all(isinstance(label, str) for label in labels):
            raise PackError("a label is no text")
    except (KeyError, TypeError, ValueError, RecursionError) as damage:
        raise PackError(f"this is no set of pictures of ours: {damage}") from damage
    return labels, members


def name_of(position: int, member: Member) -> str:
    """The name of a picture's file in the pack. KeyError for a type that no picture has."""
    suffix = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}[member.media_type]
    return f"pictures/{position:06}.{suffix}"


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, NO_DATE)
    entry.external_attr = 0o644 << 16
    entry.create_system = 3
    return entry
