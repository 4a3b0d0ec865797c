"""Archives from strangers: the hostile are refused in words, the careless are understood."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from engines.datasets import unpacking
from engines.datasets.examination import examine, of_archive
from engines.datasets.unpacking import Archive, ArchiveError, EntryError, labels_of
from tests.archives import HOSTILE, art, labelled, zipped

MOST_BYTES, MOST_EACH = 10_000_000, 9_000_000


def opened(folder: Path, content: bytes) -> Archive:
    """An archive of these bytes."""
    path = folder / "upload.zip"
    path.write_bytes(content)
    return Archive(path, MOST_BYTES, MOST_EACH)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused_in_words_that_say_what_to_do(
    kind: str, tmp_path: Path
) -> None:
    make, code = HOSTILE[kind]
    before = set(tmp_path.parent.iterdir())
    with pytest.raises(ArchiveError) as refused:
        examine([], of_archive(opened(tmp_path, make())), tmp_path, lambda _done, _total: None)
    assert refused.value.code == code
    assert str(refused.value).endswith(".")
    assert "%(" not in str(refused.value)
    assert set(tmp_path.parent.iterdir()) == before, "something was written outside"


def test_what_systems_leave_in_folders_is_ignored(tmp_path: Path) -> None:
    litter = ("__MACOSX/set/._1.png", "set/.DS_Store", "set/Thumbs.db", "set/a/._2.png")
    archive = opened(tmp_path, zipped({**labelled(), **dict.fromkeys(litter, b"litter")}))
    assert len(archive.entries) == 6
    assert archive.ignored == len(litter)


def test_a_file_that_is_damaged_inside_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    content = zipped({"a.png": art("ink", 0), "b.png": art("ink", 1)}, zipfile.ZIP_STORED)
    at = content.index(b"\x89PNG") + 40
    archive = opened(tmp_path, content[:at] + b"broken" + content[at + 6 :])
    with pytest.raises(EntryError, match="damaged"):
        archive.read(archive.entries[0])
    assert archive.read(archive.entries[1]) == art("ink", 1)


def test_a_file_larger_than_a_picture_may_be_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "upload.zip").write_bytes(zipped({"a.png": art("dots", 0)}))
    archive = Archive(tmp_path / "upload.zip", MOST_BYTES, 100)
    with pytest.raises(EntryError, match="at most 100"):
        archive.read(archive.entries[0])


@pytest.mark.parametrize("code", ["utf-8", "gb18030"])
def test_chinese_names_are_read_also_where_the_archive_does_not_say_their_code(
    code: str, tmp_path: Path
) -> None:
    """Windows writes GBK without a word; old tools write UTF-8 without the flag."""
    raw = "水墨画/山水.png".encode(code)
    content = zipped({"a" * len(raw): art("ink", 0)}).replace(b"a" * len(raw), raw)
    archive = opened(tmp_path, content)
    assert archive.entries[0].name == "水墨画/山水.png"
    assert archive.entries[0].folders == ("水墨画",)


@pytest.mark.parametrize(
    ("folders", "known", "labels"),
    [
        ([("a",), ("b",)], (), ["a", "b"]),
        ([("set", "a"), ("set", "b", "deep")], (), ["a", "b"]),
        ([("set",), ("set",)], (), [None, None]),
        ([(), ()], (), [None, None]),
        ([("a",), ()], (), ["a", "unsorted"]),
        ([("a",), ("a",)], ("a", "b"), ["a", "a"]),
        ([("new",), ("new",)], ("a",), ["unsorted", "unsorted"]),
        ([], (), []),
    ],
)
def test_the_outermost_folder_that_tells_pictures_apart_is_their_label(
    folders: list[tuple[str, ...]], known: tuple[str, ...], labels: list[str | None]
) -> None:
    assert labels_of(folders, known) == labels


def test_too_many_labels_are_refused() -> None:
    with pytest.raises(ArchiveError, match="501 sub-folders"):
        labels_of([(str(number),) for number in range(unpacking.MOST_LABELS + 1)])
