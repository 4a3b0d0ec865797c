"""The timeline's pictures: one a step, under the fence, bounded; the best is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from jobs import lease
from jobs.database import Database
from jobs.keeper import Keeper
from jobs.lease import Hold
from jobs.moves import FenceLostError
from jobs.office.verify import Verifier
from jobs.records import frames
from jobs.records.frames import Shown
from jobs.states import Reason, State
from jobs.storage import Storage
from tests.commissions import Studio, tiny
from tests.jobs.records.test_logs import claimed

Keep = Callable[..., bool]


@pytest.fixture
def hold(ada: Studio) -> Hold:
    """A job that a worker holds."""
    picture = ada.ids[Path("photo")]
    ada.submit(tiny(picture, picture, 1))
    return claimed(ada)


@pytest.fixture
def keep(workshop: Database, shelf: Storage, tmp_path: Path) -> Keep:
    def kept(hold: Hold, step: int, score: float | None = None) -> bool:
        source = tmp_path / "frame"
        source.write_bytes(f"fence {hold.fence}, step {step}".encode())
        shown = Shown(shelf.put(workshop, source), step, 64, 32, score)
        with workshop.begin() as session:
            return lease.report_frame(session, hold, shown)

    return kept


def steps(database: Database, hold: Hold) -> list[int]:
    with database.begin() as session:
        return [frame.step for frame in frames.listing(session, hold.job_id)]


def again(person: Studio, hold: Hold, resumed_from: int | None) -> Hold:
    with person.database.begin() as session:
        lease.stop(session, hold, State.QUEUED, Reason.WORKER_STOPPED, 1.0)
    second = claimed(person)
    with person.database.begin() as session:
        lease.report_resume(session, second, resumed_from)
    return second


@pytest.mark.parametrize(("resumed_from", "kept"), [(None, []), (10, [0, 10]), (15, [0, 10])])
def test_pictures_beyond_the_step_of_a_resume_give_way_and_no_other(
    workshop: Database, ada: Studio, hold: Hold, keep: Keep, resumed_from: int, kept: list[int]
) -> None:
    for step in (0, 10, 20):
        keep(hold, step)
    second = again(ada, hold, resumed_from)
    assert steps(workshop, hold) == kept
    for step in (10, 20):
        keep(second, step)
    assert steps(workshop, hold) == sorted({*kept, 10, 20})


def test_an_outlived_attempt_adds_no_picture(
    workshop: Database, ada: Studio, hold: Hold, keep: Keep
) -> None:
    again(ada, hold, None)
    with pytest.raises(FenceLostError):
        keep(hold, 3)
    assert steps(workshop, hold) == []


def test_a_full_timeline_takes_no_further_step_but_the_same_again(
    workshop: Database, hold: Hold, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "MOST_FRAMES", 2)
    assert [keep(hold, step) for step in (0, 1, 2, 1)] == [True, True, False, True]
    assert steps(workshop, hold) == [0, 1]


def test_the_best_is_what_its_run_says_else_the_first_with_the_highest_score(
    workshop: Database, hold: Hold, keep: Keep
) -> None:
    for step, score in ((0, None), (1, -3.0), (2, -1.0), (3, -1.0), (4, -2.0)):
        keep(hold, step, score)
    with workshop.begin() as session:
        shown = frames.listing(session, hold.job_id)
    said: list[dict[str, Any]] = [{}, {"best_step": None}, {"best_step": 0}, {"best_step": 7}]
    assert [frames.best_step(progress, shown) for progress in said] == [2, 2, 0, 7]
    assert frames.best_step({}, []) is None


def test_the_sweep_leaves_pictures_of_a_timeline_and_verify_knows_them(
    workshop: Database, ada: Studio, hold: Hold, keep: Keep, shelf: Storage
) -> None:
    for step in (1, 2):
        keep(hold, step)
    with workshop.begin() as session:
        first, second = (frame.sha256 for frame in frames.listing(session, hold.job_id))
        session.execute(text("UPDATE blob SET touched_at = now() - interval '2 hours'"))
    Keeper(workshop, shelf, lambda _: None, ada.settings).sweep()
    assert shelf.holds(first)
    assert shelf.holds(second)
    shelf.remove(first)
    (found,) = [each for each in Verifier(workshop, shelf).findings() if first in each.wrong]
    assert "step 1 in the timeline" in found.subject
    assert found.job_id == str(hold.job_id)
