"""The figures of a job: exact, one run's, bounded, and drawn with fewer points by no peak less."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from jobs import lease
from jobs.database import Database
from jobs.lease import Hold
from jobs.moves import FenceLostError
from jobs.records import metrics
from jobs.records.series import Column, Columns, packed, unpacked
from jobs.states import Reason, State
from tests.commissions import Studio, tiny
from tests.jobs.records.test_logs import claimed


@pytest.fixture
def hold(ada: Studio) -> Hold:
    """A job that a worker holds."""
    picture = ada.ids[Path("photo")]
    ada.submit(tiny(picture, picture, 1))
    return claimed(ada)


def measured(first: int, last: int, names: tuple[str, ...] = ("loss",)) -> Columns:
    """Figures that no two steps share, of full precision."""
    columns = {name: Column() for name in names}
    for step in range(first, last + 1):
        for name, column in columns.items():
            column.append(step, value(step, name))
    return columns


def value(step: int, name: str = "loss") -> float:
    return math.sin(step) / 3 + len(name)


def keep(database: Database, hold: Hold, columns: Columns) -> bool:
    with database.begin() as session:
        return lease.report_metrics(session, hold, columns)


def read(database: Database, hold: Hold, first: int = 0, last: int = metrics.NO_END) -> Columns:
    with database.begin() as session:
        return metrics.read(session, hold.job_id, first, last)


def points(columns: Mapping[str, Column], name: str = "loss") -> list[tuple[int, float]]:
    return list(zip(columns[name].steps, columns[name].values, strict=True))


def true(first: int, last: int) -> list[tuple[int, float]]:
    return [(step, value(step)) for step in range(first, last + 1)]


def test_points_come_back_bit_for_bit_whether_exact_or_thinned() -> None:
    exact = measured(5, 70, ("loss", "kid"))
    exact["seldom"] = Column()
    exact["seldom"].append(64, 1e-300)
    thinned = {name: column.thinned(8) for name, column in exact.items()}
    for columns in (exact, thinned):
        assert unpacked(packed(columns)) == columns
    assert thinned["loss"].measured == 66


def test_chunks_read_as_one_series_and_by_any_range_of_steps(
    workshop: Database, hold: Hold
) -> None:
    for first, last in ((1, 10), (11, 11), (12, 40)):
        keep(workshop, hold, measured(first, last))
    assert points(read(workshop, hold)) == true(1, 40)
    for first, last in ((1, 1), (10, 12), (11, 11), (40, 99)):
        assert points(read(workshop, hold, first, last)) == true(first, min(last, 40))
    assert read(workshop, hold, 41, 50) == {}


def test_a_chunk_that_grows_is_written_over_and_asks_for_the_next_when_it_is_large(
    workshop: Database, hold: Hold
) -> None:
    assert not keep(workshop, hold, measured(1, 10))
    assert not keep(workshop, hold, measured(1, 20))
    assert keep(workshop, hold, measured(1, 10_000))
    assert points(read(workshop, hold)) == true(1, 10_000)


@pytest.mark.parametrize("resumed_from", [None, 1, 7, 15, 20, 30])
def test_what_was_measured_beyond_the_step_of_a_resume_gives_way(
    workshop: Database, ada: Studio, hold: Hold, resumed_from: int | None
) -> None:
    for first, last in ((0, 10), (11, 20), (21, 30)):
        keep(workshop, hold, measured(first, last))
    with workshop.begin() as session:
        lease.stop(session, hold, State.QUEUED, Reason.WORKER_STOPPED, 1.0)
    second = claimed(ada)
    with workshop.begin() as session:
        lease.report_resume(session, second, resumed_from)
    start = -1 if resumed_from is None else resumed_from
    kept = read(workshop, hold)
    assert (points(kept) if kept else []) == true(0, start)
    keep(workshop, second, measured(start + 1, 33))
    assert points(read(workshop, hold)) == true(0, 33)


def test_an_outlived_attempt_measures_nothing_any_more(workshop: Database, hold: Hold) -> None:
    with workshop.begin() as session:
        lease.stop(session, hold, State.QUEUED, Reason.WORKER_STOPPED, 1.0)
    with pytest.raises(FenceLostError):
        keep(workshop, hold, measured(1, 2))
    assert read(workshop, hold) == {}


def test_of_too_many_figures_the_oldest_become_buckets_and_say_so(
    workshop: Database, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "BYTES_PER_JOB", 20_000)
    thinned_to: list[int] = []
    for first in range(1, 8001, 400):
        keep(workshop, hold, measured(first, first + 399))
        with workshop.begin() as session:
            if (upto := metrics.thin(session, hold.job_id)) is not None:
                thinned_to.append(upto)
    column = read(workshop, hold)["loss"]
    assert thinned_to
    assert column.thinned_to == thinned_to[-1] == max(thinned_to)
    assert column.measured == 8000
    assert min(column.lows) == min(map(value, range(1, 8001)))
    assert max(column.highs) == max(map(value, range(1, 8001)))
    exact = column.between(thinned_to[-1] + 1, 8000)
    assert list(exact.counts) == [1] * len(exact)
    assert points({"loss": exact}) == true(thinned_to[-1] + 1, 8000)
    old = column.between(0, thinned_to[-1])
    means = sum(v * n for v, n in zip(old.values, old.counts, strict=True)) / sum(old.counts)
    assert means == pytest.approx(sum(map(value, range(1, thinned_to[-1] + 1))) / thinned_to[-1])


@pytest.mark.parametrize("points", [4, 5, 50, 999])
def test_a_curve_of_fewer_points_keeps_its_ends_and_every_peak(points: int) -> None:
    column = measured(1, 1000)["loss"]
    column.values[417], column.values[418] = 99.0, -99.0
    chosen = metrics.sampled(column, points)
    assert len(chosen) <= points
    assert sorted(set(chosen)) == list(chosen)
    assert {0, 417, 418, 999} <= set(chosen)


def test_a_curve_with_room_for_every_point_has_every_point() -> None:
    assert list(metrics.sampled(measured(1, 30)["loss"], 30)) == list(range(30))
