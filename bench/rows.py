"""A figure, its promise, and the table of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, its value and unit, and what was promised of it."""

    name: str
    value: float
    unit: str
    promise: str = ""


def markdown(rows: Iterable[Row]) -> str:
    """The rows as a table."""
    lines = ["| figure | value | unit | promised |", "|---|---:|---|---|"]
    lines += [f"| {row.name} | {row.value:.3f} | {row.unit} | {row.promise} |" for row in rows]
    return "\n".join(lines)


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
