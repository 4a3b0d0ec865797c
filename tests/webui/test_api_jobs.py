"""Commissioning and looking at jobs over the API."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from uuid import UUID

import pytest

from jobs import lease
from tests.webui.quiet import Caller, Quiet, problem

FIELDS = {
    "id",
    "kind",
    "status",
    "reason",
    "version",
    "params",
    "priority",
    "tags",
    "parent_id",
    "progress",
    "queue",
    "expected",
    "run_eta_seconds",
    "run_seconds",
    "attempt",
    "resumed_from_step",
    "deadline_at",
    "created_at",
    "started_at",
    "ended_at",
    "outputs",
    "snapshots",
    "error",
    "urls",
}


def test_an_order_is_accepted_with_its_address_and_a_time_to_come_back(caller: Caller) -> None:
    made = caller.post("/jobs", json=caller.order(priority=3, tags=["night", "猫"]))
    job = made.get_json()
    assert made.status_code == 202
    assert made.headers["Location"] == job["urls"]["self"] == f"/api/v1/jobs/{job['id']}"
    assert int(made.headers["Retry-After"]) >= 1
    assert set(job) == FIELDS
    assert (job["kind"], job["status"], job["reason"]) == ("style_transfer", "queued", None)
    assert (job["priority"], job["tags"], job["version"]) == (3, ["night", "猫"], 1)
    assert (job["attempt"], job["started_at"], job["ended_at"]) == (0, None, None)
    assert (job["outputs"], job["error"], job["parent_id"]) == ([], None, None)
    known = {"phase", "step", "total", "percent", "metrics", "best_step", "notices", "remarks"}
    assert set(job["progress"]) == known
    assert set(job["queue"]) == {"position", "eta_seconds"}
    assert UUID(job["id"]).version == 7
    assert job["created_at"].endswith("Z")
    assert datetime.fromisoformat(job["created_at"]).utcoffset() is not None


def test_a_job_is_shown_at_its_address_as_it_was_answered(caller: Caller) -> None:
    made = caller.submit()
    assert caller.job(made["id"]) == made


def test_a_preset_fills_only_what_is_absent(caller: Caller) -> None:
    params = caller.post("/jobs", json=caller.order_with(preset="draft", size=300)).get_json()
    assert params["params"]["size"] == 300
    assert params["params"]["iterations"] == 120


def test_every_address_a_job_names_leads_somewhere(caller: Caller) -> None:
    job = caller.submit()
    assert caller.get(job["urls"]["self"]).status_code == 200
    assert caller.get(job["urls"]["artifacts"]).get_json() == {"results": []}
    for action in ("pause", "resume", "cancel", "retry", "rerun"):
        assert caller.post(job["urls"][action]).status_code in (200, 202), action


def test_an_etag_saves_a_poll_and_changes_with_the_job(caller: Caller) -> None:
    job = caller.submit()
    first = caller.get(f"/jobs/{job['id']}")
    tag = first.headers["ETag"]
    assert tag.startswith('W/"')
    assert first.headers["Retry-After"]
    same = caller.get(f"/jobs/{job['id']}", headers={"If-None-Match": tag})
    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", tag)
    assert same.headers["Retry-After"]
    caller.post(f"/jobs/{job['id']}/cancel")
    changed = caller.get(f"/jobs/{job['id']}", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag
    assert "Retry-After" not in changed.headers, "an ended job need not be asked again"


def test_a_waiting_jobs_etag_changes_when_its_place_does(caller: Caller) -> None:
    ahead, behind = caller.submit(), caller.submit()
    before = caller.get(f"/jobs/{behind['id']}")
    caller.post(f"/jobs/{ahead['id']}/cancel")
    headers = {"If-None-Match": before.headers["ETag"]}
    after = caller.get(f"/jobs/{behind['id']}", headers=headers)
    assert after.status_code == 200
    places = [answer.get_json()["queue"]["position"] for answer in (before, after)]
    assert places[1] == places[0] - 1
    assert before.get_json()["version"] == after.get_json()["version"]


def test_a_higher_priority_stands_further_ahead(caller: Caller) -> None:
    low, high = caller.submit(priority=-10), caller.submit(priority=10)
    assert caller.job(high["id"])["queue"]["position"] < caller.job(low["id"])["queue"]["position"]


def test_prefer_wait_holds_the_answer_until_the_job_ends(caller: Caller) -> None:
    order = caller.order(tags=["held"])
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(caller.post, "/jobs", json=order, headers={"Prefer": "wait=30"})
        found: list[dict[str, str]] = []
        while not found:
            found = caller.get("/jobs?tag=held").get_json()["results"]
        caller.post(f"/jobs/{found[0]['id']}/cancel")
        answer = held.result()
    assert (answer.status_code, answer.get_json()["status"]) == (202, "canceled")


@pytest.mark.parametrize("prefer", ["wait=0", "wait=never", "respond-async", "wait=-1"])
def test_a_prefer_header_that_asks_for_no_wait_is_answered_at_once(
    caller: Caller, prefer: str
) -> None:
    made = caller.post("/jobs", json=caller.order(), headers={"Prefer": prefer})
    assert (made.status_code, made.get_json()["status"]) == (202, "queued")


def test_progress_is_shown_while_a_job_runs(quiet: Quiet, caller: Caller) -> None:
    caller.submit()
    hold = quiet.claim(caller.owner).hold
    told = {"step": 3, "total": 12, "share": 0.25, "seconds_left": 9.5, "metrics": {"loss": 1.5}}
    with quiet.database.begin() as session:
        lease.report_progress(session, hold, told)
    job = caller.job(str(hold.job_id))
    assert (job["status"], job["queue"], job["attempt"]) == ("running", None, 1)
    assert job["progress"]["percent"] == 25.0
    assert (job["progress"]["step"], job["progress"]["total"]) == (3, 12)
    assert job["progress"]["metrics"] == {"loss": 1.5}
    assert job["run_eta_seconds"] == 9.5
    assert job["started_at"] is not None


def test_somebody_elses_job_is_as_unknown_as_one_that_never_was(
    quiet: Quiet, caller: Caller
) -> None:
    theirs = quiet.somebody().submit()["id"]
    for id_ in (theirs, "01890000-0000-7000-8000-000000000000"):
        for method, tail in [
            ("GET", ""),
            ("GET", "/artifacts"),
            ("GET", "/preview"),
            ("POST", "/cancel"),
            ("POST", "/pause"),
            ("POST", "/resume"),
            ("POST", "/retry"),
            ("POST", "/rerun"),
        ]:
            problem(caller.ask(method, f"/jobs/{id_}{tail}"), 404, "unknown_job")


@pytest.mark.parametrize("tail", ["", "/artifacts", "/preview"])
@pytest.mark.parametrize("id_", ["7", "not-an-id", "%00", "猫", "01890000-0000-7000-8000-00000000"])
def test_a_malformed_job_id_is_not_found(caller: Caller, id_: str, tail: str) -> None:
    # No text of the database can hold a NUL, so no address with one leads anywhere.
    code = "not_found" if id_ == "%00" else "malformed_id"
    problem(caller.get(f"/jobs/{id_}{tail}"), 404, code)


def test_a_job_without_a_preview_says_that_there_is_nothing_yet(caller: Caller) -> None:
    problem(caller.get(f"/jobs/{caller.submit()['id']}/preview"), 404, "not_found")


def test_the_kinds_are_listed_with_the_schema_of_their_parameters(caller: Caller) -> None:
    listed = caller.get("/kinds").get_json()["results"]
    assert "style_transfer" in [kind["name"] for kind in listed]
    for kind in listed:
        assert set(kind) == {"name", "title", "summary", "resource", "params"}
        assert caller.get(f"/kinds/{kind['name']}").get_json() == kind
        assert kind["params"]["type"] == "object"
        assert kind["params"]["additionalProperties"] is False
    problem(caller.get("/kinds/alchemy"), 404, "unknown_kind")


def test_a_reference_is_marked_in_the_schema(caller: Caller) -> None:
    properties = caller.get("/kinds/style_transfer").get_json()["params"]["properties"]
    assert properties["content"]["x-reference"] == "picture"
    assert properties["styles"]["items"]["x-reference"] == "picture"
