"""The check of a set: what is kept, what is left out, and what is said of it."""

from __future__ import annotations

import json
import os
import signal
import threading
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from engines import pictures
from engines.datasets import album, likeness, samples
from engines.datasets.examination import Checked, Found, examine, of_archive, of_pack
from engines.datasets.pack import Pack
from engines.datasets.reading import Reader
from engines.datasets.unpacking import Archive
from engines.pictures import PictureError
from tests.archives import art, labelled, zipped


def checked(folder: Path, files: dict[str, bytes], **how: Any) -> Checked:
    """The check of an archive of these files."""
    folder.mkdir(exist_ok=True)
    (folder / "upload.zip").write_bytes(zipped(files))
    archive = Archive(folder / "upload.zip", 10**8, 10**7)
    earlier = how.pop("earlier", [])
    return examine(earlier, of_archive(archive), folder, lambda _done, _total: None, **how)


def saved(picture: Image.Image, form: str, **how: Any) -> bytes:
    """A picture saved anew."""
    buffer = BytesIO()
    picture.save(buffer, form, **how)
    return buffer.getvalue()


def warned(made: Checked) -> dict[str, Any]:
    """The warnings by code."""
    return {each["code"]: each["values"] for each in made.report["warnings"]}


def test_a_set_becomes_a_pack_an_album_and_a_contact_sheet(tmp_path: Path) -> None:
    made = checked(tmp_path, labelled(per_style=3))
    with Pack(made.pack) as opened:
        assert opened.labels == tuple(sorted(samples.STYLES[:3]))
        assert [opened.labels[member.label or 0] for member in opened.members] == sorted(
            3 * samples.STYLES[:3]
        )
        assert opened.read(0) in labelled(per_style=3).values()
    with made.album.open("rb") as listed:
        read = album.read(listed)
        small = Image.open(BytesIO(read.thumbnail(listed, 8)))
    assert [shown.name for shown in read.pictures[:3]] == ["0.png", "1.png", "2.png"]
    assert small.size == (48, 48)
    with Image.open(made.sheet) as sheet:
        assert sheet.width > sheet.height
    assert made.report["pictures"] == 9
    assert made.report["labels"] == dict.fromkeys(sorted(samples.STYLES[:3]), 3)
    assert made.report["disk"]["64"] == 9 * 64 * 64 * 3


@pytest.mark.parametrize("count", [1, 2, 5, 7, 10, 12, 31, 33])
def test_a_contact_sheet_has_no_empty_place_and_leaves_few_out(count: int) -> None:
    columns, rows = album.sheet_shape(count)
    assert count == 1 or columns > rows
    assert min(count, 32) - columns * rows <= 3
    red = BytesIO()
    Image.new("RGB", (48, 48), "red").save(red, "JPEG")
    made = album.contact_sheet([None] * count, lambda position: red.getvalue())
    with Image.open(BytesIO(made)) as sheet:
        corner = sheet.getpixel((sheet.width - 2, sheet.height - 2))
    assert isinstance(corner, tuple)
    assert corner[0] > 200
    assert corner[1] < 60


def test_the_same_pictures_make_the_same_pack_whatever_order_they_came_in(tmp_path: Path) -> None:
    files = labelled()
    backwards = dict(reversed(list(files.items())))
    renamed = {name.replace("set/", "another/"): content for name, content in backwards.items()}
    first, again = checked(tmp_path / "a", files), checked(tmp_path / "b", renamed)
    assert first.pack.read_bytes() == again.pack.read_bytes()
    assert first.album.read_bytes() == again.album.read_bytes()


def test_a_pack_that_is_brought_again_has_its_names_and_labels_again(tmp_path: Path) -> None:
    first = checked(tmp_path / "a", labelled())
    archive = Archive(first.pack, 10**8, 10**7)
    (tmp_path / "b").mkdir()
    again = examine([], of_archive(archive), tmp_path / "b", lambda _done, _total: None)
    assert again.pack.read_bytes() == first.pack.read_bytes()
    assert again.report["unreadable"]["count"] == 0


@pytest.mark.parametrize(
    "told",
    [
        {"labels": ["ink"], "pictures": []},
        {"format": 2, "labels": [], "pictures": []},
        {"format": 1, "labels": ["ink"], "pictures": [7]},
        {"format": 1, "labels": ["ink"], "pictures": [{"name": "a.png", "label": 1}]},
        {"format": 1, "labels": [7], "pictures": [{"name": "a.png", "label": 0}]},
        {"format": 1, "labels": ["ink"], "pictures": [{"name": "a.png", "label": 0.0}]},
        {"format": 1, "labels": ["ink"], "pictures": [{"name": [], "label": 0}]},
        [1],
    ],
    ids=[
        "no format",
        "another",
        "no entry",
        "far label",
        "no text",
        "no number",
        "no name",
        "list",
    ],
)
def test_what_only_looks_like_a_pack_is_a_file_like_others(tmp_path: Path, told: Any) -> None:
    entry = {"media_type": "image/png", "width": 48, "height": 48}
    if isinstance(told, dict):
        told["pictures"] = [
            {**entry, **each} if isinstance(each, dict) else each for each in told["pictures"]
        ]
    files = {f"pictures/{n:06}.png": art("ink", n) for n in range(2)}
    made = checked(tmp_path, {"dataset.json": json.dumps(told).encode(), **files})
    assert made.report["pictures"] == 2
    assert made.report["labels"] == {}
    (left_out,) = made.report["unreadable"]["shown"]
    assert (left_out["name"], left_out["code"]) == ("dataset.json", "not_a_picture")


def test_names_in_a_pack_from_a_stranger_are_only_words(tmp_path: Path) -> None:
    entry = {"media_type": "image/png", "width": 48, "height": 48}
    pictures = [
        {**entry, "name": "../../etc/x\u202e.png", "label": 0},
        {**entry, "name": "", "label": 1},
    ]
    told = {"format": 1, "labels": ["../up", "plain"], "pictures": pictures}
    files = {f"pictures/{n:06}.png": art("ink", n) for n in range(2)}
    made = checked(tmp_path, {"dataset.json": json.dumps(told).encode(), **files})
    with Pack(made.pack) as opened:
        assert opened.labels == ("../up", "plain")
        assert [member.name for member in opened.members] == ["x.png", "picture"]


def test_copies_are_left_out_and_told(tmp_path: Path) -> None:
    files = labelled()
    content = files["set/flow-fields/0.png"]
    made = checked(tmp_path, {**files, "set/ink/copy.png": content})
    assert made.report["pictures"] == len(files)
    assert made.report["duplicates"]["count"] == 1
    assert warned(made)["two_labels"] == {"count": 1}
    names = {"set/flow-fields/0.png", "set/ink/copy.png"}
    assert set(made.report["duplicates"]["shown"][0]) == names


def test_look_alikes_are_kept_and_told_by_their_names(tmp_path: Path) -> None:
    files = labelled()
    with Image.open(BytesIO(files["set/flow-fields/0.png"])) as drawn:
        files["set/flow-fields/small.png"] = saved(drawn.resize((40, 40)), "PNG")
    near = checked(tmp_path, files).report["near_duplicates"]
    assert near["count"] == 1
    assert sorted(near["shown"][0]) == ["set/flow-fields/0.png", "set/flow-fields/small.png"]
    assert [len(pair) for pair in near["positions"]] == [2]


@pytest.mark.parametrize("style", samples.STYLES)
def test_a_smaller_or_coarser_copy_is_seen_and_another_work_is_not(style: str) -> None:
    """Of every style: what is made from a picture is near it, other pictures of the style are
    not."""
    drawn = [samples.draw(style, index, 4, 160) for index in range(5)]
    copies = [
        drawn[0].resize((80, 80), Image.Resampling.BICUBIC),
        Image.open(BytesIO(saved(drawn[1], "JPEG", quality=40))).convert("RGB"),
        Image.open(BytesIO(saved(drawn[2].resize((117, 117)), "WEBP", quality=60))).convert("RGB"),
    ]
    found = likeness.pairs([likeness.likeness(each) for each in [*drawn, *copies]])
    assert found == [(0, 5), (1, 6), (2, 7)]


def test_every_look_alike_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness.Likeness, "near", lambda *_: True)
    same = likeness.Likeness(0, b"", b"")
    assert likeness.pairs([same] * 600) == [(0, position) for position in range(1, 600)]


def test_what_is_no_picture_is_named_with_the_reason(tmp_path: Path) -> None:
    strange = {
        "set/ink/readme.txt": b"hello",
        "set/ink/torso.png": art("ink", 7)[:400],
        "set/ink/tiny.png": saved(Image.new("RGB", (8, 8)), "PNG"),
        "set/ink/empty.jpg": b"",
    }
    made = checked(tmp_path, {**labelled(), **strange})
    told = {each["name"]: each["code"] for each in made.report["unreadable"]["shown"]}
    assert told == {
        "set/ink/readme.txt": "not_a_picture",
        "set/ink/torso.png": "unreadable_picture",
        "set/ink/tiny.png": "picture_too_small",
        "set/ink/empty.jpg": "empty_file",
    }
    assert warned(made)["unreadable"] == {"count": 4}


def test_a_beginner_is_warned_of_what_will_disappoint(tmp_path: Path) -> None:
    files = {f"set/dots/{n}.png": art("dots", n) for n in range(24)}
    wide = saved(Image.new("RGB", (400, 100), "teal"), "PNG")
    made = checked(tmp_path, {**files, "set/ink/0.png": art("ink", 0), "set/lost.png": wide})
    found = warned(made)
    assert found["very_few"] == {"count": 26, "better": 200}
    assert found["uneven"]["most"] == "dots"
    assert found["uneven"]["least_count"] == 1
    assert found["thin"]["labels"] == "ink, unsorted"
    assert found["unsorted"] == {"count": 1}
    assert found["small"]["count"] == 26


def test_pictures_are_added_to_an_earlier_version(tmp_path: Path) -> None:
    first = checked(tmp_path / "a", labelled(styles=2))
    with Pack(first.pack) as opened:
        more = {"more/5.png": art("flow-fields", 5), "flow-fields/6.png": art("flow-fields", 6)}
        second = checked(tmp_path / "b", more, earlier=of_pack(opened))
    assert second.report["labels"] == {"colour-grids": 2, "flow-fields": 3, "more": 1}
    assert second.report["pictures"] == 6


def test_one_child_reads_many_pictures_and_is_begun_anew_when_one_kills_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, thumbnail = tmp_path / "picture", tmp_path / "small.jpg"
    path.write_bytes(art("dots", 0))
    with Reader() as reader:
        first = reader.look(path, thumbnail)
        child = reader._child
        assert child is not None
        assert reader.look(path, thumbnail) is not first
        assert reader._child is child, "a child for each picture"
        # The request is taken, and then somebody else ends the child: no fault of the picture's.
        os.kill(child.pid, signal.SIGSTOP)
        threading.Timer(0.3, os.kill, (child.pid, signal.SIGKILL)).start()
        assert reader.look(path, thumbnail).facts == first.facts
        assert reader._child is not child
        with pytest.raises(OSError, match="could not be written"):
            reader.look(path, tmp_path / "nowhere" / "small.jpg")
        answered, asked = pictures.answered, []

        def silent(child: Any, line: bytes) -> Any:
            asked.append(line)
            raise OSError("the child said nothing")

        monkeypatch.setattr(pictures, "answered", silent)
        with pytest.raises(PictureError) as refused:
            reader.look(path, thumbnail)
        assert (refused.value.code, len(asked)) == ("decoding_too_costly", 2)
        monkeypatch.setattr(pictures, "answered", answered)
        assert reader.look(path, thumbnail).facts == first.facts


def test_a_picture_that_wants_too_much_is_counted_and_the_next_one_is_read(
    tmp_path: Path,
) -> None:
    """A header that claims more pixels than are taken, and a file that is a bomb inside."""
    huge = bytearray(art("ink", 0))
    huge[16:24] = (60_000).to_bytes(4, "big") * 2
    made = checked(tmp_path, {"a.png": bytes(huge), "b.png": art("ink", 1)})
    assert made.report["pictures"] == 1
    assert made.report["unreadable"]["count"] == 1


def test_progress_is_told_to_the_last_picture(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    content = art("ink", 0)
    found = [Found(f"{n}.png", (), lambda: content) for n in range(130)]
    examine([], found, tmp_path, lambda done, total: told.append((done, total)))
    assert told == [(64, 130), (128, 130), (130, 130)]
