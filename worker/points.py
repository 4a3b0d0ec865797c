"""The figures of every step on their way: gathered by the runner, sent a second's worth at a time.

A message carries each figure's steps and values as base64 of their arrays: a tenth of the time
that decimal digits take, and not a bit is lost.
"""

from __future__ import annotations

import logging
import math
import time
from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from jobs.records.series import FIGURE, STEP, Column, Columns

SEND_SECONDS = 3.0
# However fast the steps are, no more of them wait here.
MOST_STEPS = 4096

log = logging.getLogger("runner")


class Points:
    """What was measured and not sent yet."""

    def __init__(self) -> None:
        self._columns: Columns = {}
        self._steps = 0
        self._sent_at = time.monotonic()
        self._refused: set[str] = set()

    def add(self, step: int, metrics: Mapping[str, float]) -> None:
        """Note the figures of a step; one that is not finite is left out, and the log says so."""
        for name, figure in metrics.items():
            if not math.isfinite(figure):
                self._refuse(step, name)
                continue
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = Column()
            column.steps.append(step)
            column.values.append(figure)
        self._steps += 1

    def due(self, now: float) -> bool:
        """Whether it is time to send, ``now`` on the monotonic clock."""
        return self._steps >= MOST_STEPS or now - self._sent_at >= SEND_SECONDS

    def take(self) -> dict[str, list[str]]:
        """What waits, for a message, by name; nothing waits afterwards."""
        taken, self._columns, self._steps = self._columns, {}, 0
        self._sent_at = time.monotonic()
        return {
            name: [b64encode(entries).decode() for entries in (column.steps, column.values)]
            for name, column in taken.items()
        }

    def _refuse(self, step: int, name: str) -> None:
        if name not in self._refused:
            self._refused.add(name)
            log.warning("step %s: %s is not finite; such points are left out", step, name)


def received(told: Mapping[str, Any]) -> Columns:
    """Back from :meth:`Points.take`."""
    found: Columns = {}
    for name, (steps, values) in told.items():
        found[name] = Column(array(STEP, b64decode(steps)), array(FIGURE, b64decode(values)))
    return found
