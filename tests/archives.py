"""ZIP archives for tests: ordinary ones, and one of every hostile kind."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO

from engines.datasets import samples
from engines.pictures import encode_png

SIDE = 48


def art(style: str, index: int, side: int = SIDE) -> bytes:
    """A PNG of the sample art."""
    return encode_png(samples.draw(style, index, 1, side))


def labelled(per_style: int = 2, styles: int = 3, side: int = SIDE) -> dict[str, bytes]:
    """Pictures in sub-folders of one folder, by name."""
    return {
        f"set/{style}/{index}.png": art(style, index, side)
        for style in samples.STYLES[:styles]
        for index in range(per_style)
    }


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of these files."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _named(name: str) -> bytes:
    return zipped({"good.png": art("ink", 0), name: art("ink", 1)})


def _with_nul() -> bytes:
    return _named("good@../../x.png").replace(b"good@..", b"good\0..")


def _linked() -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link.png")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return buffer.getvalue()


def _encrypted() -> bytes:
    """The flag in both headers is all that a reader sees before it would ask for a password."""
    content = bytearray(zipped({"a.png": art("ink", 0)}))
    local, central = content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")
    content[local + 6] |= 1
    content[central + 8] |= 1
    return bytes(content)


def _twice() -> bytes:
    return zipped({"a/1.png": art("ink", 0), "a/2.png": art("ink", 1)}).replace(
        b"a/2.png", b"a/1.png"
    )


def _overlapping() -> bytes:
    """Many entries that are all the same bytes: D. Fifield's 'A better zip bomb', in small."""
    content = zipped({f"{n:03}.png": art("dots", 0, 128) for n in range(2)}, zipfile.ZIP_STORED)
    start = content.index(b"PK\x01\x02")
    entry = content[start : start + 46 + len("000.png")]
    many = b"".join(entry.replace(b"000.png", f"{n:03}.png".encode()) for n in range(50))
    end = bytearray(content[content.index(b"PK\x05\x06") :])
    end[8:12] = (50).to_bytes(2, "little") * 2
    end[12:16] = len(many).to_bytes(4, "little")
    return content[:start] + many + bytes(end)


HOSTILE: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "a path upwards": (lambda: _named("../outside.png"), "unsafe_path"),
    "a path upwards in the middle": (lambda: _named("a/../../outside.png"), "unsafe_path"),
    "an absolute path": (lambda: _named("/etc/outside.png"), "unsafe_path"),
    "a drive letter": (lambda: _named("C:/outside.png"), "unsafe_path"),
    "backslashes": (lambda: _named("..\\outside.png"), "unsafe_path"),
    "a share": (lambda: _named("\\\\host\\share\\x.png"), "unsafe_path"),
    "a NUL in a name": (_with_nul, "unsafe_path"),
    "letters that look like a path upwards": (lambda: _named("\uff0e\uff0e/x.png"), "unsafe_path"),
    "a letter that looks like a slash": (lambda: _named("a\uff0fb.png"), "unsafe_path"),
    "a reversed name": (lambda: _named("gnp.\u202egnp.exe"), "unsafe_path"),
    "a line break in a name": (lambda: _named("a\nb.png"), "unsafe_path"),
    "a symbolic link": (_linked, "link_in_archive"),
    "an encrypted file": (_encrypted, "encrypted_archive"),
    "an archive inside": (lambda: _named("more.zip"), "nested_archive"),
    "an archive inside under another name": (
        lambda: zipped({"a.png": zipped({"b.png": art("ink", 0)})}),
        "nested_archive",
    ),
    "a name twice": (_twice, "duplicate_name"),
    "another compression": (
        lambda: zipped({"a.png": art("ink", 0)}, zipfile.ZIP_LZMA),
        "archive_method",
    ),
    "a file that grows": (lambda: zipped({"a.png": bytes(8_000_000)}), "archive_grows"),
    "too much in all": (
        lambda: zipped({f"{n}.png": bytes(3_000_000) for n in range(5)}),
        "archive_too_large",
    ),
    "entries that share their bytes": (_overlapping, "damaged_archive"),
    "too many files": (
        lambda: zipped({f"{n}.png": b"" for n in range(20_001)}, zipfile.ZIP_STORED),
        "too_many_pictures",
    ),
    "a torso": (lambda: zipped({"a.png": art("ink", 0)})[:-30], "damaged_archive"),
    "no archive": (lambda: b"nothing of the kind", "not_an_archive"),
    "nothing in it": (lambda: zipped({}), "no_pictures"),
    "no picture in it": (lambda: zipped({"readme.txt": b"hello"}), "no_pictures"),
}
