"""Archives from strangers: what is in them is listed and read within bounds, never trusted.

Nothing is ever written under a name that an archive gives: names only become labels and words.
An archive that tries to lead out of its folder, to grow without measure or to hide what it holds
is refused as a whole, in words; a file that is merely no picture is somebody's oversight.
The format: PKWARE's APPNOTE.TXT 6.3.10, read by the standard library.
"""

from __future__ import annotations

import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from engines.kind import N_

MOST_PICTURES = 20_000
MOST_LABELS = 500
MOST_NAME = 200
# What is packed smaller than this share of itself is no picture: those are compressed already.
RATIO, RATIO_FROM = 200, 4_000_000
UNSORTED = "unsorted"
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".cbz", ".cbr")
ARCHIVE_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"\x1f\x8b")
LITTER_FOLDERS = frozenset({"__macosx", ".git", "@eadir", ".ipynb_checkpoints"})
LITTER_FILES = frozenset({".ds_store", "thumbs.db", "desktop.ini", "ehthumbs.db"})
ENCRYPTED, UTF8 = 0x1, 0x800
# Marks that let a name read otherwise than it is written: overrides of the direction, and joiners.
HIDING = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
DRIVE = re.compile(r"^[A-Za-z]:")

MESSAGES = {
    "not_an_archive": N_(
        "The upload is neither a ZIP archive nor pictures. Send a ZIP, or the pictures themselves."
    ),
    "damaged_archive": N_(
        "The archive is damaged, or its end is missing. Make it again and send it again."
    ),
    "archive_too_costly": N_(
        "Reading the list of what the archive holds took too much memory. Make a plain ZIP of the"
        " pictures alone."
    ),
    "unsafe_path": N_(
        "The archive holds '%(name)s', a path that leads out of its folder or hides what it is."
        " Make a new ZIP of the plain folder."
    ),
    "link_in_archive": N_(
        "The archive holds '%(name)s', a link or a special file. Put the pictures themselves in."
    ),
    "encrypted_archive": N_("'%(name)s' is encrypted. Make a ZIP without a password."),
    "nested_archive": N_(
        "The archive holds another archive, '%(name)s'. Unpack it and put its pictures in folders."
    ),
    "archive_method": N_(
        "'%(name)s' is compressed in a way that is not taken. Make an ordinary ZIP (deflate)."
    ),
    "duplicate_name": N_(
        "The archive holds '%(name)s' twice. Make a new ZIP in which every name is there once."
    ),
    "archive_grows": N_(
        "'%(name)s' would unpack to more than %(ratio)s times its size, as no picture does."
        " Take it out and make the ZIP again."
    ),
    "archive_too_large": N_(
        "Unpacked, it would be %(value)s bytes; at most %(limit)s are taken. Send fewer pictures."
    ),
    "too_many_pictures": N_(
        "It holds %(value)s files; at most %(limit)s are taken. Send fewer, or in several sets."
    ),
    "too_many_labels": N_(
        "It holds %(value)s sub-folders, each a label; at most %(limit)s are taken. Join some."
    ),
    "no_pictures": N_(
        "There is no picture in it that can be used. Send PNG, JPEG or WebP pictures."
    ),
    "upload_lost": N_("What you sent is stored no more. Send it again."),
    "check_failed": N_(
        "Checking it broke our side %(times)s times, so it was given up. Send it without its"
        " strangest files, or ask the administrator."
    ),
    "file_too_large": N_("The file has %(value)s bytes; at most %(limit)s are taken of a picture."),
    "unreadable_entry": N_("The archive is damaged at this file. Make it again."),
}


class ArchiveError(Exception):
    """A set that is refused as a whole. ``code`` is one of :data:`MESSAGES`."""

    def __init__(self, code: str, **values: Any) -> None:
        self.code, self.values = code, values
        super().__init__(MESSAGES[code] % values)


@dataclass(frozen=True)
class Entry:
    """A file of an archive: its name in words, the folders above it, and where it stands."""

    name: str
    folders: tuple[str, ...]
    info: zipfile.ZipInfo


class Archive:
    """A ZIP opened within bounds: at most ``most_bytes`` unpacked, and as many for one file as
    ``most_each``. Raises :class:`ArchiveError` for one that is refused as a whole."""

    def __init__(self, path: Path, most_bytes: int, most_each: int) -> None:
        self._most_each = most_each
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as damage:
            known = zipfile.is_zipfile(path) or _begins_as_zip(path)
            raise ArchiveError("damaged_archive" if known else "not_an_archive") from damage
        listed = self._zip.infolist()
        self.ignored = 0
        self.entries = self._entries(listed)
        _check_sizes(listed, path.stat().st_size, most_bytes)

    def read(self, entry: Entry) -> bytes:
        """The bytes of a file. :class:`EntryError` when they cannot be had, ArchiveError when it
        is an archive itself."""
        if entry.info.file_size > self._most_each:
            values = {"value": entry.info.file_size, "limit": self._most_each}
            raise EntryError("file_too_large", values)
        try:
            # The library reads no more than the size that the archive names, which is checked.
            content = self._zip.read(entry.info)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as damage:
            raise EntryError("unreadable_entry", {}) from damage
        if content.startswith(ARCHIVE_STARTS):
            raise ArchiveError("nested_archive", name=entry.name)
        return content

    def close(self) -> None:
        """Let go of the file."""
        self._zip.close()

    def _entries(self, listed: Sequence[zipfile.ZipInfo]) -> list[Entry]:
        if len(listed) > 2 * MOST_PICTURES:
            raise ArchiveError("too_many_pictures", value=len(listed), limit=MOST_PICTURES)
        found: dict[str, Entry] = {}
        for info in listed:
            name = _named(info)
            if info.flag_bits & ENCRYPTED:
                raise ArchiveError("encrypted_archive", name=shown(name))
            parts = _checked_path(name, info)
            if info.is_dir():
                continue
            if _is_litter(parts):
                self.ignored += 1
                continue
            if info.compress_type not in METHODS:
                raise ArchiveError("archive_method", name=shown(name))
            if parts[-1].lower().endswith(ARCHIVES):
                raise ArchiveError("nested_archive", name=shown(name))
            key = "/".join(parts)
            if key in found:
                raise ArchiveError("duplicate_name", name=shown(name))
            found[key] = Entry(shown(key), tuple(map(shown, parts[:-1])), info)
        if len(found) > MOST_PICTURES:
            raise ArchiveError("too_many_pictures", value=len(found), limit=MOST_PICTURES)
        return list(found.values())


class EntryError(Exception):
    """One file cannot be had; the others can. ``code`` is one of :data:`MESSAGES`."""

    def __init__(self, code: str, values: dict[str, Any]) -> None:
        self.code, self.values = code, values
        super().__init__(MESSAGES[code] % values)


def labels_of(folders: Sequence[tuple[str, ...]], known: Collection[str] = ()) -> list[str | None]:
    """The label of each picture from the folders it lies in; None for all in a set without.

    A folder around everything says nothing and is left out, unless it is a ``known`` label; then
    the outermost folder counts. Beside labelled pictures those in no folder are ``unsorted``.
    """
    while folders and folders[0] and folders[0][0] not in known:
        if any(each[:1] != folders[0][:1] for each in folders):
            break
        folders = [each[1:] for each in folders]
    outermost = [each[0] if each else None for each in folders]
    if not known and not any(outermost):
        return [None] * len(outermost)
    labels = [label or UNSORTED for label in outermost]
    if (many := len({*labels, *known})) > MOST_LABELS:
        raise ArchiveError("too_many_labels", value=many, limit=MOST_LABELS)
    return list(labels)


def shown(name: str) -> str:
    """A stranger's name reduced to something to show; it is never used as a path."""
    kept = (char for char in name if unicodedata.category(char)[0] != "C" and char != '"')
    return unicodedata.normalize("NFC", "".join(kept)).strip()[-MOST_NAME:] or "picture"


def _begins_as_zip(path: Path) -> bool:
    """Whether it was a ZIP once: what is cut short has lost the list at its end, not its start."""
    with path.open("rb") as opened:
        return opened.read(len(ARCHIVE_STARTS[0])) == ARCHIVE_STARTS[0]


def _named(info: zipfile.ZipInfo) -> str:
    """The name as it was meant: archives of Chinese Windows and of old tools do not say their
    code, and only their bytes tell."""
    # The library cuts a name at NUL; what stands behind it is part of the judgement.
    name = info.orig_filename
    if info.flag_bits & UTF8:
        return name
    try:
        raw = name.encode("cp437")
    except UnicodeEncodeError:
        return name
    for code in ("utf-8", "gb18030"):
        try:
            return raw.decode(code)
        except UnicodeDecodeError:
            continue
    return name


def _checked_path(name: str, info: zipfile.ZipInfo) -> tuple[str, ...]:
    mode = info.external_attr >> 16
    kind = stat.S_IFMT(mode) if info.create_system == 3 else 0
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveError("link_in_archive", name=shown(name))
    plain = name.replace("\\", "/")
    # Letters that only look like dots and slashes must not stand for them anywhere else.
    folded = unicodedata.normalize("NFKC", plain)
    hides = HIDING.search(name) or any(unicodedata.category(char) in ("Cc", "Cs") for char in name)
    unsafe = (
        hides
        or folded.startswith("/")
        or DRIVE.match(folded)
        or ".." in folded.split("/")
        or folded.count("/") != plain.count("/")
        or ".." in plain.split("/")
    )
    parts = tuple(part for part in PurePosixPath(plain).parts if part != ".")
    if unsafe or not parts or len(name) > 1024:
        raise ArchiveError("unsafe_path", name=shown(name))
    return parts


def _is_litter(parts: Iterable[str]) -> bool:
    """What systems leave in folders without being asked."""
    lowered = [part.lower() for part in parts]
    last = lowered[-1]
    return (
        last in LITTER_FILES or last.startswith("._") or not LITTER_FOLDERS.isdisjoint(lowered[:-1])
    )


def _check_sizes(listed: Sequence[zipfile.ZipInfo], size: int, most: int) -> None:
    for info in listed:
        if info.file_size > RATIO_FROM and info.file_size > RATIO * max(1, info.compress_size):
            raise ArchiveError("archive_grows", name=shown(_named(info)), ratio=RATIO)
    total = sum(info.file_size for info in listed)
    if total > most:
        raise ArchiveError("archive_too_large", value=total, limit=most)
    # Entries that share their bytes: the other way to make much of little.
    if sum(info.compress_size for info in listed) > size:
        raise ArchiveError("damaged_archive")
