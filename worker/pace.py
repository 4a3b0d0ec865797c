"""How often is often enough: costs are measured, and their share of a run is bounded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pace:
    """Something is due again when ``ratio`` times its measured cost has passed.

    Never sooner than ``least`` seconds, never later than ``most`` seconds after the last time.
    """

    def __init__(self, ratio: float, least: float, most: float, first: float) -> None:
        self._ratio, self._least, self._most = ratio, least, most
        self._due_at = time.monotonic() + first

    @classmethod
    def of_checkpoints(cls) -> Pace:
        """1 % of a run at most, a minute apart at most."""
        return cls(ratio=100.0, least=2.0, most=60.0, first=2.0)

    @classmethod
    def of_previews(cls) -> Pace:
        """Half a percent of a run at most, and soon after the start."""
        return cls(ratio=200.0, least=1.5, most=30.0, first=0.0)

    def due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() >= self._due_at

    def wait(self) -> float:
        """Seconds until it is time; 0 where it is."""
        return max(self._due_at - time.monotonic(), 0.0)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure the cost of what happens inside; the next time follows from it."""
        began = time.monotonic()
        yield
        ended = time.monotonic()
        wait = min(max(self._ratio * (ended - began), self._least), self._most)
        self._due_at = ended + wait


class Estimate:
    """Seconds left, from the share of work done and the time it took since this attempt began."""

    def __init__(self, share: float) -> None:
        self._share, self._began = share, time.monotonic()

    def seconds_left(self, share: float) -> float | None:
        """None until there is something to go by."""
        done = share - self._share
        if done <= 0:
            return None
        return round((time.monotonic() - self._began) * (1.0 - share) / done, 1)
