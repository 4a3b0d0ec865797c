"""Datasets on a real studio: from the command line to the keeper's child and back, also when
that child, or the keeper itself, is killed in the middle."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from atelier.client import Studio
from atelier.local import Stack
from atelier.problems import TransferError
from tests.archives import HOSTILE, art, labelled, zipped
from tests.atelier.conftest import Cli
from tests.atelier.watching import until

PATIENCE = 60.0


def _unpacked(folder: Path) -> Path:
    for name, content in labelled().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        os.utime(folder / name, (0, 0))  # as of a camera whose clock was never set
    return folder / "set"


def test_a_folder_becomes_a_dataset_and_its_report_is_told(cli: Cli, tmp_path: Path) -> None:
    said = cli("datasets", "add", _unpacked(tmp_path), "--name", "Three", "--licence", "CC0")
    assert said.status == 0, said.err
    assert "ready" in said.out
    assert "colour-grids: 2" in said.out
    assert "200 or more are better" in said.out
    listed = cli("datasets", "list", "--json").document["results"]
    assert [row["name"] for row in listed] == ["Three"]
    shown = cli("datasets", "show", listed[0]["id"], "--json").document
    assert shown["report"]["pictures"] == 6
    more = cli("datasets", "add", tmp_path / "set/ink.png", "--json", "--parent", shown["id"])
    assert more.status == 2, "a file that is not there"
    assert cli("datasets", "delete", shown["id"]).status == 0
    assert cli("datasets", "show", shown["id"]).status == 2


def test_a_dataset_is_named_wherever_its_id_would_do(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(HOSTILE["a torso"][0]())
    torso = cli("datasets", "add", tmp_path / "bad.zip")
    assert torso.status == 1
    assert "its end is missing" in torso.out, "and not that it lies in an archive"
    given = cli("submit", "gan_training", "--dataset", "bad")
    assert (given.status, "its end is missing" in given.err) == (2, True), given.err
    assert cli("datasets", "delete", "bad").status == 0, "also one that no job may be given"
    first = cli("datasets", "add", _unpacked(tmp_path), "--name", "Three", "--json").document
    (tmp_path / "more.png").write_bytes(art("dots", 9))
    added = cli("datasets", "add", tmp_path / "more.png", "--name", "Four", "--parent", "Three")
    assert added.status == 0, added.err
    assert "pictures  7" in cli("datasets", "show", "Four").out
    noted = cli("datasets", "change", "Four", "--licence", "CC0", "--json").document
    assert (noted["name"], noted["licence"]) == ("Four", "CC0")
    assert "Nothing is noted" not in cli("datasets", "change", "Four", "--name", "Seven").out
    assert cli("datasets", "change", "Seven").status == 2, "nothing to change"
    saved = cli("datasets", "download", "Seven")
    assert saved.out.strip() == "Seven.zip", saved.err
    assert cli("datasets", "download", "Seven").status == 2, "never over another file"
    back = cli("datasets", "add", tmp_path / "Seven.zip", "--name", "Back", "--json").document
    assert back["sha256"] == noted["sha256"], "its names and labels came back"
    unknown = cli("datasets", "show", "Thre")
    assert unknown.status == 2
    assert "Nearly so: 'Three'" in unknown.err
    assert cli("datasets", "delete", "Three", "--json").document == {"deleted": first["id"]}


def test_copies_and_the_disk_that_is_needed_are_told(cli: Cli, tmp_path: Path) -> None:
    folder = _unpacked(tmp_path)
    content = (folder / "flow-fields/0.png").read_bytes()
    (folder / "flow-fields/zz.png").write_bytes(content)
    said = cli("datasets", "add", folder).out
    assert "left out  flow-fields/zz.png: It is the same as flow-fields/0.png." in said
    assert f"{6 * 3 * 64 * 64} at 64 px" in said


def test_a_refused_set_ends_in_words_and_a_failure(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(HOSTILE["a path upwards"][0]())
    said = cli("datasets", "add", tmp_path / "bad.zip")
    assert said.status == 1
    assert "leads out of its folder" in said.out


def test_sample_art_is_drawn_into_a_folder_or_by_the_studio(cli: Cli, tmp_path: Path) -> None:
    few = ("--per-style", "1", "--size", "32")
    said = cli("datasets", "sample", tmp_path / "art", *few)
    assert said.status == 0, said.err
    assert len(list((tmp_path / "art").glob("*/*.png"))) == 7
    drawn = cli("datasets", "sample", "--upload", *few, "--json").document
    assert drawn["report"]["pictures"] == 7
    assert cli("datasets", "sample").status == 2


def test_an_upload_is_streamed_and_one_too_large_is_not_begun(
    studio: Studio, tmp_path: Path
) -> None:
    archive = tmp_path / "set.zip"
    archive.write_bytes(zipped(labelled()))
    made = studio.add_dataset(archive, name='a "quoted"\r\nname')
    assert made["name"].startswith("a ")
    known = studio.datasets(limit=1)["limits"]["upload_bytes"]
    with archive.open("r+b") as grown:
        grown.truncate(known + 1)  # a hole: it takes no room
    with pytest.raises(TransferError, match=str(known)):
        studio.add_dataset(archive)


def _checks(dataset_id: str) -> dict[int, str]:
    """The processes that check a dataset, with their parents' command lines."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes().decode().split("\0")
            parent = (place / "stat").read_text().rpartition(")")[2].split()[1]
            if "jobs.stored.checking" in command and dataset_id in command:
                found[int(place.name)] = parent
        except OSError:
            continue
    return found


def _first(look: Callable[[], dict[int, str]]) -> tuple[int, int]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for pid, parent in look().items():
            return pid, int(parent)
        time.sleep(0.01)
    raise AssertionError("no check began")


def test_a_check_that_is_killed_with_its_keeper_and_then_alone_comes_to_its_end(
    stack: Stack, studio: Studio, tmp_path: Path
) -> None:
    """And nothing of the first try outlives the keeper."""
    archive = tmp_path / "set.zip"
    with ZipFile(archive, "w") as packed:
        content = art("dots", 0, 32)
        for number in range(300):  # copies: cheap to make, and still all of them are looked at
            packed.writestr(f"{number}.png", content)
        packed.writestr("other.png", art("ink", 0, 32))
    id_ = studio.add_dataset(archive)["id"]
    check, keeper = _first(lambda: _checks(id_))
    os.kill(keeper, signal.SIGKILL)
    until(lambda: check not in _checks(id_), PATIENCE, "end of the check with its keeper")

    def tended() -> dict[int, str]:
        stack.turn(0.01)  # it starts what died anew
        return _checks(id_)

    second, parent = _first(tended)
    assert parent != keeper
    os.kill(second, signal.SIGKILL)
    states = [row["status"] for row in studio.watch_dataset(id_)]
    assert states[-1] == "ready"
    done = studio.dataset(id_)
    assert done["report"] is not None
    assert (done["report"]["pictures"], done["report"]["duplicates"]["count"]) == (2, 299)
