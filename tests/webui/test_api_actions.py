"""Cancel, pause, resume, retry and rerun over the API: one call, whatever the state."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from jobs import lease
from jobs.models import Event
from jobs.states import Reason, State
from tests.webui.quiet import Caller, Quiet, problem


def _running(quiet: Quiet, caller: Caller) -> str:
    caller.submit()
    return str(quiet.claim(caller.owner).hold.job_id)


def _failed(quiet: Quiet, caller: Caller) -> str:
    caller.submit()
    hold = quiet.claim(caller.owner).hold
    with quiet.database.begin() as session:
        lease.stop(session, hold, State.FAILED, Reason.BAD_INPUT, 1.0)
    return str(hold.job_id)


def _succeeded(quiet: Quiet, caller: Caller) -> str:
    caller.submit()
    hold = quiet.claim(caller.owner).hold
    with quiet.database.begin() as session:
        lease.finish(session, hold, [], 1.0)
    return str(hold.job_id)


def _events(quiet: Quiet, id_: str) -> int:
    with quiet.database.begin() as session:
        query = select(func.count()).select_from(Event).where(Event.job_id == id_)
        return session.execute(query).scalar_one()


def test_a_queued_job_is_canceled_at_once(caller: Caller) -> None:
    answer = caller.post(f"/jobs/{caller.submit()['id']}/cancel")
    job = answer.get_json()
    assert (answer.status_code, job["status"], job["reason"]) == (
        200,
        "canceled",
        "canceled_by_user",
    )
    assert job["ended_at"] is not None
    assert job["queue"] is None


@pytest.mark.parametrize(("action", "status"), [("cancel", "canceling"), ("pause", "pausing")])
def test_a_running_job_says_what_it_is_about_to_do_until_its_process_is_gone(
    quiet: Quiet, caller: Caller, action: str, status: str
) -> None:
    id_ = _running(quiet, caller)
    answer = caller.post(f"/jobs/{id_}/{action}")
    assert (answer.status_code, answer.get_json()["status"]) == (202, status)
    again = caller.post(f"/jobs/{id_}/{action}")
    assert (again.status_code, again.get_json()) == (202, answer.get_json())


def test_a_job_about_to_pause_goes_on_when_resumed(quiet: Quiet, caller: Caller) -> None:
    id_ = _running(quiet, caller)
    caller.post(f"/jobs/{id_}/pause")
    answer = caller.post(f"/jobs/{id_}/resume")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "running")


def test_a_job_about_to_be_canceled_cannot_be_talked_into_a_pause(
    quiet: Quiet, caller: Caller
) -> None:
    id_ = _running(quiet, caller)
    caller.post(f"/jobs/{id_}/cancel")
    for action in ("pause", "resume"):
        answer = caller.post(f"/jobs/{id_}/{action}")
        assert (answer.status_code, answer.get_json()["status"]) == (202, "canceling")


def test_a_queued_job_rests_and_comes_back_to_the_queue(caller: Caller) -> None:
    id_ = caller.submit()["id"]
    paused = caller.post(f"/jobs/{id_}/pause")
    assert (paused.status_code, paused.get_json()["status"]) == (200, "paused")
    resumed = caller.post(f"/jobs/{id_}/resume")
    assert (resumed.status_code, resumed.get_json()["status"]) == (200, "queued")
    assert resumed.get_json()["queue"]["position"] >= 1


def test_a_paused_job_is_canceled_at_once(caller: Caller) -> None:
    id_ = caller.submit()["id"]
    caller.post(f"/jobs/{id_}/pause")
    answer = caller.post(f"/jobs/{id_}/cancel")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "canceled")


@pytest.mark.parametrize("end", [_failed, _succeeded])
@pytest.mark.parametrize("action", ["cancel", "pause", "resume"])
def test_an_ended_job_is_answered_unchanged(
    quiet: Quiet, caller: Caller, action: str, end: object
) -> None:
    assert callable(end)
    id_ = end(quiet, caller)
    before, events = caller.job(id_), _events(quiet, id_)
    answer = caller.post(f"/jobs/{id_}/{action}")
    assert (answer.status_code, answer.get_json()) == (200, before)
    assert _events(quiet, id_) == events


@pytest.mark.parametrize("action", ["cancel", "pause", "resume", "retry", "rerun"])
def test_an_action_on_a_malformed_id_is_not_found(caller: Caller, action: str) -> None:
    problem(caller.post(f"/jobs/nonsense/{action}"), 404, "malformed_id")


def test_a_failed_job_says_why_and_what_to_do(quiet: Quiet, caller: Caller) -> None:
    error = caller.job(_failed(quiet, caller))["error"]
    assert error["code"] == "bad_input"
    assert error["detail"] == Reason.BAD_INPUT.meaning
    assert error["lasting"]


@pytest.mark.parametrize("query", ["", "?from=checkpoint", "?from=start"])
def test_a_failed_job_is_tried_again(quiet: Quiet, caller: Caller, query: str) -> None:
    id_ = _failed(quiet, caller)
    answer = caller.post(f"/jobs/{id_}/retry{query}")
    job = answer.get_json()
    assert (answer.status_code, job["id"], job["status"]) == (202, id_, "queued")
    assert (job["error"], job["ended_at"]) == (None, None)


def test_a_canceled_job_is_tried_again(caller: Caller) -> None:
    id_ = caller.submit()["id"]
    caller.post(f"/jobs/{id_}/cancel")
    answer = caller.post(f"/jobs/{id_}/retry")
    assert (answer.status_code, answer.get_json()["status"]) == (202, "queued")


def test_retrying_from_somewhere_unknown_is_refused(quiet: Quiet, caller: Caller) -> None:
    id_ = _failed(quiet, caller)
    problem(caller.post(f"/jobs/{id_}/retry?from=middle"), 422, "invalid", "/from")
    assert caller.job(id_)["status"] == "failed"


def test_a_job_that_did_not_fail_is_not_tried_again(quiet: Quiet, caller: Caller) -> None:
    for id_ in (_succeeded(quiet, caller), caller.submit()["id"]):
        before = caller.job(id_)
        answer = caller.post(f"/jobs/{id_}/retry")
        assert (answer.status_code, answer.get_json()) == (200, before)


def test_a_rerun_is_a_new_job_that_knows_its_parent(caller: Caller) -> None:
    parent = caller.submit(tags=["first"], priority=2)
    answer = caller.post(f"/jobs/{parent['id']}/rerun", json={"params": {"seed": 7}})
    child = answer.get_json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/jobs/{child['id']}"
    assert child["id"] != parent["id"]
    assert child["parent_id"] == parent["id"]
    assert (child["tags"], child["priority"]) == (["first"], 2)
    assert child["params"] == {**parent["params"], "seed": 7}


def test_a_rerun_without_a_body_repeats_everything(caller: Caller) -> None:
    parent = caller.submit()
    child = caller.post(f"/jobs/{parent['id']}/rerun").get_json()
    assert child["params"] == parent["params"]


def test_a_rerun_with_another_preset_takes_all_that_the_preset_fills_in(caller: Caller) -> None:
    parent = caller.submit()
    change = {"params": {"preset": "fine"}}
    child = caller.post(f"/jobs/{parent['id']}/rerun", json=change).get_json()
    assert (parent["params"]["size"], child["params"]["size"]) == (256, 1024)


def test_a_rerun_with_a_bad_change_is_refused_and_makes_nothing(
    quiet: Quiet, caller: Caller
) -> None:
    parent = caller.submit()
    before = quiet.holdings()
    address = f"/jobs/{parent['id']}/rerun"
    problem(caller.post(address, json={"params": {"size": 1}}), 422, "invalid", "/params/size")
    problem(caller.post(address, json={"kind": "other"}), 422, "invalid", "/kind")
    problem(caller.post(address, json={"params": [1]}), 422, "invalid", "/params")
    assert quiet.holdings() == before
