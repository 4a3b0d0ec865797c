"""Plain convolutional networks after DCGAN (Radford et al. 2016).

Departures: enlargement and convolution instead of transposed convolutions (no checkerboards);
no batch norm in the discriminator, so that each picture is judged by itself and one backward
pass serves both networks (see :mod:`engines.gan_training.losses`).
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from engines.gan_training.config import ModelConfig
from engines.gan_training.judgement import Judgement
from engines.gan_training.layers import Convolution, GrownConvolution, Head, StyleInput

WIDEST = 8
"""The widest maps have this times ``width`` channels."""


def channels(config: ModelConfig, side: int) -> int:
    """Channels of the maps of ``side`` px: ``width`` at half the resolution, more below."""
    return config.width * min(WIDEST, config.resolution // (2 * side))


class Generator(nn.Module):
    """z (N, latent) to pictures (N, 3, R, R) in [-1, 1]."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.style = StyleInput(len(config.labels) * config.conditional, config.latent)
        self._first = channels(config, 4)
        length = config.latent + (StyleInput.LENGTH if config.conditional else 0)
        self.begin = nn.Linear(length, 16 * self._first, bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(self._first), nn.ReLU(inplace=True)]
        side = 4
        while (side := side * 2) < config.resolution:
            wide = channels(config, side)
            layers.append(GrownConvolution(channels(config, side // 2), wide))
            layers += [nn.BatchNorm2d(wide), nn.ReLU(inplace=True)]
        layers += [GrownConvolution(config.width, 3, bias=True), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """The pictures of z; ``labels`` (N,) int64 where the model is conditional."""
        begun = self.begin(self.style(z, labels)).view(-1, 4, 4, self._first)
        return cast(Tensor, self.layers(begun.permute(0, 3, 1, 2)))


class Discriminator(nn.Module):
    """Pictures (N, 3, R, R) to a :class:`Judgement`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        blocks, side, before = [], config.resolution, 3
        while (side := side // 2) >= 4:
            wide = channels(config, side)
            convolution = Convolution(before, wide, 4, stride=2, padding=1)
            blocks.append(nn.Sequential(convolution, nn.LeakyReLU(0.2, inplace=True)))
            before = wide
        self.blocks = nn.Sequential(*blocks)
        self.heads = Head(before, len(config.labels) * config.conditional)

    @property
    def early(self) -> tuple[nn.Module, ...]:
        """Its blocks from the highest resolution down."""
        return tuple(self.blocks)

    def forward(self, pictures: Tensor, labels: Tensor | None = None) -> Judgement:
        """What it says of ``pictures``."""
        return Judgement(self.heads(self.blocks(pictures), labels), {})

    def redrawn(self, judgement: Judgement, corner: int) -> tuple[Tensor, ...]:
        """It has no decoders."""
        return ()
