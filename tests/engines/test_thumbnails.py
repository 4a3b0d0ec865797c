"""Small pictures come from a child, which no picture can take from whoever asked."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from engines.bounds import BrokenError
from engines.pictures import PictureError
from engines.thumbnails import Pen


@pytest.fixture
def pen() -> Iterator[Pen]:
    made = Pen()
    yield made
    made.close()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.new("RGB", (400, 100), "teal").save(path)
    return path


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as opened:
        return opened.size


def child_of(pen: Pen) -> int:
    assert pen._child is not None
    return pen._child.pid


def test_one_child_draws_many_and_a_picture_that_kills_it_is_too_costly(
    pen: Pen, picture: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small.jpg"
    pen.draw(picture, small, 160)
    assert size_of(small) == (160, 40)
    first = child_of(pen)
    pen.draw(picture, small, 480)
    assert (size_of(small), child_of(pen)) == ((400, 100), first)
    os.kill(first, signal.SIGSTOP)
    threading.Timer(0.1, os.kill, (first, signal.SIGKILL)).start()
    with pytest.raises(PictureError, match="too much memory or time"):
        pen.draw(picture, small, 160)
    pen.draw(picture, small, 160)
    assert child_of(pen) != first


def test_a_child_that_nobody_asks_goes_and_another_comes(picture: Path, tmp_path: Path) -> None:
    pen = Pen(idle_seconds=0.0)
    for _ in range(2):
        pen.draw(picture, tmp_path / "small.jpg", 160)
        assert pen._child is not None
        assert pen._child.wait(timeout=20) == 0
    pen.close()


def test_what_fails_the_machine_is_not_the_pictures_fault(
    pen: Pen, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OSError, match="No such file"):
        pen.draw(picture, tmp_path / "no folder" / "small.jpg", 160)
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(picture.read_bytes()[:60])
    with pytest.raises(PictureError, match="damaged"):
        pen.draw(damaged, tmp_path / "small.jpg", 160)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(BrokenError):
        Pen().draw(picture, tmp_path / "small.jpg", 160)
