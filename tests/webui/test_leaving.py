"""Works as they leave: labelled by the policy, with or without recipe, in other formats."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin
from sqlalchemy import select
from werkzeug.test import TestResponse

from engines import copies, film, origin
from engines.pictures import encode_png, read_recipe
from jobs import lease
from jobs.models import File
from jobs.refusals import RefusedError
from tests.webui.quiet import Caller, Quiet, png, problem
from webui.copies import WORKS, Bench, Shelf

RECIPE: dict[str, Any] = {"kind": "style_transfer", "params": {"seed": 7, "title": '<&"猫>'}}
LABEL = b"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def canvas() -> Image.Image:
    return Image.effect_noise((320, 240), 40).convert("RGB")


def work(quiet: Quiet, caller: Caller, path: Path, media_type: str = "image/png") -> str:
    """The address of a finished work that lies at ``path``."""
    caller.submit()
    claim = quiet.claim(caller.owner)
    stored = quiet.studio.storage.put(quiet.database, path)
    made = lease.Work("result", f"result{path.suffix}", media_type, stored, 320, 240)
    with quiet.database.begin() as session:
        lease.finish(session, claim.hold, [made], 1.0)
        id_ = session.scalars(select(File.id).where(File.job_id == claim.hold.job_id)).one()
    return f"/files/{id_}/content"


@pytest.fixture
def picture(quiet: Quiet, caller: Caller, tmp_path: Path) -> tuple[str, Image.Image]:
    """A finished picture with its recipe inside."""
    made = canvas()
    path = tmp_path / "work.png"
    path.write_bytes(encode_png(made, RECIPE))
    return work(quiet, caller, path), made


def recipe_in(content: bytes, tmp_path: Path) -> dict[str, Any] | None:
    path = tmp_path / "left"
    path.write_bytes(content)
    return read_recipe(path)


def opened(answer: TestResponse) -> Image.Image:
    assert answer.status_code == 200, answer.get_data(as_text=True)[:300]
    digest = hashlib.sha256(answer.data).digest()
    assert answer.headers["Repr-Digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
    return Image.open(BytesIO(answer.data))


def test_without_a_policy_a_work_leaves_as_it_is_stored(
    caller: Caller, picture: tuple[str, Image.Image], tmp_path: Path
) -> None:
    address, made = picture
    answer = caller.get(address)
    assert "Repr-Digest" not in answer.headers
    assert LABEL not in answer.data
    assert recipe_in(answer.data, tmp_path) == RECIPE
    assert Image.open(BytesIO(answer.data)).tobytes() == made.tobytes()


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_the_label_lies_in_every_format_beside_the_recipe_and_the_pixels_stay(
    quiet: Quiet,
    caller: Caller,
    picture: tuple[str, Image.Image],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
) -> None:
    address, made = picture
    quiet.change(monkeypatch, origin_label="metadata")
    with_recipe = caller.get(f"{address}?format={form}&recipe=yes")
    without = caller.get(f"{address}?format={form}&recipe=no")
    shown = opened(with_recipe)
    assert shown.get_format_mimetype() == with_recipe.content_type  # type: ignore[attr-defined]
    assert LABEL in shown.info["xmp"]
    assert LABEL in opened(without).info["xmp"]
    assert recipe_in(with_recipe.data, tmp_path) == RECIPE
    assert recipe_in(without.data, tmp_path) is None
    assert with_recipe.headers["Content-Disposition"].startswith("attachment")
    if form == "png":
        assert shown.tobytes() == made.tobytes()


def test_a_visible_mark_lies_in_a_corner_and_nowhere_else(
    quiet: Quiet,
    caller: Caller,
    picture: tuple[str, Image.Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, made = picture
    before = caller.get(address).data
    quiet.change(monkeypatch, origin_label="visible")
    shown = opened(caller.get(address)).convert("RGB")
    corner = (240, 200, 320, 240)
    assert shown.crop(corner).tobytes() != made.crop(corner).tobytes()
    for rest in ((0, 0, 320, 200), (0, 200, 240, 240)):
        assert shown.crop(rest).tobytes() == made.crop(rest).tobytes()
    # White letters on a black plate, whatever lies below.
    assert {(0, 0, 0), (255, 255, 255)} <= set(shown.crop(corner).get_flattened_data())
    quiet.change(monkeypatch, origin_label="off")
    assert caller.get(address).data == before, "what is stored has not changed"


def test_what_a_link_shows_is_labelled_in_every_size(
    quiet: Quiet,
    caller: Caller,
    picture: tuple[str, Image.Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quiet.change(monkeypatch, origin_label="visible")
    order = {"file_id": picture[0].split("/")[2], "days": 7}
    link = caller.post("/links", json=order).get_json()["url"].partition("/shared/")[2]
    for size in ("", "?size=1600", "?size=160"):
        stranger = quiet.app.test_client()
        answer = stranger.get(f"/shared/{link}/picture{size}", base_url=quiet.address)
        assert b"trainedAlgorithmicMedia" in answer.data, size
        shown = Image.open(BytesIO(answer.data)).convert("L")
        corner = shown.crop((shown.width - 30, shown.height - 14, shown.width, shown.height))
        black = sum(corner.histogram()[:40]) / corner.width / corner.height
        assert black > 0.25, "the plate of the mark"


def test_a_film_stays_a_film_and_carries_the_label(
    quiet: Quiet, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [film.encode_frame(canvas()) for _ in range(3)]
    path = tmp_path / "film.webp"
    path.write_bytes(film.Film(frames, (320, 240), 10).encoded(RECIPE))
    address = work(quiet, caller, path, film.MEDIA_TYPE)
    quiet.change(monkeypatch, origin_label="visible")
    answer = caller.get(address)
    shown = opened(answer)
    assert shown.n_frames == 3  # type: ignore[attr-defined]
    assert LABEL in shown.info["xmp"]
    assert recipe_in(answer.data, tmp_path) == RECIPE
    bare = caller.get(f"{address}?recipe=no&format=jpeg")
    assert opened(bare).n_frames == 3  # type: ignore[attr-defined]
    assert recipe_in(bare.data, tmp_path) is None


def test_an_artists_choice_holds_until_a_download_says_otherwise(
    caller: Caller, picture: tuple[str, Image.Image], tmp_path: Path
) -> None:
    address, _ = picture
    chosen = caller.ask("PUT", "/me/downloads", json={"recipe": False})
    assert chosen.get_json() == {"recipe": False, "origin_label": "off"}
    assert recipe_in(caller.get(address).data, tmp_path) is None
    assert recipe_in(caller.get(f"{address}?recipe=yes").data, tmp_path) == RECIPE
    caller.ask("PUT", "/me/downloads", json={"recipe": True})
    assert recipe_in(caller.get(address).data, tmp_path) == RECIPE


def test_uploads_are_never_labelled_and_unknown_formats_refused(
    quiet: Quiet, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet.change(monkeypatch, origin_label="visible")
    photo = BytesIO()
    canvas().save(photo, "JPEG")
    address = caller.upload(photo.getvalue(), "photo.jpg").get_json()["url"]
    assert caller.get(address).data == photo.getvalue()
    assert caller.get(f"{address}?recipe=no").data == photo.getvalue()
    problem(caller.get(f"{address}?format=gif"), 422, "invalid", "/format")
    problem(caller.get(f"{address}?recipe=maybe"), 422, "invalid", "/recipe")


def lived(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What child processes are started for from now on, and that none is decoded here."""
    started: list[str] = []
    run = subprocess.run

    def watched(command: list[str], **how: Any) -> Any:
        started.append(command[3])
        return run(command, **how)

    def here(*given: object) -> None:
        raise AssertionError("a stranger's picture is decoded by the web server")

    monkeypatch.setattr(subprocess, "run", watched)
    monkeypatch.setattr(copies, "copied", here)
    monkeypatch.setattr("engines.pictures.open_rgb", here)
    return started


def test_a_copy_is_made_once_whoever_asks_and_anew_for_another_policy(
    quiet: Quiet, caller: Caller, picture: tuple[str, Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet.change(monkeypatch, origin_label="metadata")
    order = {"file_id": picture[0].split("/")[2], "days": 7, "recipe": True}
    link = caller.post("/links", json=order).get_json()["url"].partition("/shared/")[2]
    monkeypatch.setattr(WORKS, "_patience", 120.0)
    started = lived(monkeypatch)

    def view(_: int = 0) -> bytes:
        stranger, address = quiet.app.test_client(), f"/shared/{link}/picture"
        return bytes(stranger.get(address, base_url=quiet.address).data)

    with ThreadPoolExecutor(4) as many:
        seen = set(many.map(view, range(8)))
    assert len(seen) == 1
    assert LABEL in seen.pop()
    assert started == ["engines.copies"]
    etag = caller.get(picture[0]).headers["ETag"]
    assert caller.get(picture[0], headers={"If-None-Match": etag}).status_code == 304
    assert started == ["engines.copies"]
    quiet.change(monkeypatch, origin_label="visible")
    assert view() == view()
    assert started == ["engines.copies"] * 2


def test_what_is_kept_of_copies_is_bounded_and_the_longest_unused_goes(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, most=50_000)
    made = []

    def ask(name: str) -> None:
        def make(path: Path) -> None:
            made.append(name)
            path.write_bytes(bytes(10_000))

        with shelf.open("ab" * 32, name, make) as opened:
            assert len(opened.read()) == 10_000
        for path in (tmp_path / "ab").glob("*"):  # as if some time had passed
            os.utime(path, (path.stat().st_atime - 10, path.stat().st_mtime))

    for name in "abcde":
        ask(name)
    ask("a")
    ask("f")
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 50_000
    ask("a")
    assert made == [*"abcdef"]
    ask("b")
    assert made == [*"abcdefb"], "the longest unused had to go"


def test_a_copy_that_cannot_be_kept_is_given_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder, most in ((tmp_path / "file", 10**6), (tmp_path / "small", 5)):
        with Shelf(folder, most).open("ab" * 32, "x", lambda path: path.touch()) as opened:
            assert opened.read() == b""


def test_who_would_wait_long_for_a_copy_is_told_to_come_back(tmp_path: Path) -> None:
    shelf, bench = Shelf(tmp_path, most=50_000), Bench(places=1, patience=0.02)
    begun, may_end = threading.Event(), threading.Event()

    def slowly(path: Path) -> None:
        begun.set()
        may_end.wait(30)
        path.write_bytes(b"made")

    def ask(name: str) -> bytes:
        with shelf.open("ab" * 32, name, slowly, bench) as opened:
            return opened.read()

    with ThreadPoolExecutor(1) as other:
        first = other.submit(ask, "a")
        assert begun.wait(30)
        for name in "ab":
            with pytest.raises(RefusedError) as refused:
                ask(name)
            assert (refused.value.code, refused.value.refusal.status) == ("copies_busy", 503)
        may_end.set()
        assert first.result(30) == b"made"
    assert ask("b") == b"made"


def test_slow_works_keep_no_thumbnail_waiting_and_their_own_viewers_not_for_long(
    quiet: Quiet, caller: Caller, picture: tuple[str, Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet.change(monkeypatch, origin_label="metadata")
    monkeypatch.setattr(WORKS, "_patience", 0.02)
    order = {"file_id": picture[0].split("/")[2], "days": 7}
    link = caller.post("/links", json=order).get_json()["url"].partition("/shared/")[2]
    with ExitStack() as others:
        for _ in range(2):
            others.enter_context(WORKS.place())
        small = quiet.app.test_client().get(
            f"/shared/{link}/picture?size=160", base_url=quiet.address
        )
        assert (small.status_code, LABEL in small.data) == (200, True)
        busy = caller.get(picture[0])
    assert int(busy.headers["Retry-After"]) > 0
    problem(busy, 503, "copies_busy")


def test_what_cannot_be_copied_is_not_decoded_again_at_each_view(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = caller.upload(png(16_384, 17)).get_json()["url"]
    started = lived(monkeypatch)
    for _ in range(3):
        problem(caller.get(f"{address}?format=webp"), 422, "bad_picture", "/file")
    assert started == ["engines.copies"]


def test_a_full_disk_and_a_broken_child_are_not_the_pictures_fault(
    caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = tmp_path / "stored"
    stored.write_bytes(png(20, 21))
    with pytest.raises(OSError, match="the disk fails"):
        copies.make(stored, tmp_path / "no folder" / "copy", copies.Wanted("webp", False, "off"))
    address = caller.upload(png(20, 21)).get_json()["url"]
    with monkeypatch.context() as full:

        def refuses(*_: object) -> None:
            raise OSError("no space left")

        full.setattr(copies, "make", refuses)
        problem(caller.get(f"{address}?format=webp"), 503, "storage_down")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    problem(caller.get(f"{address}?format=webp"), 500, "internal_error")


def with_chunk(text: str, **how: Any) -> bytes:
    """A small PNG with ``text`` where a recipe would be."""
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("atelier-recipe", text)
    photo = BytesIO()
    Image.new("RGB", (32, 24), "teal").save(photo, "PNG", pnginfo=texts, **how)
    return photo.getvalue()


NO_RECIPES = ["no JSON", "[1]", "7", "NaN", '{"a": NaN}', '{"a": "\\ud800"}', "[" * 100_000]


def test_what_is_no_recipe_is_read_as_none(tmp_path: Path) -> None:
    for text in NO_RECIPES:
        assert recipe_in(with_chunk(text), tmp_path) is None, text[:12]


def test_an_uploads_foreign_recipe_is_taken_out_and_breaks_nothing(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = {"save_all": True, "append_images": [Image.new("RGB", (32, 24), "red")]}
    content = with_chunk("no JSON", **frames)  # and animated, though no film of ours
    address = caller.upload(content).get_json()["url"]
    started = lived(monkeypatch)
    with_it = caller.get(f"{address}?format=webp&recipe=yes")
    without = caller.get(f"{address}?recipe=no")
    assert (opened(with_it).size, opened(without).size) == ((32, 24), (32, 24))
    assert started == ["engines.copies"] * 2
    assert (b"no JSON" in content, b"no JSON" in without.data) == (True, False)


def test_a_form_that_cannot_hold_the_picture_is_refused_in_words(
    caller: Caller,
) -> None:
    address = caller.upload(png(16_384, 16)).get_json()["url"]
    told = problem(caller.get(f"{address}?format=webp"), 422, "bad_picture", "/file")
    assert "another format" in told["detail"]


@pytest.mark.parametrize("size", [(16, 16), (64, 2000), (4000, 3000)])
def test_a_mark_fits_any_picture(size: tuple[int, int]) -> None:
    made = origin.marked(Image.new("RGB", size, "gray"))
    assert made.size == size
    assert len(set(made.crop((size[0] // 2, size[1] // 2, *size)).get_flattened_data())) > 1
