"""Averages of iterates: what is shown is calmer than what is optimised."""

from __future__ import annotations

import torch
from torch import Tensor


class Average:
    """Exponential moving average, free of the bias towards zero at its start.

    ``decay`` in [0, 1). ``total`` is the biased sum, ``count`` the updates so far; both
    together are its whole state.
    """

    def __init__(self, like: Tensor, decay: float) -> None:
        self.total = torch.zeros_like(like)
        self.decay, self.count = decay, 0

    def update(self, value: Tensor) -> None:
        """Take ``value``, shaped as the first, into the average."""
        self.total.lerp_(value, 1 - self.decay)
        self.count += 1

    @property
    def value(self) -> Tensor:
        """The average; only after the first :meth:`update`."""
        return self.total / (1 - self.decay**self.count)
