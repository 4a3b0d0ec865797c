"""Which styles a made picture mixes: what the dial from imitation to innovation turns.

A maker that has learned labels has a vector for each. With the dial at 0 a picture is made from
the vector of its label; above, from a mean of it and of others, which weigh half the dial together
against its own 1: a third in all at 1, as much as its own at 2, two of them at 4. Which others is
a matter of its latent vector alone (:func:`tastes`), and changes continuously with it, so that
films do not jump. Nothing is learned for it: any model that knows styles draws at any place of the
dial.

Creative Adversarial Networks (Elgammal et al. 2017) instead teach the maker to leave the style head
of a judge undecided. Tried here first, on one seed: the head was met with one pattern for all
latents, of which it was undecided (0.94 to 0.99 of the largest entropy) while a classifier apart
was not (0.27 to 0.36; 0.34 without any pull), at a recall below 0.01 instead of 0.08.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engines.state import generator

SHARPNESS = 4.0
"""How surely a taste decides: two styles share a place when liked within 1 / SHARPNESS standard
deviations of each other, else one has it."""

RULE = 3
"""Of what the dial means; a training with another one is not gone on from."""

HALVINGS = 32
"""Of the interval in which the threshold of liking is sought; it begins a few tens wide."""


def tastes(latent: int, labels: int) -> Tensor:
    """(latent, labels) the direction in which each style is liked more; the same for all models of
    a shape, so that a model needs to keep none."""
    return torch.randn(latent, labels, generator=generator(0, "tastes", 0), device="cpu")


def weighing(dial: float, labels: int) -> float:
    """How much the others weigh together, in [0, labels - 1], of the own label's 1."""
    return min(dial / 2, labels - 1.0)


def mixture(z: Tensor, labels: Tensor, liking: Tensor, dial: float) -> Tensor:
    """(N, K) weights of the styles in pictures of z (N, latent) and labels (N,), whose rows sum to
    1. ``liking`` are the :func:`tastes`.

    The others' weights are (liked - t) clamped to [0, 1], with t such that they sum to
    :func:`weighing`: the nearest weights to what is liked, and continuous.
    """
    # How long z is has no say: a truncated vector (boldness) likes the same.
    along = z.float() / z.float().norm(dim=1, keepdim=True).clamp_min(1e-12)
    with torch.autocast(z.device.type, enabled=False):
        liked: Tensor = SHARPNESS * (along @ liking)
    own = torch.zeros_like(liked).scatter_(1, labels[:, None], 1.0)
    # Below all others by more than 1, it gets nothing of what they share.
    low = liked.amin(1, keepdim=True) - 1
    high = liked.amax(1, keepdim=True)
    liked = torch.where(own > 0, low - 1, liked)
    due = weighing(dial, liked.shape[1])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        more = (liked - middle).clamp(0, 1).sum(1, keepdim=True) > due
        low, high = torch.where(more, middle, low), torch.where(more, high, middle)
    weights = own + (liked - (low + high) / 2).clamp(0, 1)
    found: Tensor = weights / weights.sum(1, keepdim=True)
    return found
