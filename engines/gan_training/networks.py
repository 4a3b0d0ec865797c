"""Building a model's networks from its config, and filling them.

A generator maps z (N, latent) to pictures (N, 3, R, R) in [-1, 1]; a discriminator maps such
pictures to a :class:`Judgement`. Neither draws anything: what is random comes in from outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from engines.gan_training import dcgan, light
from engines.gan_training.config import ModelConfig, ModelError
from engines.gan_training.judgement import Judgement
from engines.gan_training.layers import SpectralConvolution

DEVIATION = 0.02
"""Of the first kernels (DCGAN, Radford et al. 2016)."""

_GENERATORS: dict[str, type[nn.Module]] = {"dcgan": dcgan.Generator, "light": light.Generator}
_DISCRIMINATORS: dict[str, type[nn.Module]] = {
    "dcgan": dcgan.Discriminator,
    "light": light.Discriminator,
}


class Discriminator(Protocol):
    """What training needs of a discriminator beside being a module."""

    def __call__(self, pictures: Tensor, labels: Tensor | None = None) -> Judgement: ...

    @property
    def early(self) -> tuple[nn.Module, ...]:
        """Its blocks from the highest resolution down: what transfer freezes first."""

    def redrawn(self, judgement: Judgement, corner: int) -> tuple[Tensor, ...]:
        """What its decoders draw of the pictures it judged, and of one corner of them."""


def build_generator(config: ModelConfig) -> nn.Module:
    """A generator with ``forward(z, labels=None)``, channels_last, its dial where ``config`` says;
    its weights are not set yet."""
    maker = _laid_out(_GENERATORS[config.architecture](config))
    set_dial(maker, config.innovation)
    return maker


def set_dial(maker: nn.Module, innovation: float) -> None:
    """Have a generator mix styles (:mod:`engines.gan_training.mixtures`), from now on."""
    maker.style.dial = innovation  # type: ignore[union-attr]


def build_discriminator(config: ModelConfig) -> nn.Module:
    """A module that is a :class:`Discriminator`, channels_last; its weights are not set yet."""
    return _laid_out(_DISCRIMINATORS[config.architecture](config))


def draw_weights(network: nn.Module, draws: torch.Generator) -> None:
    """First weights: kernels N(0, 0.02), vectors of labels N(0, 1), scales of norms N(1, 0.02),
    biases 0."""
    with torch.no_grad():
        for part in network.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.reset_running_stats()
                part.weight.normal_(1.0, DEVIATION, generator=draws)
            elif isinstance(weight := getattr(part, "weight", None), Tensor):
                # A label stands beside latents of deviation 1 and must not drown in them.
                deviation = 1.0 if isinstance(part, nn.Embedding) else DEVIATION
                # Drawn in the plain layout: the numbers must not depend on how they lie.
                drawn = torch.empty(weight.shape).normal_(0.0, deviation, generator=draws)
                weight.copy_(drawn)
            if isinstance(part, SpectralConvolution):
                part.u.normal_(generator=draws)
                part.u /= part.u.norm()
                part.settle()
            if isinstance(bias := getattr(part, "bias", None), Tensor):
                bias.zero_()


def load_into(network: nn.Module, weights: Mapping[str, Tensor], which: str) -> None:
    """Fill ``network``; :class:`ModelError` names the first of ``weights`` that does not fit."""
    wanted = network.state_dict()
    for name in sorted({*wanted, *weights}):
        ours, theirs = wanted.get(name), weights.get(name)
        if ours is None or theirs is None or ours.shape != theirs.shape:
            raise ModelError(f"the model's {which} does not fit its description at {name}")
        if not torch.isfinite(theirs).all():
            raise ModelError(f"the model's {which} holds numbers that are not finite at {name}")
        if name.endswith(".running_var") and (theirs < 0).any():
            raise ModelError(f"the model's {which} holds a negative variance at {name}")
    network.load_state_dict(dict(weights))


def _laid_out(network: nn.Module) -> nn.Module:
    return network.to(memory_format=torch.channels_last)
