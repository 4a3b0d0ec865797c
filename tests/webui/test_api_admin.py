"""The administrator's API: the whole studio, closing it, and everybody's jobs."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text, update

from jobs import lease, slots
from jobs.models import AuditRow, Owner
from jobs.records import audit, causes
from jobs.states import Reason, State
from tests.webui.quiet import Caller, Quiet, problem

NAME = "cpu:8@elsewhere"


@pytest.fixture
def boss(quiet: Quiet) -> Caller:
    """An administrator."""
    found = quiet.somebody()
    with quiet.database.begin() as session:
        session.execute(update(Owner).where(Owner.id == found.owner).values(role="administrator"))
    return found


@pytest.fixture
def slot(quiet: Quiet) -> str:
    """A slot that serves."""
    with quiet.database.begin() as session:
        slots.register(
            session,
            NAME,
            machine="elsewhere",
            resource="cpu",
            device="cpu",
            standby=True,
            vitals={"load": 1.5},
        )
        slots.undrain(session, NAME)
    return NAME


def shown(answer: Any, status: int = 200) -> dict[str, Any]:
    body: dict[str, Any] = answer.get_json()
    assert answer.status_code == status, body
    return body


def newest(quiet: Quiet) -> AuditRow:
    with quiet.database.begin() as session:
        return audit.page(session, audit.Filter(), 1)[0]


def failed(quiet: Quiet, caller: Caller) -> str:
    """A job of somebody that broke."""
    job_id = str(caller.submit()["id"])
    hold = quiet.claim(caller.owner).hold
    with quiet.database.begin() as session:
        lease.stop(session, hold, State.FAILED, Reason.INTERNAL_ERROR, 1.0)
        causes.keep(session, hold, "Traceback: /secret/place")
    return job_id


def test_nothing_of_it_is_for_artists(caller: Caller) -> None:
    some_id = "0198f1a0-0000-7000-8000-000000000000"
    for method, path in (
        ("get", "/admin/overview"),
        ("get", "/admin/jobs"),
        ("get", f"/admin/jobs/{some_id}"),
        ("post", f"/admin/jobs/{some_id}/cancel"),
        ("get", "/admin/audit"),
        ("post", "/admin/queues/cpu/pause"),
        ("post", "/admin/maintenance/begin"),
        ("post", "/workers/cpu:0@x/quarantine"),
    ):
        problem(getattr(caller, method)(path), 403, "administrators_only")


def test_the_overview_changes_its_tag_when_something_changes(boss: Caller, slot: str) -> None:
    answer = boss.get("/admin/overview")
    seen = shown(answer)
    (found,) = [each for each in seen["slots"] if each["id"] == slot]
    assert (found["vitals"], found["silent"], found["job"]) == ({"load": 1.5}, False, None)
    assert {each["id"] for each in seen["queues"]} == {"cpu", "gpu"}
    tag = answer.headers["ETag"]
    shown(boss.post(f"/workers/{slot}/quarantine", json={"reason": "loud"}))
    changed = boss.get("/admin/overview", headers={"If-None-Match": tag})
    (alarm,) = [each for each in shown(changed)["alarms"] if each["subject"] == slot]
    assert (alarm["code"], alarm["remedy"]) == ("slot_quarantined", "undrain")
    assert "loud" in alarm["detail"]


def test_a_change_of_a_slot_is_written_down(quiet: Quiet, boss: Caller, slot: str) -> None:
    shown(boss.post(f"/workers/{slot}/drain", json={"reason": "dust"}))
    row = newest(quiet)
    assert (row.actor_id, row.action, row.target, row.reason) == (
        *(boss.owner, "slot.drained", slot),
        "dust",
    )
    problem(boss.post(f"/workers/{slot}/quarantine"), 422, "invalid", "/reason")
    problem(boss.post(f"/workers/{slot}/forget"), 409, "slot_alive")


def test_in_maintenance_submits_are_answered_with_the_message(boss: Caller, caller: Caller) -> None:
    order = caller.order()
    told = {"message": "Back at noon.", "retry_seconds": 900}
    shown(boss.post("/admin/maintenance/begin", json=told))
    try:
        refused = caller.post("/jobs", json=order)
        assert "Back at noon." in problem(refused, 503, "maintenance")["title"]
        assert refused.headers["Retry-After"] == "900"
        assert "maintenance" in {
            alarm["code"] for alarm in shown(boss.get("/admin/overview"))["alarms"]
        }
    finally:
        assert shown(boss.post("/admin/maintenance/end"))["maintenance"] is None
    assert caller.post("/jobs", json=order).status_code == 202
    problem(boss.post("/admin/maintenance/begin", json={}), 422, "invalid", "/message")


def test_a_queue_is_paused_and_resumed(boss: Caller) -> None:
    paused = shown(boss.post("/admin/queues/gpu/pause", json={"reason": "driver"}))
    (gpu,) = [queue for queue in paused["results"] if queue["id"] == "gpu"]
    assert gpu["paused"]["message"] == "driver"
    resumed = shown(boss.post("/admin/queues/gpu/resume"))
    assert [queue["paused"] for queue in resumed["results"]] == [None, None]
    shown(boss.post("/admin/queues/gpu/wake"))
    problem(boss.post("/admin/queues/tpu/pause"), 404, "unknown_queue")


def test_everybodys_jobs_are_listed_and_paged(quiet: Quiet, boss: Caller, caller: Caller) -> None:
    ids = [str(caller.submit()["id"]) for _ in range(3)]
    first = shown(boss.get(f"/admin/jobs?owner={caller.owner}&limit=2"))
    assert [job["id"] for job in first["results"]] == ids[:0:-1]
    assert first["results"][0]["owner"] == str(caller.owner)
    rest = first["next"].removeprefix(quiet.address)
    assert [job["id"] for job in shown(boss.get(rest))["results"]] == ids[:1]
    problem(boss.get("/admin/jobs?status=asleep"), 422, "invalid", "/status")
    problem(boss.get("/admin/jobs?since=soon"), 422, "invalid", "/since")
    problem(boss.get("/admin/jobs?owner=nobody"), 422, "invalid", "/owner")
    assert shown(boss.get(f"/admin/jobs?owner={str(caller.owner).upper()}"))["results"]


def test_a_job_in_full_holds_what_its_owner_never_sees(
    quiet: Quiet, boss: Caller, caller: Caller
) -> None:
    job_id = failed(quiet, caller)
    seen = shown(boss.get(f"/admin/jobs/{job_id}"))
    assert [cause["words"] for cause in seen["causes"]] == ["Traceback: /secret/place"]
    assert seen["attempts"][0]["outcome"] == "failed"
    assert "secret" not in caller.get(f"/jobs/{job_id}").get_data(as_text=True)
    (picture,) = seen["files"]
    assert boss.get(picture["url"]).status_code == 200
    row = newest(quiet)
    assert (row.actor_id, row.action, row.target) == (boss.owner, "job.file_seen", job_id)
    assert row.after == {"file": picture["id"], "name": picture["name"]}
    problem(boss.get(f"/admin/jobs/{job_id}/files/{job_id}"), 404, "unknown_file")
    assert boss.get(f"/admin/jobs/{job_id}/log").status_code == 200
    problem(boss.get("/admin/jobs/what"), 404, "malformed_id")


def test_a_checkpoint_is_read_on_demand(quiet: Quiet, boss: Caller, caller: Caller) -> None:
    job_id = str(caller.submit()["id"])
    hold = quiet.claim(caller.owner).hold
    with quiet.database.begin() as session:
        picture = text("SELECT sha256 FROM file WHERE id = :id")
        sha256 = session.execute(picture, {"id": caller.picture}).scalar_one()
        lease.commit_checkpoint(session, hold, lease.SavedState(sha256, 7, 1, 1))
    (saved,) = shown(boss.get(f"/admin/jobs/{job_id}"))["checkpoints"]
    assert (saved["step"], shown(boss.get(saved["check_url"]))["whole"]) == (7, True)
    quiet.studio.storage.remove(sha256)
    assert "missing" in shown(boss.get(saved["check_url"]))["wrong"]


def test_a_preview_says_what_requeueing_then_does(
    quiet: Quiet, boss: Caller, caller: Caller
) -> None:
    job_id = failed(quiet, caller)
    which = f"/admin/requeue?owner={caller.owner}&reason=internal_error&since=1h"
    seen = shown(boss.get(which))
    assert (seen["count"], [job["id"] for job in seen["examples"]]) == (1, [job_id])
    problem(boss.post(which), 422, "invalid", "/reason")
    done = shown(boss.post(which, json={"reason": "mended"}))
    assert (done["requeued"], done["left"], done["ids"]) == (1, 0, [job_id])
    assert caller.job(job_id)["status"] == "queued"
    assert newest(quiet).target == job_id
    assert shown(boss.post(which, json={"reason": "mended"}))["requeued"] == 0


def test_a_job_is_put_first_given_a_priority_and_canceled(
    quiet: Quiet, boss: Caller, caller: Caller
) -> None:
    job_id = str(caller.submit()["id"])
    assert shown(boss.post(f"/admin/jobs/{job_id}/front"))["priority"] > 10
    assert caller.job(job_id)["queue"]["position"] == 1
    changed = boss.post(f"/admin/jobs/{job_id}/priority", json={"priority": -2})
    assert shown(changed)["priority"] == -2
    problem(boss.post(f"/admin/jobs/{job_id}/priority", json={}), 422, "invalid", "/priority")
    problem(boss.post(f"/admin/jobs/{job_id}/cancel"), 422, "invalid", "/reason")
    shown(boss.post(f"/admin/jobs/{job_id}/cancel", json={"reason": "asked by phone"}))
    job = caller.job(job_id)
    assert (job["status"], job["reason"]) == ("canceled", "canceled_by_administrator")


def test_the_audit_log_is_listed_and_checked(quiet: Quiet, boss: Caller, slot: str) -> None:
    shown(boss.post(f"/workers/{slot}/drain"))
    rows = shown(boss.get(f"/admin/audit?actor={boss.owner}&action=slot"))["results"]
    assert [(row["action"], row["target"]) for row in rows] == [("slot.drained", slot)]
    assert (
        shown(boss.get(f"/admin/audit?before={rows[0]['id']}&actor={boss.owner}"))["results"] == []
    )
    with quiet.database.begin() as session:
        session.get_one(Owner, boss.owner).name = name = f"Grace {boss.owner}"
    assert shown(boss.get(f"/admin/audit?actor={name}&action=slot"))["results"] == rows
    with quiet.database.begin() as session:
        assert audit.seal(session) is not None
    found = shown(boss.get("/admin/audit/check"))
    assert (found["wrong"], len(found["head"])) == ([], 64)
    (gone,) = shown(boss.get(f"/admin/audit/check?head={'1' * 64}"))["wrong"]
    assert gone["subject"] == "audit log"
