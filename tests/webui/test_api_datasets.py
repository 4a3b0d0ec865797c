"""``/datasets``: what is brought arrives whole within its limits, or not at all."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, cast
from zipfile import ZipFile

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from jobs.models import Dataset
from jobs.stored import datasets
from jobs.stored.checking import Check
from tests.archives import HOSTILE, art, labelled, zipped
from tests.webui.quiet import API, Caller, Quiet, problem
from tests.webui.test_api_auth import _browser, _csrf

ZIP = ("set.zip", zipped(labelled()))
Sent = tuple[str, bytes]


def bring(caller: Caller, *files: Sent, **fields: str) -> TestResponse:
    """POST files as one form."""
    parts = [(BytesIO(content), name) for name, content in files]
    return caller.post("/datasets", data={**fields, "file": parts})


def check(caller: Caller, made: TestResponse) -> dict[str, Any]:
    """Check what was brought, here and now; the dataset as the API shows it then."""
    assert made.status_code == 201, made.get_json()
    id_ = made.get_json()["id"]
    row = stored(caller, id_)
    Check(caller.quiet.database, caller.quiet.studio.storage, caller.quiet.settings).run(row.id)
    return cast(dict[str, Any], caller.get(f"/datasets/{id_}").get_json())


def stored(caller: Caller, id_: str) -> Dataset:
    """The row of a dataset."""
    with caller.quiet.database.begin() as session:
        page = datasets.page(session, caller.owner, 100)
    return next(row for row in page.datasets if str(row.id) == id_)


def sent_names(caller: Caller, made: TestResponse) -> list[str]:
    """The names in the archive that was kept to be checked."""
    sha256 = stored(caller, made.get_json()["id"]).upload_sha256
    assert sha256 is not None
    with caller.quiet.studio.storage.open(sha256) as opened, ZipFile(opened) as archive:
        return archive.namelist()


def test_a_zip_is_kept_as_it_is_and_checked(caller: Caller) -> None:
    made = bring(caller, ZIP, name="Three styles", licence="CC0")
    body = made.get_json()
    assert made.headers["Location"].endswith(body["id"])
    assert (body["status"], body["report"], body["name"]) == ("checking", None, "Three styles")
    assert caller.get(f"/datasets/{body['id']}").headers["Retry-After"] == "1"
    done = check(caller, made)
    assert done["status"] == "ready"
    assert done["report"]["pictures"] == 6
    assert list(done["report"]["labels"]) == sorted(done["report"]["labels"])
    assert all(warning["detail"] for warning in done["report"]["warnings"])


def test_many_files_become_one_set_with_their_folders(caller: Caller) -> None:
    made = bring(caller, *labelled().items())
    assert made.get_json()["name"] == "set"
    assert sorted(sent_names(caller, made)) == sorted(labelled())
    assert check(caller, made)["report"]["labels"] == {
        "circles-and-wedges": 2,
        "colour-grids": 2,
        "flow-fields": 2,
    }


def test_files_of_one_name_are_all_kept(caller: Caller) -> None:
    made = bring(caller, ("a.png", art("ink", 0)), ("a.png", art("ink", 1)))
    assert made.get_json()["name"] == "pictures", "not like the first of them"
    assert sent_names(caller, made) == ["a.png", "a (2).png"]
    names = ("a (2).png", "a.png", "a.png", "a.png", "a (2).png")
    made = bring(caller, *((name, art("ink", number)) for number, name in enumerate(names)))
    assert sent_names(caller, made) == [
        "a (2).png",
        "a.png",
        "a (3).png",
        "a (4).png",
        "a (2) (2).png",
    ]


def test_a_form_of_very_many_fields_is_not_held(caller: Caller) -> None:
    many = {f"field{number}": "x" for number in range(21)}
    problem(bring(caller, ZIP, **many), 400, "bad_request")


def test_a_control_that_was_left_empty_brings_nothing(caller: Caller) -> None:
    made = bring(caller, ("", b""), ("a.png", art("ink", 0)))
    assert sent_names(caller, made) == ["a.png"]
    problem(bring(caller, ("", b"")), 422, "invalid", "/file")


def test_a_set_sent_twice_before_it_is_checked_is_one(caller: Caller) -> None:
    """As when the answer is lost and the request is repeated."""
    first, again = bring(caller, ZIP), bring(caller, ZIP)
    assert first.get_json()["id"] == again.get_json()["id"]
    assert bring(caller, ZIP, name="other").get_json()["id"] != first.get_json()["id"]


@pytest.mark.parametrize("kind", ["a path upwards", "no picture in it"])
def test_a_refused_set_says_why_and_what_to_do(caller: Caller, kind: str) -> None:
    content = HOSTILE[kind][0]()
    done = check(caller, bring(caller, ("set.zip", content)))
    assert done["status"] == "refused"
    assert done["refused"]["detail"].endswith(".")
    assert done["urls"]["sheet"] is None


@pytest.mark.parametrize("name", ["set.zip", "Set.RAR"])
def test_what_is_no_zip_under_an_archives_name_is_refused_at_once_as_none(
    quiet: Quiet, caller: Caller, name: str
) -> None:
    before = quiet.holdings()
    body = problem(bring(caller, (name, b"nothing of the kind")), 422, "invalid", "/file")
    assert "neither a ZIP archive nor pictures" in body["detail"]
    assert quiet.holdings() == before


def test_an_archive_among_pictures_is_refused_at_once(caller: Caller) -> None:
    pictures = ("a.png", art("ink", 0))
    for files in ((ZIP, pictures), (pictures, ZIP), (ZIP, ZIP)):
        body = problem(bring(caller, *files), 422, "invalid", "/file")
        assert "archive" in body["detail"]


def test_an_upload_beyond_the_limit_leaves_nothing(
    quiet: Quiet, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = quiet.holdings()
    quiet.change(monkeypatch, dataset_bytes=1000)
    monkeypatch.setattr("webui.arrivals.FRAME_BYTES", 1000)
    body = problem(bring(caller, ZIP), 413, "dataset_too_large")
    assert "1000" in body["title"]
    assert quiet.holdings() == before
    assert list(quiet.settings.uploads.glob("*")) == []


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{}", "application/json", 415, "unsupported_media_type"),
        (b"nothing", "multipart/form-data", 400, "bad_request"),
        (b"nothing", "multipart/form-data; boundary=x", 400, "bad_request"),
        (b"--x\r\nnonsense\r\n\r\n--x--", "multipart/form-data; boundary=x", 400, "bad_request"),
        (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\ntorso',
            "multipart/form-data; boundary=x",
            400,
            "bad_request",
        ),
    ],
)
def test_what_is_no_form_is_refused(
    caller: Caller, body: bytes, content_type: str, status: int, code: str
) -> None:
    before = caller.quiet.holdings()
    answer = caller.post("/datasets", data=body, content_type=content_type)
    problem(answer, status, code)
    assert caller.quiet.holdings() == before
    assert list(caller.quiet.settings.uploads.glob("*")) == []


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"colour": "red"}, "/colour"),
        ({"name": "x" * 201}, "/name"),
        ({"licence": "x" * 501}, "/licence"),
        ({"name": "x" * 20_000}, "/name"),
        ({"parent": "nonsense"}, "/parent"),
        ({"parent": "01890000-0000-7000-8000-000000000000"}, "/parent"),
        ({"name": "a\0b"}, "/name"),
    ],
)
def test_what_is_said_of_a_set_is_checked(
    caller: Caller, fields: dict[str, str], pointer: str
) -> None:
    problem(bring(caller, ZIP, **fields), 422, "invalid", pointer)


def test_name_and_licence_can_be_noted_later_and_the_pictures_stay_the_same(
    caller: Caller,
) -> None:
    ready = check(caller, bring(caller, ZIP))
    where = f"/datasets/{ready['id']}"
    assert ready["report"]["warnings"][-1]["code"] == "unlicensed"
    noted = caller.ask("PATCH", where, json={"licence": " CC0 "}).get_json()
    assert (noted["licence"], noted["name"]) == ("CC0", ready["name"])
    assert "unlicensed" not in [each["code"] for each in noted["report"]["warnings"]]
    assert noted["sha256"] == ready["sha256"]
    renamed = caller.ask("PATCH", where, json={"name": "Mine", "licence": ""}).get_json()
    assert (renamed["licence"], renamed["name"]) == ("", "Mine")
    assert renamed["report"]["warnings"] == ready["report"]["warnings"]
    assert caller.get(where).get_json() == renamed
    for body, at in (
        ({"name": " "}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"licence": "x" * 501}, "/licence"),
        ({"licence": 1}, "/licence"),
        ({"sha256": "0"}, "/sha256"),
    ):
        problem(caller.ask("PATCH", where, json=body), 422, "invalid", at)
    assert caller.get(where).get_json() == renamed


def test_pictures_can_be_added(caller: Caller) -> None:
    first = check(caller, bring(caller, ZIP, name="Walls", licence="CC0"))
    more = ("ink/1.png", art("ink", 1))
    second = check(caller, bring(caller, more, parent=first["id"]))
    assert (second["parent_id"], second["report"]["pictures"]) == (first["id"], 7)
    assert (second["name"], second["licence"]) == ("Walls", "CC0"), "as it was said of the first"
    third = bring(caller, more, parent=first["id"], name="Ink", licence="mine").get_json()
    assert (third["name"], third["licence"]) == ("Ink", "mine")


def test_pictures_are_listed_with_small_ones_and_the_pack_can_be_fetched(caller: Caller) -> None:
    done = check(caller, bring(caller, ZIP))
    found = caller.get(f"/datasets/{done['id']}/pictures?label=colour-grids").get_json()
    assert [each["name"] for each in found["results"]] == ["0.png", "1.png"]
    small = caller.get(found["results"][0]["thumbnail"])
    assert small.data.startswith(b"\xff\xd8")
    assert (
        caller.get(
            found["results"][0]["thumbnail"], headers={"If-None-Match": small.headers["ETag"]}
        ).status_code
        == 304
    )
    assert caller.get(done["urls"]["sheet"]).data.startswith(b"\xff\xd8")
    pack = ZipFile(BytesIO(caller.get(done["urls"]["content"]).data))
    assert len(pack.namelist()) == 7
    problem(caller.get(f"/datasets/{done['id']}/thumbnails/6"), 404, "not_found")


def test_what_belongs_to_somebody_else_does_not_exist(quiet: Quiet, caller: Caller) -> None:
    done = check(caller, bring(caller, ZIP))
    other = quiet.somebody()
    for path in ("", "/pictures", "/sheet", "/content", "/thumbnails/0"):
        problem(other.get(f"/datasets/{done['id']}{path}"), 404, "unknown_dataset")
    problem(other.ask("DELETE", f"/datasets/{done['id']}"), 404, "unknown_dataset")
    noting = other.ask("PATCH", f"/datasets/{done['id']}", json={"name": "Mine"})
    problem(noting, 404, "unknown_dataset")
    assert other.get("/datasets").get_json()["results"] == []


def test_datasets_are_listed_in_pages_and_deleted(caller: Caller) -> None:
    ids = [bring(caller, ZIP, name=str(number)).get_json()["id"] for number in range(3)]
    page = caller.get("/datasets?limit=2").get_json()
    assert [row["id"] for row in page["results"]] == ids[:0:-1]
    assert page["limits"]["upload_bytes"] == caller.quiet.settings.dataset_bytes
    rest = caller.get(page["next"].removeprefix(caller.quiet.address)).get_json()
    assert [row["id"] for row in rest["results"]] == ids[:1]
    assert caller.ask("DELETE", f"/datasets/{ids[0]}").status_code == 204
    problem(caller.get(f"/datasets/{ids[0]}"), 404, "unknown_dataset")


def test_sample_art_is_asked_for_in_one_call(caller: Caller) -> None:
    done = check(caller, caller.post("/datasets/sample", json={"per_style": 1, "size": 32}))
    assert done["report"]["pictures"] == 7
    assert done["licence"]
    problem(caller.post("/datasets/sample", json={"size": 8}), 422, "invalid", "/size")
    problem(caller.post("/datasets/sample", json={"sides": 8}), 422, "invalid", "/sides")


def _from_a_page(client: FlaskClient, caller: Caller, *fields: tuple[str, str]) -> TestResponse:
    """What a browser sends without JavaScript: the fields in their order, then the file."""
    parts = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields
    )
    file = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    body = parts.encode() + file.encode() + art("ink", 0) + b"\r\n--x--\r\n"
    return client.post(
        f"{API}/datasets",
        data=body,
        content_type="multipart/form-data; boundary=x",
        base_url=caller.quiet.address,
    )


def test_a_page_shows_its_token_before_any_file_is_taken(caller: Caller) -> None:
    client = _browser(caller)
    before = caller.quiet.holdings()
    for fields in ((), (("csrf_token", "nonsense"),), (("name", "x"),)):
        problem(_from_a_page(client, caller, *fields), 403, "forbidden")
    assert caller.quiet.holdings() == before
    made = _from_a_page(client, caller, ("csrf_token", _csrf(caller, client)), ("name", "x"))
    assert made.status_code == 201


def test_what_a_killed_server_left_is_cleared_away(caller: Caller) -> None:
    import os

    left = caller.quiet.settings.uploads / "arriving-long-ago"
    left.mkdir(parents=True)
    (left / "part").write_bytes(b"half")
    os.utime(left, (0, 0))
    assert bring(caller, ZIP).status_code == 201
    assert not Path(left).exists()
