"""Trained models over the API: brought, told, named, deleted, and what came of them."""

from __future__ import annotations

import json
import math
import struct
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from engines import media
from jobs import lease
from jobs.models import File
from tests.archives import labelled, zipped
from tests.engines.models import STYLES, write_model
from tests.webui.pages.worker_double import WorkerDouble, picture
from tests.webui.quiet import Caller, Quiet, png, problem
from tests.webui.test_api_datasets import bring, check

UNKNOWN = "01890000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    origin = {"steps": 200, "kid": 0.012, "set": "a" * 64, "odd": {"deep": []}}
    path = tmp_path_factory.mktemp("models") / "model"
    made = write_model(path, discriminator=True, labels=STYLES, conditional=True, origin=origin)
    return made.read_bytes()


def add(
    caller: Caller, content: bytes, name: str = "dots.safetensors", **form: str
) -> TestResponse:
    return caller.post("/models", data={"file": (BytesIO(content), name), **form})


def order(model_id: str, **params: Any) -> dict[str, Any]:
    return {"kind": "gan_sampling", "params": {"model": model_id, "count": 2, **params}}


def finish(quiet: Quiet, caller: Caller) -> lease.Hold:
    """What a worker would do with the next job of this caller: two small pictures."""
    hold = quiet.claim(caller.owner).hold
    double = WorkerDouble(quiet.database, quiet.studio.storage)
    pictures = [
        ("result", f"0-{at}.png", "image/png", picture(colour, "PNG", (32, 32)), (32, 32))
        for at, colour in enumerate(("navy", "gold"))
    ]
    double.deliver(hold, pictures)
    return hold


def test_a_model_is_answered_with_what_its_header_says(caller: Caller, model: bytes) -> None:
    made = add(caller, model)
    body = made.get_json()
    assert made.status_code == 201, body
    assert made.headers["Location"] == f"/api/v1/models/{body['id']}"
    facts = body["facts"]
    assert (facts["architecture"], facts["resolution"]) == ("dcgan", 32)
    assert (facts["labels"], facts["conditional"]) == (list(STYLES), True)
    assert facts["trainable"] is True
    assert facts["origin"] == {"steps": 200, "kid": 0.012, "set": "a" * 64}
    assert (body["name"], body["size"], body["job_id"]) == ("dots", len(model), None)
    assert (body["made_from"], body["used_by"], body["picture"]) == ([], [], None)
    assert caller.get(made.headers["Location"]).get_json() == body
    assert caller.get(body["url"]).data == model


def test_a_name_may_be_given_and_changed(caller: Caller, model: bytes) -> None:
    id_ = add(caller, model, name="/tmp/../x.safetensors").get_json()["id"]
    assert caller.get(f"/models/{id_}").get_json()["name"] == "x"
    assert add(caller, model, **{"name": "noise"}).get_json()["name"] == "noise"
    renamed = caller.ask("PATCH", f"/models/{id_}", json={"name": "  圆点 "})
    assert renamed.get_json()["name"] == "圆点"
    assert caller.get(f"/files/{id_}").get_json()["name"] == "圆点.safetensors"
    for wrong in ("", " ", "a" * 201):
        refused = caller.ask("PATCH", f"/models/{id_}", json={"name": wrong})
        problem(refused, 422, "invalid", "/name")
    problem(caller.ask("PATCH", f"/models/{id_}", json={"nom": "x"}), 422, "invalid", "/nom")
    assert caller.get(f"/models/{id_}").get_json()["name"] == "圆点"


def test_what_is_no_model_is_refused_and_leaves_nothing_behind(
    quiet: Quiet, caller: Caller, model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = quiet.holdings()
    for unfit in (b"", b"no model", png(64, 48), model[:-1], model + b"\0"):
        body = problem(add(caller, unfit), 422, "bad_model", "/file")
        assert "cannot be used" in body["title"]
    problem(caller.post("/models", data={}), 422, "invalid", "/file")
    quiet.change(monkeypatch, model_bytes=10_000)
    problem(add(caller, model), 413, "model_too_large")
    assert quiet.holdings() == before


def test_models_are_listed_newest_first_page_by_page(caller: Caller, model: bytes) -> None:
    ids = [add(caller, model, name=f"{at}.safetensors").get_json()["id"] for at in range(3)]
    first = caller.get("/models?limit=2").get_json()
    assert [found["id"] for found in first["results"]] == ids[:0:-1]
    second = caller.get(first["next"].removeprefix(caller.quiet.address)).get_json()
    assert [found["id"] for found in second["results"]] == ids[:1]
    assert second["next"] is None
    problem(caller.get("/models?limit=0"), 422, "invalid", "/limit")


def test_a_model_tells_which_jobs_used_it_and_shows_what_they_made(
    quiet: Quiet, caller: Caller, model: bytes
) -> None:
    id_ = add(caller, model).get_json()["id"]
    job = caller.post("/jobs", json=order(id_)).get_json()
    waiting = caller.get(f"/models/{id_}").get_json()
    told = {"job_id": job["id"], "kind": "gan_sampling", "status": "queued", "models": []}
    assert waiting["used_by"] == [told]
    finish(quiet, caller)
    done = caller.get(f"/models/{id_}").get_json()
    assert done["used_by"][0]["status"] == "succeeded"
    works = caller.get(f"/jobs/{job['id']}/artifacts").get_json()["results"]
    assert done["picture"] == works[0]["url"]


def test_a_model_that_a_job_still_needs_is_not_deleted(
    quiet: Quiet, caller: Caller, model: bytes
) -> None:
    id_ = add(caller, model).get_json()["id"]
    job = caller.post("/jobs", json=order(id_)).get_json()
    body = problem(caller.ask("DELETE", f"/models/{id_}"), 409, "model_in_use")
    assert job["id"] in body["title"]
    finish(quiet, caller)
    assert caller.ask("DELETE", f"/models/{id_}").status_code == 204
    problem(caller.get(f"/models/{id_}"), 404, "unknown_model")
    assert len(caller.job(job["id"])["outputs"]) == 2
    problem(caller.post("/jobs", json=order(id_)), 422, "invalid", "/params/model")


def test_a_model_that_a_job_made_tells_what_it_was_made_from(
    quiet: Quiet, caller: Caller, model: bytes
) -> None:
    parent = add(caller, model, name="parent.safetensors").get_json()["id"]
    job = caller.post("/jobs", json=order(parent)).get_json()
    hold = quiet.claim(caller.owner).hold
    works = [("model", "model.safetensors", media.MODEL, model, None)]
    WorkerDouble(quiet.database, quiet.studio.storage).deliver(hold, works)
    child = caller.job(job["id"])["outputs"][0]["id"]
    told = caller.get(f"/models/{child}").get_json()
    assert told["job_id"] == job["id"]
    assert told["made_from"] == [{"to": "model", "id": parent, "name": "parent"}]
    assert caller.get(f"/models/{parent}").get_json()["used_by"][0]["models"] == [child]
    problem(caller.ask("DELETE", f"/models/{child}"), 409, "only_work")
    assert caller.ask("DELETE", f"/models/{parent}").status_code == 204
    assert caller.get(f"/models/{child}").get_json()["made_from"][0]["name"] is None


def test_a_model_is_called_like_its_set_until_its_owner_names_it(
    quiet: Quiet, caller: Caller, model: bytes
) -> None:
    brought = bring(caller, ("set.zip", zipped(labelled(per_style=4))), name="Harbour at dusk")
    learned = check(caller, brought)["id"]
    training = {"kind": "gan_training", "params": {"dataset": learned}}
    assert caller.post("/jobs", json=training).status_code == 202
    hold = quiet.claim(caller.owner).hold
    works = [
        ("model", name, media.MODEL, model, None)
        for name in ("model.safetensors", "model-step-7.safetensors")
    ]
    WorkerDouble(quiet.database, quiet.studio.storage).deliver(hold, works)
    found = {row["name"]: row["id"] for row in caller.get("/models").get_json()["results"]}
    assert set(found) == {"Harbour at dusk", "Harbour at dusk-step-7"}
    ended = found["Harbour at dusk"]
    other = caller.post("/jobs", json=order(ended)).get_json()
    WorkerDouble(quiet.database, quiet.studio.storage).deliver(
        quiet.claim(caller.owner).hold, [("model", "own.safetensors", media.MODEL, model, None)]
    )
    child = caller.job(other["id"])["outputs"][0]["id"]
    (origin,) = caller.get(f"/models/{child}").get_json()["made_from"]
    assert origin["name"] == "Harbour at dusk"
    renamed = caller.ask("PATCH", f"/models/{ended}", json={"name": "Dusk"}).get_json()
    assert renamed["name"] == "Dusk"
    assert caller.ask("DELETE", f"/datasets/{learned}").status_code == 204
    names = [row["name"] for row in caller.get("/models").get_json()["results"]]
    assert sorted(names) == ["Dusk", "model-step-7", "own"]


def test_models_that_would_share_a_name_are_told_apart_by_their_time_wherever_they_are_named(
    quiet: Quiet, caller: Caller, model: bytes
) -> None:
    brought = bring(caller, ("set.zip", zipped(labelled(per_style=4))), name="Dunes")
    training = {"kind": "gan_training", "params": {"dataset": check(caller, brought)["id"]}}
    made = []
    for name in ("model.safetensors", "model-best-step-7.safetensors", "model.safetensors"):
        job = caller.post("/jobs", json=training).get_json()
        works = [("model", name, media.MODEL, model, None)]
        hold = quiet.claim(caller.owner).hold
        WorkerDouble(quiet.database, quiet.studio.storage).deliver(hold, works)
        made.append(caller.job(job["id"])["outputs"][0]["id"])
    with quiet.database.begin() as session:
        for minute, id_ in enumerate(made):
            at = datetime(2030, 1, 2, 3, minute, 5, tzinfo=UTC)
            session.get_one(File, id_).created_at = at
    listed = [row["name"] for row in caller.get("/models").get_json()["results"]]
    shared = ["Dunes, 2030-01-02 03:02:05", "Dunes, 2030-01-02 03:00:05"]
    assert listed == [shared[0], "Dunes-best-step-7", shared[1]]
    assert caller.get(f"/models/{made[0]}").get_json()["name"] == shared[1]
    sampling = caller.post("/jobs", json=order(made[0])).get_json()
    WorkerDouble(quiet.database, quiet.studio.storage).deliver(
        quiet.claim(caller.owner).hold, [("model", "own.safetensors", media.MODEL, model, None)]
    )
    child = caller.job(sampling["id"])["outputs"][0]["id"]
    (origin,) = caller.get(f"/models/{child}").get_json()["made_from"]
    assert origin["name"] == shared[1]
    caller.ask("PATCH", f"/models/{made[0]}", json={"name": "Dunes at night"})
    assert caller.get(f"/models/{made[2]}").get_json()["name"] == "Dunes"
    caller.ask("PATCH", f"/models/{made[0]}", json={"name": "Dunes"})
    assert caller.get(f"/models/{made[2]}").get_json()["name"] == shared[0]


def test_models_of_others_and_files_of_other_sorts_are_unknown(
    quiet: Quiet, caller: Caller, model: bytes
) -> None:
    theirs = add(quiet.somebody(), model).get_json()["id"]
    for unknown in (theirs, caller.picture, UNKNOWN):
        problem(caller.get(f"/models/{unknown}"), 404, "unknown_model")
        problem(caller.ask("DELETE", f"/models/{unknown}"), 404, "unknown_model")
        renamed = caller.ask("PATCH", f"/models/{unknown}", json={"name": "mine"})
        problem(renamed, 404, "unknown_model")
    problem(caller.get("/models/nonsense"), 404, "malformed_id")
    assert caller.get("/models").get_json()["results"] == []
    problem(caller.post("/jobs", json=order(theirs)), 422, "invalid", "/params/model")
    wrong = caller.post("/jobs", json=order(caller.picture))
    assert (
        problem(wrong, 422, "invalid", "/params/model")["errors"][0]["code"] == "wrong_media_type"
    )


def test_a_model_says_what_it_is_while_its_file_is_out_of_reach(
    quiet: Quiet, caller: Caller, tmp_path: Path
) -> None:
    content = write_model(tmp_path / "one", seed=99).read_bytes()
    made = add(caller, content).get_json()
    Path(quiet.studio.storage.place(made["sha256"])).unlink()
    (listed,) = caller.get("/models").get_json()["results"]
    assert (listed["id"], listed["facts"]) == (made["id"], made["facts"])
    refused = caller.post("/jobs", json=order(made["id"], label="dots"))
    problem(refused, 422, "invalid", "/params/label")


def test_what_a_strangers_model_says_of_itself_is_told_as_far_as_it_can_be(
    caller: Caller, tmp_path: Path
) -> None:
    content = write_model(tmp_path / "odd").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    told = json.loads(header["__metadata__"]["atelier_model"])
    told["origin"] = {"kid": math.nan, "who\0": "x", "note": "a\0b", "steps": 7}
    header["__metadata__"]["atelier_model"] = json.dumps(told)
    text = json.dumps(header).encode()
    made = add(caller, struct.pack("<Q", len(text)) + text + content[8 + length :])
    assert made.status_code == 201, made.get_json()
    assert made.get_json()["facts"]["origin"] == {"steps": 7}
