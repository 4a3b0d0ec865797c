"""What a job would meet that came now, over the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete

from engines.kind import Known
from engines.registry import KINDS
from jobs import slots
from jobs.models import Slot
from tests.webui.quiet import Caller, Quiet, problem

NAME, RATE = "gpu:0@outlook", 1e12
TRAINING = "/kinds/gan_training/outlook"


@pytest.fixture
def machine(quiet: Quiet) -> Iterator[float]:
    """A graphics card on which nothing has ended, and its rate."""
    with quiet.database.begin() as session:
        slots.register(session, NAME, machine="north", resource="gpu", device="GPU-0", standby=True)
        slots.note_rate(session, NAME, RATE)
    yield RATE
    with quiet.database.begin() as session:
        session.execute(delete(Slot).where(Slot.name == NAME))


def test_it_says_how_long_the_settings_and_each_preset_should_take(
    caller: Caller, machine: float
) -> None:
    kind = KINDS["gan_training"]
    chosen = {"preset": "fine", "steps": 1000}
    found = caller.post(TRAINING, json={"params": chosen}).get_json()
    assert (found["ahead"], found["wait_seconds"], found["machines"]) == (0, 0.0, 1)
    asked: list[tuple[dict[str, Any], dict[str, Any]]] = [(found["run"], chosen)]
    asked += [(found["presets"][name], {"preset": name}) for name in kind.params.PRESETS]
    for told, given in asked:
        work = kind.params.imagined(given).arithmetic(Known())
        assert work is not None
        assert told["guessed"]
        assert told["seconds"] == pytest.approx(work / (machine * kind.speed), abs=0.1)


def test_without_parameters_it_is_of_the_defaults(caller: Caller, machine: float) -> None:
    found = caller.post(TRAINING).get_json()
    assert found["run"] == found["presets"]["draft"]


def test_parameters_that_would_be_refused_are(caller: Caller, machine: float) -> None:
    problem(caller.post(TRAINING, json={"params": {"steps": 0}}), 422, "invalid", "/params/steps")


def test_an_unknown_kind_is_refused(caller: Caller) -> None:
    assert caller.post("/kinds/alchemy/outlook").status_code == 404
