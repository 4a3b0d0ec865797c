"""Curves of a whole run in bounded space: means over as many steps as there must be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from engines.state import StateError

POINTS = 1000
"""Points of a curve, at most."""

EARLIER = (
    *("loss_maker", "loss_judge", "real", "made", "sign", "r1", "redrawing", "style"),
    *("gradient", "augmentation"),
)
"""What states that name no figures hold."""


class History:
    """The figures of every step, as means over equal stretches of the run.

    A row holds the stretch's last step and the mean of each of ``names``. Where not every step is
    told, a stretch ends with the first that is told after it; the run's last step ends the last.
    """

    def __init__(self, names: Sequence[str], total_steps: int) -> None:
        self.names = tuple(names)
        self._total, self._stretch = total_steps, math.ceil(total_steps / POINTS)
        self._rows: list[list[float]] = []
        self._sums, self._count = [0.0] * len(self.names), 0

    def add(self, step: int, figures: Sequence[float]) -> None:
        """Take in the figures after ``step`` steps, in the order of ``names``."""
        self._sums = [before + figure for before, figure in zip(self._sums, figures, strict=True)]
        self._count += 1
        ended = int(self._rows[-1][0]) if self._rows else 0
        if step // self._stretch > ended // self._stretch or step == self._total:
            self._rows.append([float(step), *(total / self._count for total in self._sums)])
            self._sums, self._count = [0.0] * len(self.names), 0

    def steps(self) -> list[int]:
        """The steps of all points."""
        return [int(row[0]) for row in self._rows]

    def curve(self, name: str) -> list[float]:
        """One figure at all points."""
        column = 1 + self.names.index(name)
        return [row[column] for row in self._rows]

    def tensor(self) -> Tensor:
        """All points, float64 (points, 1 + names)."""
        return torch.tensor(self._rows, dtype=torch.float64).view(-1, 1 + len(self.names))

    def facts(self) -> dict[str, Any]:
        """The names, and what has not become a point yet."""
        return {"names": list(self.names), "sums": list(self._sums), "count": self._count}

    def restore(self, rows: Tensor, facts: dict[str, Any]) -> None:
        """Take over :meth:`tensor` and :meth:`facts`, of an earlier version what is told still;
        :class:`StateError` if they do not fit."""
        names = facts.get("names", EARLIER)
        if rows.dim() != 2 or rows.shape[1] != 1 + len(names) or len(rows) > POINTS:
            raise StateError("the state's tensor history is of another shape")
        kept = self.chosen(names)
        self._rows = rows[:, [0, *(1 + column for column in kept)]].tolist()
        self._sums = [float(facts["sums"][column]) for column in kept]
        self._count = int(facts["count"])

    def chosen(self, names: Sequence[str]) -> list[int]:
        """Where each of our names stands among ``names``."""
        missing = [name for name in self.names if name not in names]
        if missing:
            raise StateError(f"the state's history lacks {missing[0]}")
        return [names.index(name) for name in self.names]
