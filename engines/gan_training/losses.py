"""Losses on verdicts, and how one pass through the judge serves both networks.

Every loss here is a sum over pictures that the judge sees each by itself. The gradient of the
maker's loss at a made picture is therefore that of the judge's own loss there, times the ratio
of the two losses' slopes at its verdict; one forward and one backward pass of the judge over real
and made pictures together train both networks (Shen et al., "Training Generative Adversarial
Networks in One Stage", CVPR 2021). Both then step at once, not in turn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engines.gan_training.kind import GanTrainingParams

Curve = Callable[[Tensor], Tensor]

FLATTEST = 1e-6
"""The smallest slope of the judge's loss at a made picture, of slopes around 1: where the true
one is smaller (a satisfied hinge), the judge learns that little, and the ratio stays finite."""


SHORTEST = 1e-30
"""A gradient no longer than this wishes nothing."""


@dataclass(frozen=True)
class Loss:
    """Three curves (N,) to (N,) over verdicts, the verdict between real and made, and on which
    side of it, 1 above or -1 below, real ones belong."""

    of_real: Curve
    of_made: Curve
    of_maker: Curve
    boundary: float
    side: float = 1.0

    def signs(self, verdicts: Tensor) -> Tensor:
        """1 for each of the (N,) verdicts that says real, -1 for each that says made."""
        return ((verdicts - self.boundary) * self.side).sign()


def loss_of(params: GanTrainingParams) -> Loss:
    """The loss that ``params`` name.

    Least squares: Mao et al. 2017; a = 0, b = 1, c = 0.5 is its Pearson coding (-1, 1, 0) under
    D' = 2D - 1 at half the scale. Non-saturating: Goodfellow et al. 2014. Hinge: Lim and Ye 2017.
    """
    if params.loss == "least_squares":
        a, b, c = params.target_fake, params.target_real, params.target_maker
        return Loss(
            lambda verdict: (verdict - b).square(),
            lambda verdict: (verdict - a).square(),
            lambda verdict: (verdict - c).square(),
            (a + b) / 2,
            math.copysign(1.0, b - a),
        )
    if params.loss == "hinge":
        return Loss(
            lambda verdict: functional.relu(1 - verdict),
            lambda verdict: functional.relu(1 + verdict),
            torch.neg,
            0.0,
        )
    return Loss(
        lambda verdict: functional.softplus(-verdict),
        functional.softplus,
        lambda verdict: functional.softplus(-verdict),
        0.0,
    )


@dataclass(frozen=True)
class Slopes:
    """What one backward pass needs: ``judge`` (2N,) is fed into the verdicts of N real and N made
    pictures; the gradient that then arrives at a made picture, times ``ratio`` (N,), is the
    maker's. ``judge_loss`` and ``maker_loss`` are means, detached."""

    judge: Tensor
    ratio: Tensor
    judge_loss: Tensor
    maker_loss: Tensor


def slopes(loss: Loss, verdicts: Tensor, total: int) -> Slopes:
    """Slopes of the mean losses over ``total`` pictures at ``verdicts`` (2N,), real ones first."""
    real, made = verdicts.detach().float().chunk(2)
    real_loss, at_real = _slope(loss.of_real, real)
    made_loss, at_made = _slope(loss.of_made, made)
    maker_loss, wanted = _slope(loss.of_maker, made)
    steep = torch.where(at_made < 0, -1.0, 1.0) * at_made.abs().clamp_min(FLATTEST)
    return Slopes(
        torch.cat([at_real, steep]) / total,
        wanted / steep,
        (real_loss.sum() + made_loss.sum()) / total,
        maker_loss.sum() / total,
    )


def _slope(curve: Curve, verdicts: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        leaf = verdicts.clone().requires_grad_()
        figures = curve(leaf)
        (slope,) = torch.autograd.grad(figures.sum(), leaf)
    return figures.detach(), slope


def as_long_as(wished: Tensor, verdict: Tensor) -> Tensor:
    """The gradient ``wished`` at N made pictures, for each as long as that of its ``verdict``; both
    (N, 3, S, S). So a wish beside the verdict weighs the same whatever the networks' scales are,
    and is outweighed by a verdict that is sure."""
    lengths, wanted = wished.flatten(1).norm(dim=1), verdict.flatten(1).norm(dim=1)
    factor = torch.where(lengths > SHORTEST, wanted / lengths.clamp_min(SHORTEST), 0.0)
    return wished * factor[:, None, None, None]
