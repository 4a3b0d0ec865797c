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

from engines.kind import N_, Bounds, Figure, Kind
from jobs.records import metrics
from jobs.records.series import Column, Columns
from webui.texts import _

WIDTH, HEIGHT, MARGIN = 1000, 200, 8
POINTS = 400
# So few points are also drawn as dots: between them nothing was measured.
DOTTED = 40
# Across the ends of an interval.
BAR = 8
ROWS = 12
# Below it a value is written with an exponent.
SMALL = 1e-4
# Digits of a value; and of one with an interval, which says that the others mean nothing.
EXACT, ROUGH = 4, 3
BETWEEN = N_("{value}, between {low} and {high}")


@dataclass(frozen=True)
class Interval:
    """Between which values a figure lies, at the steps at which that was measured too; of means of
    several steps the means of their ends."""

    bounds: Bounds
    lows: Column
    highs: Column

    def at(self, step: int) -> tuple[float, float] | None:
        """Its ends at a step of the figure; None where it has none."""
        low, high = self.lows.at(step), self.highs.at(step)
        return None if low is None or high is None else (low, high)


@dataclass(frozen=True)
class Curve:
    """One figure over the steps ``first`` to ``last``, the range that all curves share."""

    name: str
    figure: Figure
    column: Column
    chosen: Sequence[int]
    first: int
    last: int
    interval: Interval | None = None

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
        lowest: float = min(self.column.lows or self.column.values)
        return lowest

    @cached_property
    def high(self) -> float:
        """The highest value."""
        highest: float = max(self.column.highs or self.column.values)
        return highest

    @property
    def now(self) -> float:
        """The newest value."""
        return self.column.values[-1]

    @cached_property
    def bottom(self) -> float:
        """The lowest that is drawn: also of its interval."""
        return min(self.low, *self.interval.lows.values) if self.interval else self.low

    @cached_property
    def top(self) -> float:
        """The highest that is drawn: also of its interval."""
        return max(self.high, *self.interval.highs.values) if self.interval else self.high

    @property
    def single(self) -> bool:
        """Whether there is one value alone, which makes no line."""
        return len(self.column) == 1

    @property
    def flat(self) -> bool:
        """Whether every value was the same, as far as that can be said."""
        return len(self.column) > 1 and self.bottom == self.top

    @property
    def reduced(self) -> bool:
        """Whether fewer points are drawn than there are."""
        return len(self.chosen) < len(self.column)

    @property
    def told(self) -> list[list[float]]:
        """What is drawn, for the script: step and value, and the interval's ends where it has
        them."""
        return [[step, value, *(self._ends(step) or ())] for step, value in self._drawn()]

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
        points = map(self.column.point, self.chosen)
        return self._area([(p[0], p[2], p[3]) for p in points if len(p) > 2])

    @property
    def reach(self) -> str:
        """The area that its interval covers."""
        return self._area(self._reaches())

    @property
    def whiskers(self) -> str:
        """At each dot a line from end to end of its interval, with a bar across either."""
        if len(self.chosen) > DOTTED:
            return ""
        drawn = []
        for step, low, high in self._reaches():
            x, ends = self.x(step), [f"{self.y(end):.1f}" for end in (low, high)]
            drawn += [f"M{x:.1f} {ends[0]}V{ends[1]}"]
            drawn += [f"M{x - BAR / 2:.1f} {end}h{BAR}" for end in ends]
        return "".join(drawn)

    @property
    def rows(self) -> list[tuple[int, float, tuple[float, float] | None]]:
        """A few steps, their values and intervals, for whoever reads rather than looks."""
        many = len(self.column)
        if many <= ROWS:
            positions = list(range(many))
        else:
            positions = [round(i * (many - 1) / (ROWS - 1)) for i in range(ROWS)]
        steps = [(self.column.steps[p], self.column.values[p]) for p in positions]
        return [(step, value, self._ends(step)) for step, value in steps]

    def words(self, step: int | None = None) -> str:
        """The newest value that was measured up to a step, else the first one, with its interval;
        of no step the newest."""
        position = len(self.column) if step is None else bisect_right(self.column.steps, step)
        position = max(0, position - 1)
        return in_words(self.column.values[position], self._ends(self.column.steps[position]))

    def x(self, step: float) -> float:
        """Where a step stands, 0 to :data:`WIDTH`."""
        return WIDTH * (step - self.first) / max(1, self.last - self.first)

    def y(self, value: float) -> float:
        """Where a value stands, :data:`MARGIN` from either edge at most."""
        low, high = self._height(self.bottom), self._height(self.top)
        share = (self._height(value) - low) / (high - low) if high > low else 0.5
        return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * share

    def _height(self, value: float) -> float:
        return copysign(sqrt(abs(value)), value) if self.figure.roots else value

    def _drawn(self) -> list[tuple[int, float]]:
        return [(self.column.steps[p], self.column.values[p]) for p in self.chosen]

    def _ends(self, step: int) -> tuple[float, float] | None:
        return self.interval.at(step) if self.interval else None

    def _reaches(self) -> list[tuple[float, float, float]]:
        found = [(step, self._ends(step)) for step, _value in self._drawn()]
        return [(step, *ends) for step, ends in found if ends is not None]

    def _area(self, between: Sequence[Sequence[float]]) -> str:
        """The area between a low and a high at each of some steps, as the ``d`` of an SVG path."""
        if not between:
            return ""
        upper = [f"{self.x(step):.1f} {self.y(high):.1f}" for step, _low, high in between]
        lower = [f"{self.x(step):.1f} {self.y(low):.1f}" for step, low, _high in between]
        return "M" + "L".join([*upper, *reversed(lower)]) + "Z"


def curves(
    kind: Kind | None, columns: Columns, first: int, last: int, told: Sequence[int] = ()
) -> list[Curve]:
    """Every figure as a curve over the same steps; at the steps ``told`` its value is drawn."""
    drawn = {name: _drawn(columns[name], told) for name in in_order(kind, columns)}
    return [
        Curve(
            name,
            named(kind, name),
            columns[name],
            chosen,
            first,
            last,
            interval(kind, name, columns),
        )
        for name, chosen in drawn.items()
    ]


def in_order(kind: Kind | None, columns: Columns) -> list[str]:
    """The figures in the order in which their kind declares them, then those it does not know;
    bounds of one that is there are no figures of their own."""
    known = [name for name in (kind.figures if kind else ()) if name in columns]
    bounds = [found.bounds for name in known if (found := interval(kind, name, columns))]
    ends = {end for each in bounds for end in (each.low, each.high)}
    return [name for name in dict.fromkeys([*known, *columns]) if name not in ends]


def interval(kind: Kind | None, name: str, columns: Columns) -> Interval | None:
    """Between which values a figure lies; None where its kind does not say, or a run of an earlier
    version did not."""
    bounds = named(kind, name).bounds
    if bounds is None or bounds.low not in columns or bounds.high not in columns:
        return None
    return Interval(bounds, columns[bounds.low], columns[bounds.high])


def named(kind: Kind | None, name: str) -> Figure:
    """What a figure is called; one of a run of an earlier version has its name alone."""
    known = kind.figures.get(name) if kind else None
    return known or Figure(name.replace("_", " "), "")


def _drawn(column: Column, told: Sequence[int]) -> Sequence[int]:
    chosen = metrics.sampled(column, POINTS)
    if len(chosen) == len(column):
        return chosen
    return sorted({*chosen, *(max(0, bisect_right(column.steps, step) - 1) for step in told)})


def in_words(value: float, ends: tuple[float, float] | None) -> str:
    """A value, with the ends of its interval where it has one; ``told`` in timeline.js says the
    same."""
    if ends is None:
        return figure(value)
    told, low, high = (figure(each, ROUGH) for each in (value, *ends))
    return _(BETWEEN).format(value=told, low=low, high=high)


def figure(value: float, places: int = EXACT) -> str:
    """A value in so many digits; ``digits`` in timeline.js says the same."""
    if value and abs(value) < SMALL:
        mantissa, _, exponent = f"{value:.{places - 1}e}".partition("e")
        return f"{Decimal(mantissa).normalize():f}e{int(exponent)}"
    return f"{Decimal(f'{value:.{places}g}').normalize():f}"
