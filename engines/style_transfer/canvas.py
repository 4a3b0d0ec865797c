"""The picture being painted: pyramid coefficients, Adam's moments, the average of iterates."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from engines.vision import pyramid
from engines.vision.averaging import Average

LEVELS = 5
RATE = 0.02
SHARES = (0.5, 0.8, 1.0, 1.0, 1.0)
"""Each level's share of the rate, finest first: in any picture the finest details are the
smallest, and moving them as fast as the others leaves grain."""
BETAS = (0.9, 0.99)
TINY = 1e-8
AVERAGE_DECAY = 0.95


class Canvas:
    """A picture (1, 3, H, W) in [0, 1] held as a Laplacian pyramid, with its optimiser.

    Adam (Kingma and Ba 2015) is written out here so that its moments can grow with the
    picture and be saved by name.
    """

    def __init__(self, picture: Tensor) -> None:
        self.levels = [level.contiguous() for level in pyramid.split(picture, LEVELS)]
        self.first = [torch.zeros_like(level) for level in self.levels]
        self.second = [torch.zeros_like(level) for level in self.levels]
        self.updates = 0
        self.average = Average(self.picture(), AVERAGE_DECAY)

    def picture(self) -> Tensor:
        """The current iterate."""
        return pyramid.join(self.levels).clamp(0, 1)

    def shown(self) -> Tensor:
        """What people see: the average of the iterates at this scale."""
        return self.average.value.clamp(0, 1) if self.average.count else self.picture()

    def attached(self) -> list[Tensor]:
        """The coefficients as leaves of a new graph, to take gradients by."""
        return [level.detach().requires_grad_() for level in self.levels]

    def add(self, detail: Tensor) -> None:
        """Add ``detail`` (1, 3, H, W), which only the finest level is there to hold."""
        self.levels[0].add_(detail)

    @torch.no_grad()
    def descend(self, gradients: tuple[Tensor, ...], done: float) -> None:
        """One step of Adam, back into [0, 1], and into the average.

        ``done`` in [0, 1) is the share of the scale's steps that are made: the rate falls along
        half a cosine to a tenth, so that strokes settle before the next scale.
        """
        self.updates += 1
        fast, slow = BETAS
        rate = RATE * (0.55 + 0.45 * math.cos(math.pi * done))
        scale = rate / (1 - fast**self.updates)
        unbias = 1 - slow**self.updates
        shares = SHARES[: len(self.levels)]
        rows = zip(shares, self.levels, self.first, self.second, gradients, strict=True)
        for share, level, first, second, gradient in rows:
            first.lerp_(gradient, 1 - fast)
            second.mul_(slow).addcmul_(gradient, gradient, value=1 - slow)
            level.addcdiv_(first, second.div(unbias).sqrt_().add_(TINY), value=-scale * share)
        joined = pyramid.join(self.levels)
        inside = joined.clamp(0, 1)
        # The finest level can hold any picture, so it takes the correction exactly.
        self.levels[0].add_(inside - joined)
        self.average.update(inside)

    @torch.no_grad()
    def enlarged(self, size: pyramid.Size) -> Canvas:
        """The canvas of the next scale: the average and Adam's moments, upsampled."""
        larger = Canvas(pyramid.resized(self.shown(), size))
        for mine, theirs in ((self.first, larger.first), (self.second, larger.second)):
            for position, wanted in enumerate(theirs):
                if position < len(mine):
                    shape = (wanted.shape[-2], wanted.shape[-1])
                    wanted.copy_(pyramid.resized(mine[position], shape))
        larger.updates = self.updates
        return larger

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor that the rest of the run depends on, by dotted name."""
        named = {"average": self.average.total}
        for position, level in enumerate(self.levels):
            named[f"level.{position}"] = level
            named[f"first.{position}"] = self.first[position]
            named[f"second.{position}"] = self.second[position]
        return named

    def restore(self, tensors: Mapping[str, Tensor], updates: int, averaged: int) -> None:
        """Take back :meth:`tensors`; ValueError names the one that is missing or misshapen."""
        for name, own in self.tensors().items():
            saved = tensors.get(name)
            if saved is None or saved.shape != own.shape or saved.dtype != own.dtype:
                raise ValueError(name)
            own.copy_(saved)
        self.updates, self.average.count = updates, averaged
