"""Being told, as programs and people ask for it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from jobs.models import Job
from tests.webui.quiet import Caller, Quiet, problem


def test_wishes_and_webhooks_are_ones_own_and_a_secret_is_shown_once(
    quiet: Quiet, caller: Caller
) -> None:
    assert caller.get("/me/notices").get_json() == {"mail": None, "long_seconds": 300}
    changed = caller.ask("PUT", "/me/notices", json={"mail": "ada@studio.example"})
    assert changed.get_json() == {"mail": "ada@studio.example", "long_seconds": 300}
    changed = caller.ask("PUT", "/me/notices", json={"mail": "", "long_seconds": 0})
    assert changed.get_json() == {"mail": None, "long_seconds": 0}
    problem(
        caller.ask("PUT", "/me/notices", json={"long_seconds": -1}), 422, "invalid", "/long_seconds"
    )
    made = caller.post("/me/webhooks", json={"url": "https://host.example/hook"})
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    hook = made.get_json()
    assert hook["secret"].startswith("whsec_")
    (listed,) = caller.get("/me/webhooks").get_json()["results"]
    assert listed == {name: value for name, value in hook.items() if name != "secret"}
    other = quiet.somebody()
    assert other.get("/me/webhooks").get_json() == {"results": []}
    problem(other.ask("DELETE", f"/me/webhooks/{hook['id']}"), 404, "unknown_webhook")
    problem(caller.post("/me/webhooks", json={"url": "no"}), 422, "invalid", "/url")
    assert caller.get("/me/deliveries").get_json() == {"results": []}
    problem(caller.post(f"/me/deliveries/{hook['id']}/replay"), 404, "unknown_delivery")
    assert caller.ask("DELETE", f"/me/webhooks/{hook['id']}").status_code == 204
    assert caller.get("/me/webhooks").get_json() == {"results": []}


def test_an_order_names_a_webhook_whose_secret_is_shown_once(quiet: Quiet, caller: Caller) -> None:
    url = "https://host.example/mine"
    first = caller.post("/jobs", json=caller.order(webhook=url), headers={"Idempotency-Key": "1"})
    assert (first.status_code, first.headers["Cache-Control"]) == (202, "no-store")
    assert first.get_json()["webhook_secret"].startswith("whsec_")
    same = caller.post("/jobs", json=caller.order(webhook=url), headers={"Idempotency-Key": "1"})
    assert same.get_json()["id"] == first.get_json()["id"]
    secret = first.get_json()["webhook_secret"]
    assert same.get_json()["webhook_secret"] == secret, "the first answer may have been lost"
    again = caller.post("/jobs", json=caller.order(webhook=url))
    assert "webhook_secret" not in again.get_json()
    other = caller.post("/jobs", json=caller.order(), headers={"Idempotency-Key": "1"})
    problem(other, 422, "idempotency_key_reused")
    (listed,) = caller.get("/me/webhooks").get_json()["results"]
    assert (listed["url"], listed["of_jobs"]) == (url, True)
    with quiet.database.begin() as session:
        named = select(Job.webhook_id).where(Job.owner_id == caller.owner)
        assert {str(id_) for id_ in session.scalars(named)} == {listed["id"]}


def test_an_order_sent_again_is_the_same_whatever_became_of_its_webhook(caller: Caller) -> None:
    order, key = caller.order(webhook="https://host.example/mine"), {"Idempotency-Key": "2"}
    first = caller.post("/jobs", json=order, headers=key).get_json()
    assert caller.post(f"/jobs/{first['id']}/cancel").status_code == 200
    signed = caller.post("/jobs", json=order, headers=key).get_json()
    assert (signed["id"], "webhook_secret" in signed) == (first["id"], False)
    (hook,) = caller.get("/me/webhooks").get_json()["results"]
    assert caller.ask("DELETE", f"/me/webhooks/{hook['id']}").status_code == 204
    again = caller.post("/jobs", json=order, headers=key)
    assert (again.status_code, again.get_json()["id"]) == (202, first["id"])
    assert caller.get("/me/webhooks").get_json() == {"results": []}


def test_a_rerun_names_a_webhook_of_its_own(caller: Caller) -> None:
    parent = caller.submit()
    order = {"webhook": "https://host.example/mine"}
    child = caller.post(f"/jobs/{parent['id']}/rerun", json=order)
    assert child.get_json()["webhook_secret"].startswith("whsec_")
    assert child.headers["Cache-Control"] == "no-store"
    bad = caller.post(f"/jobs/{parent['id']}/rerun", json={"webhook": "no"})
    problem(bad, 422, "invalid", "/webhook")


@pytest.mark.parametrize(
    "url", ["ftp://host.example/", "https://u:p@host.example/", "http://[::1", "http://h:99999/"]
)
def test_an_order_with_a_webhook_that_cannot_be_called_is_refused_and_leaves_nothing(
    caller: Caller, url: str
) -> None:
    problem(caller.post("/jobs", json=caller.order(webhook=url)), 422, "invalid", "/webhook")
    problem(caller.post("/me/webhooks", json={"url": url}), 422, "invalid", "/url")
    bad = caller.order(webhook="https://host.example/", priority=99)
    problem(caller.post("/jobs", json=bad), 422, "invalid", "/priority")
    assert caller.get("/me/webhooks").get_json() == {"results": []}
    assert caller.get("/jobs").get_json()["results"] == []
