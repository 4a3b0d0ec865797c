"""When a waiting job is expected to begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import event, update

from jobs import lease, listing, slots
from jobs.models import Job
from jobs.states import State
from tests.commissions import Studio
from tests.jobs.test_lease import claimed, order


def running(person: Studio, seconds_left: Sequence[float | None]) -> None:
    """As many slots, each with a job that tells how long it still takes."""
    for number, seconds in enumerate(seconds_left):
        with person.database.begin() as session:
            name = f"cpu:{number}@test"
            slots.register(
                session, name, machine="test", resource="cpu", device="cpu", standby=True
            )
        order(person)
        hold = claimed(person.database).hold
        with person.database.begin() as session:
            lease.report_progress(session, hold, {"seconds_left": seconds})


def ended(person: Studio, seconds: float) -> None:
    """A job that took so long."""
    values = {"state": str(State.SUCCEEDED), "run_seconds": seconds}
    with person.database.begin() as session:
        session.execute(update(Job).where(Job.id == order(person)).values(values))


def etas(person: Studio, many: int) -> list[float | None]:
    """Seconds until each of so many waiting jobs begins."""
    found = []
    for _ in range(many):
        with person.database.begin() as session:
            found.append(listing.wait_seconds(session, "cpu"))
        order(person)
    return found


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        ([900.0], [900.0, 910.0, 920.0]),
        ([900.0, 36_000.0], [900.0, 910.0]),
        ([None], [5.0, 15.0]),
        ([], [None]),
    ],
)
def test_a_waiting_job_is_told_when_the_running_ones_end_by_their_own_account(
    ada: Studio, left: list[float | None], expected: list[float | None]
) -> None:
    running(ada, left)
    ended(ada, 10.0)
    assert etas(ada, len(expected)) == pytest.approx(expected)


def test_the_next_is_told_though_no_job_has_ended_here_yet(ada: Studio) -> None:
    running(ada, [900.0])
    assert etas(ada, 2) == [900.0, None]


def test_an_idle_slot_waits_for_nobody(ada: Studio) -> None:
    running(ada, [900.0])
    with ada.database.begin() as session:
        slots.register(
            session, "cpu:9@test", machine="test", resource="cpu", device="cpu", standby=True
        )
    ended(ada, 10.0)
    assert etas(ada, 2) == pytest.approx([0.0, 10.0])


def test_the_places_of_many_jobs_take_no_more_questions_than_that_of_one(ada: Studio) -> None:
    running(ada, [900.0])
    ended(ada, 10.0)
    waiting = [ada.job(order(ada)) for _ in range(4)]
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(ada.database.engine, "before_cursor_execute", note)
    try:
        with ada.database.begin() as session:
            found = [listing.place(session, waiting[-1])]
            of_one = len(asked)
            found += [listing.place(session, job) for job in waiting]
    finally:
        event.remove(ada.database.engine, "before_cursor_execute", note)
    told = [(place.position, place.eta_seconds) for place in found if place]
    assert told[1:] == [(1, 900.0), (2, 910.0), (3, 920.0), (4, 930.0)]
    assert told[0] == told[-1]
    assert len(asked) == of_one


@pytest.mark.parametrize(("left", "expected"), [([900.0, 7.0, 5.0], 5.0), ([9.0, None, 7.0], 7.0)])
def test_of_very_many_running_jobs_those_that_end_first_are_looked_at_and_all_are_counted(
    ada: Studio, monkeypatch: pytest.MonkeyPatch, left: list[float | None], expected: float
) -> None:
    monkeypatch.setattr(listing, "FARTHEST_POSITION", 1)
    running(ada, left)
    ended(ada, 1000.0)
    assert etas(ada, 1) == [expected]
