"""The sizes a picture is worked through, coarse to fine, and how it is seen at each.

No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass

GROWTH = 2**0.5
"""Each scale is this much larger than the one before (Crowson's multi-scale variant)."""

FEWER = 0.8
"""Each scale takes this share of the steps of the one before: less is left to change."""

CONTENT_TAP = "4_2"
STYLE_TAPS = ("1_1", "2_1", "3_1", "4_1", "5_1")

VIEWS = 4
RIM = 8
"""Pixels that a view adds to each side of the picture, left and right together."""


@dataclass(frozen=True)
class Scale:
    """``size`` px on the long side, worked on for the steps [``first``, ``end``)."""

    size: int
    first: int
    end: int


def plan(size: int, coarsest: int, iterations: int) -> list[Scale]:
    """Scales up to ``size`` px, none below ``coarsest`` unless the result is smaller itself.

    ``iterations`` steps are made on the coarsest scale, fewer on each finer one, at least one.
    """
    sides = [size]
    while round(size / GROWTH ** len(sides)) >= coarsest:
        sides.append(round(size / GROWTH ** len(sides)))
    scales: list[Scale] = []
    for position, side in enumerate(reversed(sides)):
        first = scales[-1].end if scales else 0
        scales.append(Scale(side, first, first + max(1, round(iterations * FEWER**position))))
    return scales


def index_of(step: int, scales: list[Scale]) -> int:
    """The position in ``scales`` of the scale that step number ``step`` (from 0) works on."""
    return next(i for i, scale in enumerate(scales) if step < scale.end)
