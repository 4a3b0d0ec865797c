"""Slots over the API: who is here, and draining one before maintenance."""

from __future__ import annotations

import pytest

from jobs import slots
from tests.webui.quiet import Caller, Quiet, problem

NAME = "cpu:7@elsewhere"


@pytest.fixture
def slot(quiet: Quiet) -> str:
    """A slot that has registered."""
    with quiet.database.begin() as session:
        slots.register(
            session, NAME, machine="elsewhere", resource="cpu", device="cpu", standby=True
        )
        slots.undrain(session, NAME)
    return NAME


def _shown(asking: Caller, method: str, address: str) -> dict[str, object]:
    answer = getattr(asking, method)(address)
    assert answer.status_code == 200, answer.get_json()
    return next(one for one in answer.get_json()["results"] if one["id"] == NAME)


def test_a_slot_is_listed_with_what_runs_in_it(administrator: Caller, slot: str) -> None:
    shown = _shown(administrator, "get", "/workers")
    assert (shown["machine"], shown["drained"], shown["job_id"]) == ("elsewhere", False, None)


def test_a_drained_slot_may_take_no_job_until_it_is_undrained(
    quiet: Quiet, administrator: Caller, slot: str
) -> None:
    def may_take() -> bool:
        with quiet.database.begin() as session:
            return slots.register(
                session, NAME, machine="elsewhere", resource="cpu", device="cpu", standby=True
            )

    assert _shown(administrator, "post", f"/workers/{slot}/drain")["drained"] is True
    assert not may_take()
    assert _shown(administrator, "post", f"/workers/{slot}/undrain")["drained"] is False
    assert may_take()


def test_an_unknown_slot_is_refused(administrator: Caller) -> None:
    problem(administrator.post("/workers/gpu:9@nowhere/drain"), 404, "unknown_slot")


@pytest.mark.parametrize("name", [NAME, "gpu:9@nowhere"])
def test_an_artist_learns_nothing_of_the_slots(caller: Caller, slot: str, name: str) -> None:
    for answer in (
        caller.get("/workers"),
        caller.post(f"/workers/{name}/drain"),
        caller.post(f"/workers/{name}/undrain"),
    ):
        assert slot not in answer.get_data(as_text=True).replace(answer.request.path, "")
        problem(answer, 403, "administrators_only")
