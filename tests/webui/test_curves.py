"""Curves: where a value stands."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import pytest
from flask import Flask

from engines.kind import Bounds, Figure, Kind, Params
from jobs.records.series import FIGURE, STEP, Column, Columns
from webui.curves import HEIGHT, MARGIN, Curve, curves, in_words

AROUND = Bounds("far_low", "far_high", percent=95)
KIND = Kind(
    name="walk",
    title="Walk",
    summary="",
    params=Params,
    engine="",
    state_version=1,
    stall_seconds=1.0,
    figures={
        "far": Figure("Far", "", bounds=AROUND),
        AROUND.low: Figure("Far, at least", ""),
        AROUND.high: Figure("Far, at most", ""),
    },
)


@pytest.fixture(autouse=True)
def _asked_in_english() -> Iterator[None]:
    with Flask(__name__).test_request_context(headers={"Accept-Language": "en"}):
        yield


def _height(value: float, roots: bool) -> float:
    """Share of the plot at which ``value`` stands on a curve that falls from 8 below 0."""
    column = Column(array(STEP, [0, 1, 2]), array(FIGURE, [8.0, 0.08, -0.02]))
    curve = Curve("kid", Figure("", "", roots), column, range(3), 0, 2)
    return (HEIGHT - MARGIN - curve.y(value)) / (HEIGHT - 2 * MARGIN)


@pytest.mark.parametrize("roots", [False, True])
def test_the_highest_stands_at_the_top_and_the_lowest_at_the_bottom(roots: bool) -> None:
    assert [_height(value, roots) for value in (8.0, -0.02)] == [1.0, 0.0]


def test_a_hundredth_of_the_highest_shows_on_a_curve_of_square_roots_and_on_no_other() -> None:
    lift = [_height(0.08, roots) - _height(0.0, roots) for roots in (False, True)]
    assert lift[0] < 0.01
    assert 0.09 < lift[1] < 0.1


def _column(points: dict[int, float]) -> Column:
    return Column(array(STEP, points), array(FIGURE, points.values()))


def _walk(far: dict[int, float], low: dict[int, float], high: dict[int, float]) -> Columns:
    """Figures of a run, and one that has no interval."""
    found = {"far": far, AROUND.low: low, AROUND.high: high, "pace": {1: 0.5, 2: 0.25}}
    return {name: _column(points) for name, points in found.items() if points}


def test_a_figure_with_an_interval_shows_it_and_its_ends_are_no_curves_of_their_own() -> None:
    far, pace = curves(KIND, _walk({0: 4.0, 9: 2.0}, {0: 3.0, 9: 1.0}, {0: 5.0, 9: 2.5}), 0, 10)
    assert [far.name, pace.name] == ["far", "pace"]
    top, middle, bottom = f"{MARGIN:.1f}", f"{HEIGHT / 2:.1f}", f"{HEIGHT - MARGIN:.1f}"
    first = f"M0.0 {middle}V{top}M-4.0 {middle}h8M-4.0 {top}h8"
    high = f"{far.y(2.5):.1f}"
    assert far.whiskers == first + f"M900.0 {bottom}V{high}M896.0 {bottom}h8M896.0 {high}h8"
    assert far.reach.count("L") == 3
    assert far.told == [[0, 4.0, 3.0, 5.0], [9, 2.0, 1.0, 2.5]]
    assert far.words(8) == "4, between 3 and 5"
    assert far.words() == "2, between 1 and 2.5"
    assert far.rows == [(0, 4.0, (3.0, 5.0)), (9, 2.0, (1.0, 2.5))]
    assert (far.low, far.high, far.bottom, far.top) == (2.0, 4.0, 1.0, 5.0)
    assert (pace.reach, pace.whiskers, pace.told) == ("", "", [[1, 0.5], [2, 0.25]])


def test_a_single_point_with_an_interval_stands_within_it() -> None:
    far, _ = curves(KIND, _walk({0: 7.7}, {0: 7.6}, {0: 7.9}), 0, 500)
    assert far.whiskers.startswith(f"M0.0 {HEIGHT - MARGIN:.1f}V{MARGIN:.1f}")
    assert MARGIN < far.y(7.7) < HEIGHT - MARGIN


def test_where_an_earlier_version_measured_no_interval_the_value_stands_alone() -> None:
    alone = curves(KIND, _walk({0: 4.0, 9: 2.0}, {}, {}), 0, 9)[0]
    assert (alone.interval, alone.words(), alone.reach) == (None, "2", "")
    later, _ = curves(KIND, _walk({0: 4.0, 9: 2.0}, {9: 1.0}, {9: 3.0}), 0, 9)
    assert [later.words(0), later.words(9)] == ["4", "2, between 1 and 3"]
    assert later.told == [[0, 4.0], [9, 2.0, 1.0, 3.0]]
    assert [ends for _step, _value, ends in later.rows] == [None, (1.0, 3.0)]


def test_means_of_several_steps_have_the_means_of_their_intervals_ends() -> None:
    steps = range(1, 9)
    columns = _walk(
        {step: float(step) for step in steps},
        {step: step - 1.0 for step in steps},
        {step: step + 3.0 for step in steps},
    )
    thinned = {name: column.thinned(4) for name, column in columns.items()}
    far = curves(KIND, thinned, 1, 8)[0]
    assert far.told == [[4, 2.5, 1.5, 5.5], [8, 6.5, 5.5, 9.5]]
    assert far.band
    assert far.reach != far.band


def test_a_value_with_an_interval_has_three_digits() -> None:
    assert in_words(0.061432, (0.033121, 0.10623)) == "0.0614, between 0.0331 and 0.106"
    assert in_words(0.061432, None) == "0.06143"
