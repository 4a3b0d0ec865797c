"""The check of a set: every picture looked at, copies left out, the rest packed. No torch here.

What comes out follows from the pictures, their names and folders alone, whatever order they came
in and on whatever machine: the same set always becomes the same pack.
"""

from __future__ import annotations

import hashlib
import os
import queue
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from engines.datasets import album, likeness, pack
from engines.datasets.reading import Look, Reader
from engines.datasets.report import Findings, Fit, Unfit, report
from engines.datasets.unpacking import (
    UNSORTED,
    Archive,
    ArchiveError,
    EntryError,
    labels_of,
    shown,
)
from engines.pictures import PictureError

MOST_READERS = 4
FEW = 64
# More than the list of a pack of the most pictures with the longest names.
MOST_CONTENTS = 64_000_000
NUMBERS = re.compile(r"([0-9]{1,18})")

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Found:
    """A file that may be a picture: its name in words, the folders above it, and a way to its
    bytes, which may raise :class:`engines.datasets.unpacking.EntryError`."""

    name: str
    folders: tuple[str, ...]
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Checked:
    """A set that may be trained on, as files: the pack, the album, the contact sheet; and what to
    say of it."""

    pack: Path
    album: Path
    sheet: Path
    report: dict[str, Any]


@dataclass
class _Picture:
    """A picture that was looked at."""

    found: Found
    sha256: str
    size: int
    look: Look
    thumbnail: Path
    label: str | None = None

    @property
    def file_name(self) -> str:
        return PurePosixPath(self.found.name).name

    @property
    def order(self) -> tuple[str, list[str | int], str]:
        """By label, then as people count: 2 before 10."""
        parts: list[str | int] = list(NUMBERS.split(self.file_name))
        parts[1::2] = map(int, parts[1::2])
        return self.label or "", parts, self.sha256


def of_archive(archive: Archive) -> list[Found]:
    """What an archive holds, in the order of its names. A pack of a studio's is what that studio
    was brought: its pictures have their names and labels again."""
    entries = sorted(archive.entries, key=lambda entry: entry.name)
    known = _described(archive)
    if known:
        entries = [entry for entry in entries if entry.name != pack.CONTENTS]
    return [
        Found(
            *known.get(entry.name, (entry.name, entry.folders)),
            read=partial(archive.read, entry),
        )
        for entry in entries
    ]


def _described(archive: Archive) -> dict[str, tuple[str, tuple[str, ...]]]:
    """By the names of a pack's files: what its pictures are called and the label as their folder.
    Nothing where it is no pack."""
    contents = [entry for entry in archive.entries if entry.name == pack.CONTENTS]
    if not contents or contents[0].info.file_size > MOST_CONTENTS:
        return {}
    try:
        labels, members = pack.described(archive.read(contents[0]))
    except (pack.PackError, EntryError):
        return {}
    return {
        pack.name_of(position, member): (
            shown(member.name),
            () if member.label is None else (shown(labels[member.label]),),
        )
        for position, member in enumerate(members)
    }


def of_folder(folder: Path) -> list[Found]:
    """The files of a folder of our own."""
    return [
        Found(str(path.relative_to(folder)), path.relative_to(folder).parts[:-1], path.read_bytes)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def of_pack(opened: pack.Pack) -> list[Found]:
    """The pictures of an earlier version of the set."""
    return [
        Found(
            member.name,
            () if member.label is None else (opened.labels[member.label],),
            partial(opened.read, position),
        )
        for position, member in enumerate(opened.members)
    ]


def examine(
    earlier: Sequence[Found],
    brought: Sequence[Found],
    folder: Path,
    tell: Tell,
    *,
    ignored: int = 0,
) -> Checked:
    """Look at everything and pack what is fit into ``folder``.

    ``earlier`` are the pictures of the version that ``brought`` ones are added to. ``tell`` hears
    how many of all have been looked at. Raises :class:`ArchiveError` when the set is refused as a
    whole, OSError when ``folder`` cannot be written.
    """
    pictures, unfit = _looked_at([*earlier, *brought], folder, tell)
    if not pictures:
        raise ArchiveError("no_pictures")
    _label(pictures, earlier)
    kept, twice, two_labels = _once(pictures)
    kept.sort(key=lambda picture: picture.order)
    found = Findings(
        fit=[_fit(picture) for picture in kept],
        unfit=unfit,
        twice=twice,
        two_labels=two_labels,
        near=likeness.pairs([picture.look.likeness for picture in kept]),
        ignored=ignored,
        seconds=sum(picture.look.seconds for picture in kept),
    )
    return _written(kept, folder, report(found))


def _looked_at(
    everything: Sequence[Found], folder: Path, tell: Tell
) -> tuple[list[_Picture], list[Unfit]]:
    """Each file read and decoded, by a few bounded children at a time."""
    count = min(MOST_READERS, len(os.sched_getaffinity(0)))
    readers: queue.SimpleQueue[Reader] = queue.SimpleQueue()
    for _ in range(count):
        readers.put(Reader())

    def look(position: int) -> _Picture | Unfit:
        reader = readers.get()
        try:
            return _look(everything[position], folder / f"{position:06}", reader)
        finally:
            readers.put(reader)

    pictures: list[_Picture] = []
    unfit: list[Unfit] = []
    with ThreadPoolExecutor(count) as hands:
        try:
            for few in _few(len(everything)):
                for seen in hands.map(look, few):
                    if isinstance(seen, Unfit):
                        unfit.append(seen)
                    else:
                        pictures.append(seen)
                tell(few[-1] + 1, len(everything))
        finally:
            hands.shutdown(cancel_futures=True)
            for _ in range(count):
                readers.get().close()
    return pictures, unfit


def _few(count: int) -> Iterator[range]:
    for start in range(0, count, FEW):
        yield range(start, min(count, start + FEW))


def _look(found: Found, draft: Path, reader: Reader) -> _Picture | Unfit:
    thumbnail = draft.with_suffix(".jpg")
    try:
        content = found.read()
        draft.write_bytes(content)
        look = reader.look(draft, thumbnail)
    except (EntryError, PictureError) as refused:
        return Unfit(found.name, refused.code, refused.values)
    finally:
        draft.unlink(missing_ok=True)
    sha256 = hashlib.sha256(content).hexdigest()
    return _Picture(found, sha256, len(content), look, thumbnail)


def _label(pictures: Sequence[_Picture], earlier: Sequence[Found]) -> None:
    """Labels of what was brought; those of the earlier version stay as they are."""
    old = {id(found) for found in earlier}
    known = {found.folders[0] for found in earlier if found.folders}
    fresh = [picture for picture in pictures if id(picture.found) not in old]
    labels = labels_of([picture.found.folders for picture in fresh], known)
    for picture, label in zip(fresh, labels, strict=True):
        picture.label = label
    labelled = any(label is not None for label in labels) or bool(known)
    for picture in pictures:
        if id(picture.found) in old and labelled:
            picture.label = picture.found.folders[0] if picture.found.folders else UNSORTED


def _once(
    pictures: Sequence[_Picture],
) -> tuple[list[_Picture], list[tuple[str, str]], int]:
    """Each content once; which were left out for which, and how many of those had another label."""
    kept: dict[str, _Picture] = {}
    twice: list[tuple[str, str]] = []
    two_labels = 0
    for picture in pictures:
        first = kept.setdefault(picture.sha256, picture)
        if first is not picture:
            twice.append((first.found.name, picture.found.name))
            two_labels += first.label != picture.label
    return list(kept.values()), twice, two_labels


def _fit(picture: _Picture) -> Fit:
    facts = picture.look.facts
    return Fit(picture.found.name, picture.label, facts.width, facts.height, picture.size)


def _written(kept: Sequence[_Picture], folder: Path, told: dict[str, Any]) -> Checked:
    labels = sorted({picture.label for picture in kept if picture.label is not None})
    numbers = [None if each.label is None else labels.index(each.label) for each in kept]
    members = [
        pack.Member(each.file_name, number, facts.media_type, facts.width, facts.height)
        for each, number in zip(kept, numbers, strict=True)
        for facts in [each.look.facts]
    ]
    made = Checked(folder / "pack.zip", folder / "album", folder / "sheet.jpg", told)
    pack.write(made.pack, labels, members, lambda position: kept[position].found.read())
    listed = [(member.name, member.label, member.width, member.height) for member in members]
    album.write(made.album, labels, listed, [picture.thumbnail for picture in kept])
    sheet = album.contact_sheet(numbers, lambda position: kept[position].thumbnail.read_bytes())
    made.sheet.write_bytes(sheet)
    return made
