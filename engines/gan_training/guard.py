"""What goes wrong in a training, noticed and said: numbers without bound, collapse, learning by
heart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from engines.engine import InputError, Phase
from engines.kind import N_

ROLLBACKS = 2
KEPT_EVERY = 200
"""Steps between states that a rollback may return to."""

SURE = 0.9
"""Mean sign of the judge's verdicts on real pictures at which it knows them by heart; ADA holds
it at 0.6."""

ALIKE = 0.4
"""Spread of the samples, as a share of the set's, below which they are too much alike."""

REMEMBERED = 0.98
"""Decay of the mean sign, per step."""

WARM = 200
"""Steps before anything is said of the samples: at first they are all alike."""

SEEN = 16
"""Side in px at which pictures are compared."""

ROLLED_BACK = N_(
    "Its numbers grew without bound at step {step}. It went back to a good state and goes on at"
    " {share} of the rate."
)
BY_HEART = N_(
    "The judging network knows the real pictures almost by heart ({sign} of 1): the samples may"
    " stop getting better. More pictures help; else change it and make it again with"
    " 'Augmentation' as needed (ada), or with all of 'Changes'."
)
TOO_ALIKE = N_(
    "The samples grow alike: they differ {share} as much as the pictures of the set. Change it and"
    " make it again: set 'Variety' to 1; where it is set already, give a 'Gradient penalty' of 1 to"
    " 10, or halve the 'Rate of the making network'."
)
DIVERGED = N_(
    "The numbers grew without bound three times, at lower and lower rates, so it was stopped."
)
ADVICE = N_(
    "Halve the 'Rate of the making network' and the 'Rate of the judging network', give a 'Gradient"
    " penalty' of 1 to 10, or choose another 'Loss'."
)


class Guard:
    """The good state that a rollback returns to, and what there is to be said."""

    def __init__(self, first: dict[str, Tensor]) -> None:
        self.good = first
        self.rollbacks, self.last_rollback = 0, 0
        self.sign, self.spread = 0.0, 1.0

    @property
    def rate(self) -> float:
        """What the rates are multiplied with: halved by every rollback."""
        return float(0.5**self.rollbacks)

    def keep(self, weights: dict[str, Tensor]) -> None:
        """``weights`` (copies) are good."""
        self.good = weights

    def roll_back(self, step: int) -> None:
        """Count one; :class:`InputError` with advice when there were too many."""
        if self.rollbacks == ROLLBACKS:
            raise InputError("/maker_rate", DIVERGED, ADVICE)
        self.rollbacks, self.last_rollback = self.rollbacks + 1, step

    def see_sign(self, sign: float, steps: int = 1) -> None:
        """A step's mean sign of the verdicts on real pictures, of ``steps`` that are like it."""
        remembered = REMEMBERED**steps
        self.sign = remembered * self.sign + (1 - remembered) * sign

    def see_spread(self, spread: float) -> None:
        """That of the samples, as a share of the set's. What is no number is shown black: it is
        all alike."""
        self.spread = spread if math.isfinite(spread) else 0.0

    def notices(self, step: int) -> Sequence[Phase]:
        """What a person should know of the run as it is after ``step`` steps."""
        said = []
        if self.rollbacks:
            values = {"step": self.last_rollback, "share": f"1/{2**self.rollbacks}"}
            said.append(Phase(ROLLED_BACK, values))
        if step >= WARM and self.sign > SURE:
            said.append(Phase(BY_HEART, {"sign": f"{self.sign:.2f}"}))
        if step >= WARM and self.spread < ALIKE:
            said.append(Phase(TOO_ALIKE, {"share": f"{self.spread:.0%}"}))
        return said

    def facts(self) -> dict[str, Any]:
        """All but the good state."""
        return {
            "rollbacks": self.rollbacks,
            "last_rollback": self.last_rollback,
            "sign": self.sign,
            "spread": self.spread,
        }

    def restore(self, good: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Take over a good state and :meth:`facts`."""
        self.good = good
        self.rollbacks, self.last_rollback = int(facts["rollbacks"]), int(facts["last_rollback"])
        self.sign, self.spread = float(facts["sign"]), float(facts["spread"])


def finite(weights: Mapping[str, Tensor]) -> bool:
    """Whether they are all numbers."""
    floats = [tensor for tensor in weights.values() if tensor.is_floating_point()]
    return bool(torch.isfinite(torch.stack(torch._foreach_norm(floats))).all())


def spread(pictures: Tensor, labels: Tensor | None = None) -> float:
    """Mean distance of two of (N, 3, S, S) pictures in [-1, 1], seen :func:`small`; root mean
    square.

    With ``labels`` (N,) of two of one label, as a mean over the labels: a maker that makes one
    picture for each label has collapsed too.
    """
    points = small(pictures.float()).flatten(1)
    if labels is None:
        return _root_mean_square(points)
    groups = [points[labels == label] for label in torch.unique(labels)]
    found = [_root_mean_square(group) for group in groups if len(group) > 1]
    return sum(found) / len(found) if found else 0.0


def small(pictures: Tensor) -> Tensor:
    """(N, 3, S, S) as (N, 3, 16, 16), differentiable; S is 16 times a whole number."""
    return torch.nn.functional.avg_pool2d(pictures, pictures.shape[-1] // SEEN)


def _root_mean_square(points: Tensor) -> float:
    n = len(points)
    # Over all ordered pairs, |x - y|^2 sums to 2 n^2 times the variance.
    return float((2 * points.var(0, correction=0).mean() * n / (n - 1)).sqrt())
