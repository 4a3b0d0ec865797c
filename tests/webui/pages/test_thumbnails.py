"""Thumbnails: drawn, kept, and gone when their picture is."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from uuid import UUID

import pytest
from PIL import Image
from sqlalchemy import delete

from engines import pictures
from jobs.models import Blob
from jobs.stored import files
from tests.webui.pages.conftest import Visitor
from webui import create_app, samples, sweeping
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
            path = folder / sha256[:2] / f"{sha256}-1-{size}.jpg"
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


def test_a_draft_that_goes_while_it_is_looked_at_does_not_end_the_sweeping(
    parts: Studio, tmp_path: Path
) -> None:
    shelf = tmp_path / "00"
    shelf.mkdir()
    (shelf / "tmpgone").symlink_to(tmp_path / "given its name")
    (shelf / f"{'00' * 32}-1-160.jpg").write_bytes(b"drawn")
    assert sweeping.sweep(tmp_path, parts.database) == 1


def test_the_sweeping_begins_with_the_web_whether_or_not_something_is_asked_for(
    parts: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of both folders, and once, however many applications there are."""
    monkeypatch.setattr(sweeping, "_begun", set[Path]())
    gone = [tmp_path / name / "ab" / f"{'ab' * 32}-1-160.jpg" for name in ("thumbnails", "copies")]
    for path in gone:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"drawn")
    for _ in range(2):
        sweeping.begin_all(replace(parts, settings=parts.settings.changed(data=tmp_path)))
    deadline = time.monotonic() + 10
    while any(path.exists() for path in gone) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(path.exists() for path in gone)
    assert len(sweeping._begun) == 2
    sweeping._begun.clear()
    create_app(parts.settings)
    assert {path.name for path in sweeping._begun} == {"thumbnails", "copies"}


def test_a_strangers_picture_is_never_decoded_in_the_web(
    visitor: Visitor, parts: Studio, artist: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(pictures.encode_png(Image.new("RGB", (300, 200), "rebeccapurple")))
    given = (parts.database, parts.storage, artist, photo, photo.name, parts.settings)
    row = files.upload_picture(*given)

    def decoded(*_: object) -> None:
        raise AssertionError("a stranger's picture was opened in the web process")

    monkeypatch.setattr(pictures, "_opened", decoded)
    answer = visitor.http.get(f"/thumbnails/{row.id}?size=160", base_url=visitor.base)
    assert (answer.status_code, answer.content_type) == (200, "image/jpeg")
    monkeypatch.undo()
    assert max(pictures.open_rgb(BytesIO(answer.data)).size) == 160
