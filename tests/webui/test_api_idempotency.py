"""Idempotency-Key: a repeated order is one order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.webui.quiet import Caller, Quiet, problem

KEY = {"Idempotency-Key": "night-at-the-cafe"}


def test_the_same_key_and_order_is_answered_with_the_same_job(quiet: Quiet, caller: Caller) -> None:
    order = caller.order(tags=["once"])
    first = caller.post("/jobs", json=order, headers=KEY)
    before = quiet.holdings()
    again = caller.post("/jobs", json=order, headers=KEY)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.get_json()["id"] == first.get_json()["id"]
    assert quiet.holdings() == before


def test_a_replay_shows_the_job_as_it_is_now(caller: Caller) -> None:
    order = caller.order()
    made = caller.post("/jobs", json=order, headers=KEY).get_json()
    caller.post(f"/jobs/{made['id']}/cancel")
    assert caller.post("/jobs", json=order, headers=KEY).get_json()["status"] == "canceled"


def test_the_order_of_names_in_the_body_does_not_make_another_order(caller: Caller) -> None:
    order = caller.order()
    made = caller.post("/jobs", json=order, headers=KEY).get_json()
    turned = dict(reversed(order.items()))
    assert caller.post("/jobs", json=turned, headers=KEY).get_json()["id"] == made["id"]


@pytest.mark.parametrize("change", [{"priority": 1}, {"tags": ["other"]}, {"params": {}}])
def test_the_same_key_with_another_order_is_refused(
    quiet: Quiet, caller: Caller, change: dict[str, object]
) -> None:
    order = caller.order()
    caller.post("/jobs", json=order, headers=KEY)
    before = quiet.holdings()
    refused = caller.post("/jobs", json={**order, **change}, headers=KEY)
    problem(refused, 422, "idempotency_key_reused")
    assert quiet.holdings() == before


def test_without_a_key_the_same_order_is_two_jobs(caller: Caller) -> None:
    assert caller.submit()["id"] != caller.submit()["id"]


def test_a_key_belongs_to_its_owner(quiet: Quiet, caller: Caller) -> None:
    other = quiet.somebody()
    mine = caller.post("/jobs", json=caller.order(), headers=KEY).get_json()
    theirs = other.post("/jobs", json=other.order(), headers=KEY).get_json()
    assert mine["id"] != theirs["id"]


def test_a_refused_order_does_not_use_its_key_up(caller: Caller) -> None:
    problem(
        caller.post("/jobs", json=caller.order_with(size=1), headers=KEY),
        422,
        "invalid",
        "/params/size",
    )
    assert caller.post("/jobs", json=caller.order(), headers=KEY).status_code == 202


def test_duplicates_sent_at_once_give_one_job(quiet: Quiet, caller: Caller) -> None:
    order = caller.order()
    before = quiet.holdings()

    def send(_: int) -> tuple[int, str]:
        answer = caller.post("/jobs", json=order, headers=KEY)
        return answer.status_code, answer.get_json()["id"]

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(send, range(16)))
    assert len(answers) == 1
    assert answers.pop()[0] == 202
    assert quiet.holdings()["job"] == before["job"] + 1


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_of_the_wrong_length_is_refused(caller: Caller, key: str) -> None:
    refused = caller.post("/jobs", json=caller.order(), headers={"Idempotency-Key": key})
    body = problem(refused, 422, "invalid", "")
    assert body["errors"][0]["code"] == "bad_idempotency_key"


def test_a_key_of_the_longest_length_is_taken(caller: Caller) -> None:
    headers = {"Idempotency-Key": "x" * 255}
    assert caller.post("/jobs", json=caller.order(), headers=headers).status_code == 202


def test_a_rerun_takes_a_key_as_well(caller: Caller) -> None:
    parent = caller.submit()
    change = {"params": {"size": 128}}
    runs = [
        caller.post(f"/jobs/{parent['id']}/rerun", json=change, headers=KEY).get_json()
        for _ in range(2)
    ]
    assert runs[0]["id"] == runs[1]["id"]
