"""Figures over steps, in memory and as stored bytes. No SQL here: a runner packs them too.

A column is one figure's points in ascending order of their steps. Points are exact until a job
has more than is kept of it; then the oldest become buckets of a lowest, mean and highest value.
"""

from __future__ import annotations

import json
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, chain
from operator import sub

# Native order on every machine that we know of is little-endian; what is stored relies on it.
STEP, FIGURE = "q", "d"
# Much faster than the usual level and about as small: the low bits of figures are noise.
COMPRESSION = 1


@dataclass
class Column:
    """One figure: ``steps`` and ``values``; of buckets the last step and the mean.

    ``lows``, ``highs`` and ``counts`` tell of each bucket the lowest and highest value and how
    many points are in it; they are empty while every point is exact.
    """

    steps: array[int] = field(default_factory=lambda: array(STEP))
    values: array[float] = field(default_factory=lambda: array(FIGURE))
    lows: array[float] = field(default_factory=lambda: array(FIGURE))
    highs: array[float] = field(default_factory=lambda: array(FIGURE))
    counts: array[int] = field(default_factory=lambda: array(STEP))

    def __len__(self) -> int:
        """How many points or buckets there are."""
        return len(self.steps)

    @property
    def exact(self) -> bool:
        """Whether every point is as it was measured."""
        return not self.counts

    @property
    def measured(self) -> int:
        """How many points were measured."""
        return sum(self.counts) if self.counts else len(self)

    @property
    def thinned_to(self) -> int | None:
        """The step up to which there are buckets instead of points; None when there are none."""
        if self.exact:
            return None
        last = max((i for i, count in enumerate(self.counts) if count > 1), default=-1)
        return self.steps[last] if last >= 0 else None

    def point(self, position: int) -> list[float]:
        """Step and value, of a bucket also its lowest and highest."""
        step, value = self.steps[position], self.values[position]
        if self.exact or self.counts[position] == 1:
            return [step, value]
        return [step, value, self.lows[position], self.highs[position]]

    def at(self, step: int) -> float | None:
        """The value of the point, or the mean of the bucket, that stands at ``step``; None where
        none does."""
        position = bisect_right(self.steps, step) - 1
        found = position >= 0 and self.steps[position] == step
        return self.values[position] if found else None

    def append(self, step: int, value: float) -> None:
        """Add a point after all that are there."""
        self.steps.append(step)
        self.values.append(value)
        if self.counts:
            self._add_exact(array(FIGURE, [value]))

    def extend(self, later: Column) -> None:
        """Add a column whose steps come after all that are there."""
        if self.exact and not later.exact:
            self._add_exact(self.values)
        self.steps.extend(later.steps)
        self.values.extend(later.values)
        if not later.exact:
            self.lows.extend(later.lows)
            self.highs.extend(later.highs)
            self.counts.extend(later.counts)
        elif self.counts:
            self._add_exact(later.values)

    def between(self, first: int, last: int) -> Column:
        """The points of the steps ``first`` to ``last``, both included."""
        start, stop = bisect_right(self.steps, first - 1), bisect_right(self.steps, last)
        return Column(*(column[start:stop] for column in self._columns()))

    def thinned(self, factor: int) -> Column:
        """Buckets of up to ``factor`` points each."""
        made = Column()
        for start in range(0, len(self), factor):
            stop = min(start + factor, len(self))
            values = self.values[start:stop]
            counts = self.counts[start:stop] or array(STEP, [1] * (stop - start))
            total = sum(counts)
            mean = sum(v * n for v, n in zip(values, counts, strict=True)) / total
            made.steps.append(self.steps[stop - 1])
            made.values.append(mean)
            made.lows.append(min(self.lows[start:stop] or values))
            made.highs.append(max(self.highs[start:stop] or values))
            made.counts.append(total)
        return made

    def _columns(self) -> tuple[array, ...]:  # type: ignore[type-arg]
        return self.steps, self.values, self.lows, self.highs, self.counts

    def _add_exact(self, values: array[float]) -> None:
        self.lows.extend(values)
        self.highs.extend(values)
        self.counts.extend([1] * len(values))


Columns = dict[str, Column]


def joined(parts: Iterable[Mapping[str, Column]]) -> Columns:
    """Parts in the order of their steps as one."""
    whole: Columns = {}
    for part in parts:
        for name, column in part.items():
            whole.setdefault(name, Column()).extend(column)
    return whole


def packed(columns: Mapping[str, Column]) -> bytes:
    """Columns as bytes: a line of JSON that names them, then their arrays, compressed."""
    head = [[name, len(column), not column.exact] for name, column in columns.items()]
    body = [json.dumps(head).encode(), b"\n"]
    for column in columns.values():
        body += [_differences(column.steps).tobytes(), column.values.tobytes()]
        if not column.exact:
            body += [column.lows.tobytes(), column.highs.tobytes(), column.counts.tobytes()]
    return zlib.compress(b"".join(body), COMPRESSION)


def unpacked(content: bytes) -> Columns:
    """Back from :func:`packed`."""
    head, _, body = zlib.decompress(content).partition(b"\n")
    at = 0

    def read(code: str, length: int) -> array:  # type: ignore[type-arg]
        nonlocal at
        entries = array(code)
        entries.frombytes(body[at : at + length * entries.itemsize])
        at += length * entries.itemsize
        return entries

    found: Columns = {}
    for name, length, thinned in json.loads(head):
        column = Column(_sums(read(STEP, length)), read(FIGURE, length))
        if thinned:
            column.lows, column.highs = read(FIGURE, length), read(FIGURE, length)
            column.counts = read(STEP, length)
        found[name] = column
    return found


def _differences(steps: array[int]) -> array[int]:
    """Steps as distances from the one before, which are nearly always the same."""
    return array(STEP, map(sub, steps, chain((0,), steps)))


def _sums(differences: array[int]) -> array[int]:
    return array(STEP, accumulate(differences))
