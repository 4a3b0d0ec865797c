"""All works of a job in one ZIP, as each of them leaves alone."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path
from uuid import UUID

import pytest
from PIL import Image

from engines import media
from engines.pictures import encode_png, read_recipe
from jobs import lease
from tests.webui.quiet import Caller, Quiet, problem

RECIPE = {"kind": "style_transfer", "params": {"seed": 7}}
LABEL = b"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
BIG = bytes(range(256)) * 4096


@pytest.fixture
def job(quiet: Quiet, caller: Caller, tmp_path: Path) -> UUID:
    """A finished job with two pictures, one called like the other, a model and a report."""
    caller.submit()
    claim = quiet.claim(caller.owner)
    noise = Image.effect_noise((64, 48), 40).convert("RGB")
    contents = [
        ("result", "0-0.png", "image/png", encode_png(noise, RECIPE)),
        ("result", "0-0.png", "image/png", encode_png(noise.rotate(180), RECIPE)),
        ("model", "model.safetensors", media.MODEL, BIG),
        ("report", "curves.png", "image/png", encode_png(noise.rotate(90), RECIPE)),
    ]
    works = []
    for number, (role, name, media_type, content) in enumerate(contents):
        (tmp_path / str(number)).write_bytes(content)
        stored = quiet.studio.storage.put(quiet.database, tmp_path / str(number))
        works.append(lease.Work(role, name, media_type, stored, 64, 48))
    with quiet.database.begin() as session:
        lease.finish(session, claim.hold, works, 1.0)
    return claim.hold.job_id


def fetched(caller: Caller, job: UUID) -> dict[str, bytes]:
    """What is in the archive, by name."""
    answer = caller.get(f"/jobs/{job}/archive")
    assert answer.status_code == 200, answer.get_data(as_text=True)[:300]
    assert answer.content_type == "application/zip"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=style_transfer-")
    with zipfile.ZipFile(BytesIO(answer.data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_everything_a_job_made_comes_in_one_archive_as_it_is_stored(
    caller: Caller, job: UUID
) -> None:
    works = caller.get(f"/jobs/{job}/artifacts").get_json()["results"]
    found = fetched(caller, job)
    assert list(found) == ["0-0.png", "0-0 (2).png", "model.safetensors", "curves.png"]
    assert found["model.safetensors"] == BIG
    assert list(found.values()) == [caller.get(work["url"]).data for work in works]
    shown = caller.get(f"/jobs/{job}").get_json()
    assert shown["urls"]["archive"] == f"/api/v1/jobs/{job}/archive"


def test_label_and_recipe_are_in_the_archive_as_in_each_work_alone(
    quiet: Quiet, caller: Caller, job: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet.change(monkeypatch, origin_label="metadata")
    caller.ask("PUT", "/me/downloads", json={"recipe": False})
    works = caller.get(f"/jobs/{job}/artifacts").get_json()["results"]
    found = fetched(caller, job)
    assert list(found.values()) == [caller.get(work["url"]).data for work in works]
    assert LABEL in found["0-0.png"]
    (tmp_path / "left").write_bytes(found["0-0.png"])
    assert read_recipe(tmp_path / "left") is None
    assert LABEL not in found["curves.png"], "a report is no work"


def test_where_nothing_is_made_or_a_work_is_lost_no_archive_begins(
    quiet: Quiet, caller: Caller, job: UUID
) -> None:
    waiting = caller.submit()
    problem(caller.get(f"/jobs/{waiting['id']}/archive"), 404, "not_found")
    lost = caller.get(f"/jobs/{job}/artifacts").get_json()["results"][0]["sha256"]
    quiet.studio.storage.remove(lost)
    problem(caller.get(f"/jobs/{job}/archive"), 503, "storage_down")
