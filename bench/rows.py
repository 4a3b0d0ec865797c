"""A figure, its promise, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable
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
