"""A job's figures as curves: inline SVG drawn by the server, so that no script is needed.

A curve stretches over its box, so everything is in units of the box; words stand beside it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from math import copysign, sqrt

from engines.kind import Figure, Kind
from jobs.records import metrics
from jobs.records.series import Column, Columns
from webui.texts import _

WIDTH, HEIGHT, MARGIN = 1000, 200, 8
POINTS = 400
# So few points are also drawn as dots: between them nothing was measured.
DOTTED = 40
ROWS = 12
# Below it a value is written with an exponent.
SMALL = 1e-4


@dataclass(frozen=True)
class Curve:
    """One figure over the steps ``first`` to ``last``, the range that all curves share."""

    name: str
    figure: Figure
    column: Column
    chosen: Sequence[int]
    first: int
    last: int

    @property
    def title(self) -> str:
        """The figure's name in words."""
        return _(self.figure.label)

    @property
    def meaning(self) -> str:
        """What it tells, in a sentence."""
        return _(self.figure.meaning)

    @cached_property
    def low(self) -> float:
        """The lowest value."""
        return min(self.column.lows or self.column.values)

    @cached_property
    def high(self) -> float:
        """The highest value."""
        return max(self.column.highs or self.column.values)

    @property
    def now(self) -> float:
        """The newest value."""
        return self.column.values[-1]

    @property
    def flat(self) -> bool:
        """Whether every value was the same, as far as that can be said."""
        return len(self.column) > 1 and self.low == self.high

    @property
    def reduced(self) -> bool:
        """Whether fewer points are drawn than there are."""
        return len(self.chosen) < len(self.column)

    @property
    def points(self) -> list[list[float]]:
        """What is drawn: step and value, of a bucket also its lowest and highest."""
        return [self.column.point(position) for position in self.chosen]

    @property
    def path(self) -> str:
        """The line, as the ``d`` of an SVG path."""
        drawn = [f"{self.x(step):.1f} {self.y(value):.1f}" for step, value in self._drawn()]
        return "M" + "L".join(drawn)

    @property
    def dots(self) -> str:
        """A dot at each of few points; nothing where there are many."""
        if len(self.chosen) > DOTTED:
            return ""
        return "".join(
            f"M{self.x(step):.1f} {self.y(value):.1f}h0" for step, value in self._drawn()
        )

    @property
    def band(self) -> str:
        """Around means of several steps, the area between their lowest and highest."""
        buckets = [point for point in self.points if len(point) > 2]
        if not buckets:
            return ""
        upper = [f"{self.x(step):.1f} {self.y(high):.1f}" for step, _mean, _low, high in buckets]
        lower = [f"{self.x(step):.1f} {self.y(low):.1f}" for step, _mean, low, _high in buckets]
        return "M" + "L".join([*upper, *reversed(lower)]) + "Z"

    @property
    def rows(self) -> list[tuple[int, float]]:
        """A few steps and their values, for whoever reads rather than looks."""
        many = len(self.column)
        if many <= ROWS:
            positions = list(range(many))
        else:
            positions = [round(i * (many - 1) / (ROWS - 1)) for i in range(ROWS)]
        return [(self.column.steps[p], self.column.values[p]) for p in positions]

    def at(self, step: int) -> float:
        """The newest value that was measured up to a step; the first one before that."""
        return self.column.values[max(0, bisect_right(self.column.steps, step) - 1)]

    def x(self, step: float) -> float:
        """Where a step stands, 0 to :data:`WIDTH`."""
        return WIDTH * (step - self.first) / max(1, self.last - self.first)

    def y(self, value: float) -> float:
        """Where a value stands, :data:`MARGIN` from either edge at most."""
        low, high = self._height(self.low), self._height(self.high)
        share = (self._height(value) - low) / (high - low) if high > low else 0.5
        return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * share

    def _height(self, value: float) -> float:
        return copysign(sqrt(abs(value)), value) if self.figure.roots else value

    def _drawn(self) -> list[tuple[int, float]]:
        return [(self.column.steps[p], self.column.values[p]) for p in self.chosen]


def curves(
    kind: Kind | None, columns: Columns, first: int, last: int, told: Sequence[int] = ()
) -> list[Curve]:
    """Every figure as a curve over the same steps; at the steps ``told`` its value is drawn."""
    return [
        Curve(name, named(kind, name), columns[name], _drawn(columns[name], told), first, last)
        for name in in_order(kind, columns)
    ]


def in_order(kind: Kind | None, columns: Columns) -> list[str]:
    """The figures in the order in which their kind declares them, then those it does not know."""
    known = [name for name in (kind.figures if kind else ()) if name in columns]
    return [*known, *(name for name in columns if name not in known)]


def named(kind: Kind | None, name: str) -> Figure:
    """What a figure is called; one of a run of an earlier version has its name alone."""
    known = kind.figures.get(name) if kind else None
    return known or Figure(name.replace("_", " "), "")


def _drawn(column: Column, told: Sequence[int]) -> Sequence[int]:
    chosen = metrics.sampled(column, POINTS)
    if len(chosen) == len(column):
        return chosen
    return sorted({*chosen, *(max(0, bisect_right(column.steps, step) - 1) for step in told)})


def figure(value: float) -> str:
    """A value in four digits; ``digits`` in timeline.js says the same."""
    if value and abs(value) < SMALL:
        mantissa, _, exponent = f"{value:.3e}".partition("e")
        return f"{Decimal(mantissa).normalize():f}e{int(exponent)}"
    return f"{Decimal(f'{value:.4g}').normalize():f}"
