"""Curves: where a value stands."""

from __future__ import annotations

from array import array

import pytest

from engines.kind import Figure
from jobs.records.series import FIGURE, STEP, Column
from webui.curves import HEIGHT, MARGIN, Curve


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
