"""Works as they leave: labelled by the policy, with or without recipe, in other formats."""

from __future__ import annotations

import base64
import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select
from werkzeug.test import TestResponse

from engines import film, origin
from engines.pictures import encode_png, read_recipe
from jobs import lease
from jobs.models import File
from tests.webui.quiet import Caller, Quiet, problem

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


@pytest.mark.parametrize("size", [(16, 16), (64, 2000), (4000, 3000)])
def test_a_mark_fits_any_picture(size: tuple[int, int]) -> None:
    made = origin.marked(Image.new("RGB", size, "gray"))
    assert made.size == size
    assert len(set(made.crop((size[0] // 2, size[1] // 2, *size)).get_flattened_data())) > 1
