"""A short day of a studio; ``make proof`` lives a whole one."""

from __future__ import annotations

import pytest

from tests.day.day import opened


@pytest.mark.proof
def test_a_short_day_goes_well() -> None:
    with opened(flood=8) as day:
        told = day.live()
    assert told[-1].startswith("18 jobs of 3 people succeeded")
