"""Thumbnails: drawn, kept, and gone when their picture is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from sqlalchemy import delete

from jobs.models import Blob
from tests.webui.pages.conftest import Visitor
from webui import samples, sweeping
from webui.studio import Studio


@pytest.fixture
def folder(parts: Studio) -> Path:
    return parts.settings.data.absolute() / "thumbnails"


def test_what_belongs_to_no_stored_picture_is_swept(
    visitor: Visitor, parts: Studio, folder: Path, tmp_path: Path
) -> None:
    """One of a stored picture and one of a sample stay; one whose picture is gone does not."""
    hashes = {}
    for name in ("stays", "goes"):
        (tmp_path / name).write_text(name)
        hashes[name] = parts.storage.put(parts.database, tmp_path / name).sha256
    hashes["sample"] = samples.all_samples()["cat.jpg"].sha256
    paths = {}
    for name, sha256 in hashes.items():
        for size in (160, 480):
            path = folder / sha256[:2] / f"{sha256}-{size}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"drawn")
            paths[name, size] = path
    assert sweeping.sweep(folder, parts.database) == 0
    with parts.database.begin() as session:
        session.execute(delete(Blob).where(Blob.sha256 == hashes["goes"]))
    assert sweeping.sweep(folder, parts.database) == 2
    left = {name for (name, _), path in paths.items() if path.exists()}
    assert left == {"stays", "sample"}


def test_drafts_of_processes_that_died_are_swept(
    visitor: Visitor, parts: Studio, folder: Path
) -> None:
    """One that may still be written stays."""
    shelf = folder / "00"
    shelf.mkdir(parents=True, exist_ok=True)
    old, new = shelf / "tmpold", shelf / "tmpnew"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (0, time.time() - 2 * sweeping.DRAFT_SECONDS))
    assert sweeping.sweep(folder, parts.database) == 1
    assert (old.exists(), new.exists()) == (False, True)


def test_the_first_thumbnail_asked_for_begins_the_sweeping(
    visitor: Visitor, parts: Studio, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, however many are asked for."""
    gone = folder / "ab" / f"{'ab' * 32}-160.jpg"
    gone.parent.mkdir(parents=True, exist_ok=True)
    gone.write_bytes(b"drawn")
    monkeypatch.setattr(sweeping, "_begun", set[Path]())
    for _ in range(2):
        assert visitor.get("/samples/cat.jpg?size=160")[0] == 200
    deadline = time.monotonic() + 10
    while gone.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not gone.exists()
    assert sweeping._begun == {folder}
