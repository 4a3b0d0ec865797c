"""Light networks for small sets, after FastGAN (Liu et al. 2021).

The generator gates its maps (GLU) and lets small ones excite large ones; the discriminator has
two small decoders that must redraw the real pictures from its maps, so that it looks at all of
a picture. Departures: spectral instead of batch norm in the discriminator, which therefore
judges each picture by itself; no noise inside the generator; decoders compare colours (L1).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.gan_training.config import ModelConfig
from engines.gan_training.dcgan import channels as judging_channels
from engines.gan_training.judgement import Judgement
from engines.gan_training.layers import (
    Gate,
    GrownConvolution,
    Head,
    SkipExcitation,
    SpectralConvolution,
    StyleInput,
)

WIDTHS = {4: 8.0, 8: 8.0, 16: 4.0, 32: 2.0, 64: 2.0, 128: 1.0, 256: 0.5, 512: 0.25}
"""Channels of the generator's maps by their side, times ``width``."""

EXCITED = 16
"""A map excites the one that is this many times larger: 4 -> 64, 8 -> 128, 16 -> 256."""

REDRAWN = 64
"""Side in px, at most, at which decoders redraw."""


def channels(config: ModelConfig, side: int) -> int:
    """Channels of the generator's maps of ``side`` px."""
    return max(4, int(config.width * WIDTHS[side]))


class Generator(nn.Module):
    """z (N, latent) to pictures (N, 3, R, R) in [-1, 1]."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.style = StyleInput(len(config.labels) * config.conditional, config.latent)
        self._first = 2 * channels(config, 4)
        length = config.latent + (StyleInput.LENGTH if config.conditional else 0)
        self.begin = nn.Linear(length, 16 * self._first, bias=False)
        self.gate = nn.Sequential(nn.BatchNorm2d(self._first), Gate())
        self.blocks, self.excited = nn.ModuleDict(), nn.ModuleDict()
        side = 4
        while (side := side * 2) <= config.resolution:
            narrow, wide = channels(config, side // 2), channels(config, side)
            self.blocks[str(side)] = nn.Sequential(
                GrownConvolution(narrow, 2 * wide), nn.BatchNorm2d(2 * wide), Gate()
            )
            if side // EXCITED >= 4:
                small = channels(config, side // EXCITED)
                self.excited[str(side)] = SkipExcitation(small, wide)
        self.picture = nn.Conv2d(channels(config, config.resolution), 3, 3, padding=1)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """The pictures of z; ``labels`` (N,) int64 where the model is conditional."""
        begun = self.begin(self.style(z, labels)).view(-1, 4, 4, self._first)
        maps = {4: self.gate(begun.permute(0, 3, 1, 2))}
        for name, block in self.blocks.items():
            side = int(name)
            grown = block(maps[side // 2])
            if name in self.excited:
                grown = self.excited[name](maps[side // EXCITED], grown)
            maps[side] = grown
        return torch.tanh(self.picture(maps[max(maps)]))


class HalvingBlock(nn.Module):
    """Halves the side: the mean of a branch of convolutions and one of averaging."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolved = nn.Sequential(
            SpectralConvolution(inputs, outputs, 4, 2, 1),
            nn.LeakyReLU(0.2, inplace=True),
            SpectralConvolution(outputs, outputs, 3, 1, 1),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.averaged = nn.Sequential(
            nn.AvgPool2d(2), SpectralConvolution(inputs, outputs, 1, 1, 0), nn.LeakyReLU(0.2)
        )

    def forward(self, features: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / 2, W / 2)."""
        both: Tensor = (self.convolved(features) + self.averaged(features)) / 2
        return both


class Discriminator(nn.Module):
    """Pictures (N, 3, R, R) to a :class:`Judgement`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        side, before = config.resolution // 2, config.width
        first = SpectralConvolution(3, before, 4, 2, 1)
        blocks: list[nn.Module] = [nn.Sequential(first, nn.LeakyReLU(0.2, inplace=True))]
        while (side := side // 2) >= 4:
            wide = judging_channels(config, side)
            blocks.append(HalvingBlock(before, wide))
            before = wide
        self.blocks = nn.ModuleList(blocks)
        self.heads = Head(before, len(config.labels) * config.conditional)
        drawn = min(config.resolution, REDRAWN)
        self.decoders = nn.ModuleDict(
            {str(side): _decoder(judging_channels(config, side), drawn) for side in (8, 16)}
        )

    @property
    def early(self) -> tuple[nn.Module, ...]:
        """Its blocks from the highest resolution down."""
        return tuple(self.blocks)

    def forward(self, pictures: Tensor, labels: Tensor | None = None) -> Judgement:
        """What it says of ``pictures``."""
        maps, flowing = {}, pictures
        for block in self.blocks:
            flowing = block(flowing)
            if flowing.shape[-1] in (8, 16):
                maps[flowing.shape[-1]] = flowing
        return Judgement(self.heads(flowing, labels), maps)

    def redrawn(self, judgement: Judgement, corner: int) -> tuple[Tensor, ...]:
        """The whole pictures from the maps of 8 px, and one corner (0 to 3, row by row) of them
        from the maps of 16 px; both (N, 3, S, S) in [-1, 1]."""
        whole = self.decoders["8"](judgement.maps[8])
        part = self.decoders["16"](quarter(judgement.maps[16], corner))
        return whole, part


def redrawing_loss(redrawn: tuple[Tensor, ...], pictures: Tensor, corner: int) -> Tensor:
    """Mean absolute difference of what decoders drew from ``pictures`` and their ``corner``."""
    total = pictures.new_zeros(())
    for drawn, real in zip(redrawn, (pictures, quarter(pictures, corner)), strict=False):
        total = total + functional.l1_loss(drawn, _scaled(real, drawn.shape[-1]))
    return total


def quarter(maps: Tensor, corner: int) -> Tensor:
    """A quarter of (N, C, H, W): 0 top left, 1 top right, 2 bottom left, 3 bottom right."""
    half = maps.shape[-1] // 2
    row, column = divmod(corner, 2)
    return maps[..., row * half : (row + 1) * half, column * half : (column + 1) * half]


def _scaled(pictures: Tensor, side: int) -> Tensor:
    if pictures.shape[-1] > side:
        return functional.avg_pool2d(pictures, pictures.shape[-1] // side)
    if pictures.shape[-1] < side:
        return functional.interpolate(pictures, size=(side, side), mode="nearest")
    return pictures


def _decoder(inputs: int, side: int) -> nn.Module:
    layers, wide = [], inputs
    for _ in range((side // 8).bit_length() - 1):
        narrow = max(8, wide // 2)
        layers += [GrownConvolution(wide, 2 * narrow), nn.BatchNorm2d(2 * narrow), Gate()]
        wide = narrow
    return cast(nn.Module, nn.Sequential(*layers, nn.Conv2d(wide, 3, 3, padding=1), nn.Tanh()))
