"""Uploads over the API: what is kept, how it is shown, and how it comes back."""

from __future__ import annotations

import hashlib
from uuid import UUID

import pytest

from engines.pictures import encode_png, read_recipe
from jobs.ids import new_id
from jobs.models import Blob, File
from tests.webui.quiet import Caller, Quiet, png, problem


def test_an_upload_is_answered_with_its_id_hash_true_type_and_size(caller: Caller) -> None:
    content = png(64, 48)
    made = caller.upload(content, "my cat.jpg")
    body = made.get_json()
    assert made.status_code == 201
    assert made.headers["Location"] == f"/api/v1/files/{body['id']}"
    assert body == {
        "id": body["id"],
        "name": "my cat.jpg",
        "media_type": "image/png",
        "sha256": hashlib.sha256(content).hexdigest(),
        "width": 64,
        "height": 48,
        "url": f"/api/v1/files/{body['id']}/content",
    }
    assert caller.get(made.headers["Location"]).get_json() == body


def test_an_upload_comes_back_byte_for_byte_and_may_be_cached_for_good(caller: Caller) -> None:
    content = png(64, 48, "olive")
    address = caller.upload(content).get_json()["url"]
    got = caller.get(address)
    assert (got.status_code, got.data, got.content_type) == (200, content, "image/png")
    assert "immutable" in got.headers["Cache-Control"]
    again = caller.get(address, headers={"If-None-Match": got.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_stored_bytes_can_run_no_script_on_the_studios_own_origin(caller: Caller) -> None:
    got = caller.get(caller.upload(png(64, 48)).get_json()["url"])
    assert got.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert got.headers["X-Content-Type-Options"] == "nosniff"


def test_equal_bytes_are_stored_once_and_each_upload_has_an_id_of_its_own(
    quiet: Quiet, caller: Caller
) -> None:
    content = png(64, 48, "#0a1b2c")
    before = quiet.holdings()
    ids = {who.upload(content).get_json()["id"] for who in (caller, caller, quiet.somebody())}
    after = quiet.holdings()
    assert len(ids) == 3
    assert (after["stored"], after["blob"]) == (before["stored"] + 1, before["blob"] + 1)
    assert after["file"] == before["file"] + 3


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("猫 的 照片.png", "猫 的 照片.png"),
        ("a\u202eb.png", "ab.png"),
        ("x" * 500, "x" * 200),
        ("/", "picture"),
    ],
)
def test_a_file_name_is_shown_without_its_folders_and_never_used_as_a_path(
    caller: Caller, sent: str, shown: str
) -> None:
    assert caller.upload(png(32, 32), sent).get_json()["name"] == shown


def test_a_download_carries_the_name_of_the_file(caller: Caller) -> None:
    address = caller.upload(png(32, 32), "猫.png").get_json()["url"]
    inline = caller.get(address).headers["Content-Disposition"]
    attached = caller.get(f"{address}?download").headers["Content-Disposition"]
    assert inline.startswith("inline")
    assert attached.startswith("attachment")
    assert "filename*=UTF-8''%E7%8C%AB.png" in attached


def test_the_recipe_inside_a_picture_can_be_left_out_of_a_download(
    caller: Caller, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from PIL import Image

    signed = encode_png(Image.new("RGB", (40, 40), "gold"), {"kind": "style_transfer"})
    address = caller.upload(signed).get_json()["url"]
    bare = tmp_path_factory.mktemp("bare") / "picture.png"
    bare.write_bytes(caller.get(f"{address}?recipe=no").data)
    whole = bare.with_name("whole.png")
    whole.write_bytes(caller.get(address).data)
    assert read_recipe(whole) == {"kind": "style_transfer"}
    assert read_recipe(bare) is None
    with Image.open(bare) as left, Image.open(whole) as right:
        assert left.tobytes() == right.tobytes()


def test_somebody_elses_file_is_as_unknown_as_one_that_never_was(
    quiet: Quiet, caller: Caller
) -> None:
    theirs = quiet.somebody().upload(png(32, 32)).get_json()["id"]
    never = "01890000-0000-7000-8000-000000000000"
    for id_ in (theirs, never):
        for tail in ("", "/content"):
            problem(caller.get(f"/files/{id_}{tail}"), 404, "unknown_file")


def test_a_malformed_file_id_is_not_found(caller: Caller) -> None:
    problem(caller.get("/files/nonsense"), 404, "malformed_id")
    problem(caller.get("/files/nonsense/content"), 404, "malformed_id")


def test_bytes_that_storage_has_lost_are_a_problem_to_try_again_and_no_traceback(
    quiet: Quiet, caller: Caller
) -> None:
    row = caller.upload(png(33, 33, "#123456")).get_json()
    quiet.studio.storage.remove(row["sha256"])
    lost = caller.get(row["url"])
    problem(lost, 503, "storage_down")
    assert lost.headers["Retry-After"]


def test_uploads_are_listed_in_pages_each_with_its_bytes(caller: Caller, quiet: Quiet) -> None:
    ids = sorted(str(new_id()) for _ in range(3))
    shape = {"owner_id": caller.owner, "role": "upload", "name": "a", "media_type": "image/png"}
    with quiet.database.begin() as session:
        session.merge(Blob(sha256="ab" * 32, size=7))
        session.flush()
        session.add_all(File(id=UUID(id_), sha256="ab" * 32, **shape) for id_ in ids)
    first = caller.get("/files?limit=2").get_json()
    assert [row["id"] for row in first["results"]] == ids[:0:-1]
    assert first["results"][0]["bytes"] == 7
    rest = caller.get(first["next"].removeprefix(quiet.address)).get_json()
    assert [row["id"] for row in rest["results"]] == ids[:1]
    assert quiet.somebody().get("/files").get_json()["results"] == []
