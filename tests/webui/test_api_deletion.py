"""Deleting and keeping, as programs ask for it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from jobs import lease
from jobs.storage import Stored, touch
from tests.webui.quiet import Caller, Quiet, problem

RETENTION = "/admin/retention"


def finished(quiet: Quiet, caller: Caller) -> tuple[str, str]:
    """The ids of an ended job and of its work."""
    job = caller.submit()
    claim = quiet.claim(caller.owner)
    stored = Stored(job["id"].replace("-", "") * 2, 100)
    touch(quiet.database, stored)
    work = lease.Work("result", "result.png", "image/png", stored, 64, 48)
    with quiet.database.begin() as session:
        lease.finish(session, claim.hold, [work], 1.0)
    return job["id"], caller.job(job["id"])["outputs"][0]["id"]


def test_a_deletion_is_told_first_and_then_done(quiet: Quiet, caller: Caller) -> None:
    job_id, work = finished(quiet, caller)
    told = caller.get(f"/jobs/{job_id}/deletion").get_json()
    assert (told["works"], told["bytes"], told["preview"]) == (1, 100, False)
    problem(caller.ask("DELETE", f"/files/{work}"), 409, "part_of_job")
    problem(quiet.somebody().ask("DELETE", f"/jobs/{job_id}"), 404, "unknown_job")
    assert caller.ask("DELETE", f"/jobs/{job_id}").get_json() == told
    problem(caller.get(f"/jobs/{job_id}"), 404, "unknown_job")
    problem(caller.get(f"/files/{work}"), 404, "unknown_file")
    problem(caller.ask("DELETE", f"/jobs/{job_id}"), 404, "unknown_job")


def test_what_is_under_way_is_not_deleted(caller: Caller) -> None:
    job = caller.submit()
    problem(caller.ask("DELETE", f"/jobs/{job['id']}"), 409, "not_ended")
    problem(caller.get(f"/jobs/{job['id']}/deletion"), 409, "not_ended")
    problem(caller.ask("DELETE", f"/files/{caller.picture}"), 409, "in_use")
    caller.post(f"/jobs/{job['id']}/cancel")
    assert caller.ask("DELETE", f"/files/{caller.picture}").status_code == 200
    problem(caller.get(f"/files/{caller.picture}"), 404, "unknown_file")


def test_administrators_say_how_long_things_are_kept(
    quiet: Quiet, caller: Caller, administrator: Caller
) -> None:
    job_id, _ = finished(quiet, caller)
    with quiet.database.begin() as session:
        old = "UPDATE job SET ended_at = now() - interval '9 days' WHERE id = :id"
        session.execute(text(old), {"id": job_id})
    owner = str(caller.owner)  # in these tests people are called by their ids
    rules: list[dict[str, Any]] = [{"what": "works", "days": 7, "keep": 0, "owner": owner}]
    kept = administrator.ask("PUT", RETENTION, json={"rules": rules, "reason": "disk"})
    assert kept.get_json() == {"rules": rules}
    (effect,) = administrator.get(f"{RETENTION}/effects").get_json()["results"]
    assert (effect["jobs"], effect["bytes"], effect["some"]) == (1, 100, [job_id])
    assert effect["weighed"] == 1
    assert caller.get(f"/jobs/{job_id}").status_code == 200
    assert administrator.post(f"{RETENTION}/apply").get_json() == {"removed": {"works": 1}}
    assert caller.get(f"/jobs/{job_id}").status_code == 404
    assert administrator.ask("PUT", RETENTION, json={"rules": []}).get_json() == {"rules": []}


def test_rules_that_cannot_be_are_refused_and_artists_too(
    caller: Caller, administrator: Caller
) -> None:
    def put(*rules: Any) -> Any:
        return administrator.ask("PUT", RETENTION, json={"rules": list(rules)})

    problem(put({"what": "dreams", "days": 1}), 422, "invalid", "/rules/0/what")
    problem(put({"what": "logs"}), 422, "invalid", "/rules/0/days")
    problem(put({"what": "logs", "days": "many"}), 422, "invalid", "/rules/0/days")
    problem(put({"what": "logs", "days": -1}), 422, "invalid", "/rules/0/days")
    problem(put({"what": "logs", "days": 1, "mood": 1}), 422, "invalid", "/rules/0/mood")
    problem(put("logs"), 422, "invalid", "/rules/0")
    problem(put({"what": "logs", "days": 1, "owner": "\0"}), 422, "invalid", "/rules/0/owner")
    for reason in ("\0", "x" * 501):
        body = {"rules": [], "reason": reason}
        problem(administrator.ask("PUT", RETENTION, json=body), 422, "invalid", "/reason")
    for method, path in (
        ("GET", RETENTION),
        ("PUT", RETENTION),
        ("GET", f"{RETENTION}/effects"),
        ("POST", f"{RETENTION}/apply"),
    ):
        problem(caller.ask(method, path), 403, "administrators_only")
