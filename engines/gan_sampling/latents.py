"""Where a model's latent space is entered: samples by their way, and the way between them."""

from __future__ import annotations

import torch
from torch import Tensor

from engines.gan_sampling.kind import Link
from engines.state import generator


def latent(way: tuple[Link, ...], length: int) -> Tensor:
    """The (``length``,) vector that a way leads to, normally distributed like every other.

    A neighbour at spread s is sqrt(1 - s^2) z + s e, with e drawn afresh: of the same
    distribution as z, and correlated with it by sqrt(1 - s^2).
    """
    first, *more = way
    z = _draw(first, length)
    for link in more:
        z = (1 - link.spread**2) ** 0.5 * z + link.spread * _draw(link, length)
    return z


def between(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Spherical interpolation (Shoemake 1985; White 2016 for latents): ``first`` at 0, ``second``
    at 1. On a straight line vectors would grow short half-way, where no sample lies."""
    cosine = (first @ second / (first.norm() * second.norm())).clamp(-1, 1)
    angle = torch.arccos(cosine)
    # The same, or opposite ones, between which no way is the shortest.
    if float(torch.sin(angle)) < 1e-4:
        return (1 - share) * first + share * second
    weights = torch.sin((1 - share) * angle), torch.sin(share * angle)
    return (weights[0] * first + weights[1] * second) / torch.sin(angle)


def _draw(link: Link, length: int) -> Tensor:
    return torch.randn(length, generator=generator(link.seed, "sample", link.position))
