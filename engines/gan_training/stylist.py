"""Which style a picture is of: a small classifier on features, apart from the judge."""

from __future__ import annotations

import math

import torch
from torch import Tensor

DECAY = 1e-3
ROUNDS = 50


class Stylist:
    """Multinomial logistic regression on (n, d) points with labels (n,) of ``kinds`` styles.

    Features are brought to mean 0 and deviation 1; an L2 penalty keeps the posterior from being
    surer than so few pictures allow. Fitted by L-BFGS from zero: nothing is drawn.
    """

    def __init__(self, points: Tensor, labels: Tensor, kinds: int) -> None:
        self._mean = points.double().mean(0)
        self._deviation = points.double().std(0).clamp_min(1e-6)
        seen = self._seen(points)
        self._weights = torch.zeros(seen.shape[1], kinds, dtype=torch.float64, requires_grad=True)
        self._bias = torch.zeros(kinds, dtype=torch.float64, requires_grad=True)
        solver = torch.optim.LBFGS(
            [self._weights, self._bias], max_iter=ROUNDS, line_search_fn="strong_wolfe"
        )

        def loss() -> Tensor:
            solver.zero_grad()
            logits = seen @ self._weights + self._bias
            total = torch.nn.functional.cross_entropy(logits, labels)
            total = total + DECAY * self._weights.square().sum()
            total.backward()  # type: ignore[no-untyped-call]
            return total

        with torch.enable_grad():
            solver.step(loss)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def posterior(self, points: Tensor) -> Tensor:
        """(n, kinds) float64, rows sum to 1."""
        return (self._seen(points) @ self._weights + self._bias).softmax(1)

    def entropy(self, points: Tensor) -> float:
        """Mean entropy of the posteriors over log K: 0 every picture is surely of one style, 1 of
        none more than of another."""
        found = self.posterior(points)
        each = -(found * found.clamp_min(1e-12).log()).sum(1)
        return float(each.mean()) / math.log(found.shape[1])

    def _seen(self, points: Tensor) -> Tensor:
        return (points.double() - self._mean) / self._deviation
