"""A network's activations tile by tile: the whole picture's, in the memory that one tile takes.

A loss that depends on activations through sums over places, such as moments, needs two looks: the
first gathers the sums, the second computes each tile again and carries the loss's gradient back
through it. The gradient is that of the whole picture, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engines.vision import tiles
from engines.vision.network import FeatureNetwork
from engines.vision.statistics import Gathered, Moments
from engines.vision.tiles import Tile


@dataclass(frozen=True)
class Part:
    """The activations of one layer in a tile's core, (1, C, h, w), and where they lie in the
    whole picture's."""

    tap: str
    features: Tensor
    rows: slice
    columns: slice


class Piecewise:
    """Looks at pictures (1, 3, H, W) in [0, 1] in tiles of about ``side`` pixels; ``pulse`` is
    called after each."""

    def __init__(self, network: FeatureNetwork, side: int, pulse: Callable[[], None]) -> None:
        self.network, self.side, self.pulse = network, side, pulse

    @torch.no_grad()
    def parts(self, picture: Tensor, taps: Sequence[str]) -> Iterator[Part]:
        """Every layer's activations, tile after tile."""
        for tile in self._tiles(picture):
            found = self.network(_cut(picture, tile), taps)
            for tap in taps:
                yield _part(tap, found.pop(tap), tile)
            self.pulse()

    def moments(self, picture: Tensor, taps: Sequence[str]) -> dict[str, Moments]:
        """Of each layer, float64."""
        gathered = {tap: Gathered() for tap in taps}
        for part in self.parts(picture, taps):
            gathered[part.tap].add(part.features)
        return {tap: of.moments() for tap, of in gathered.items()}

    def features(self, picture: Tensor, tap: str) -> Tensor:
        """One layer's activations over the whole picture, (1, C, h, w)."""
        height, width = (side // _shrink(tap) for side in picture.shape[-2:])
        whole: Tensor | None = None
        for part in self.parts(picture, (tap,)):
            if whole is None:
                shape = (1, part.features.shape[1], height, width)
                whole = torch.empty(shape, device=picture.device, memory_format=torch.channels_last)
            whole[..., part.rows, part.columns] = part.features
        assert whole is not None
        return whole

    def gradient(
        self, picture: Tensor, taps: Sequence[str], above: Callable[[Part], Tensor]
    ) -> Tensor:
        """The loss's gradient by ``picture``, where ``above`` gives it by a part's activations."""
        total = torch.zeros_like(picture)
        for tile in self._tiles(picture):
            seen = _cut(picture.detach(), tile).requires_grad_()
            with torch.enable_grad():
                found = self.network(seen, taps)
                parts = [_part(tap, found.pop(tap), tile) for tap in taps]
            wanted = [above(part) for part in parts]
            (of_tile,) = torch.autograd.grad([part.features for part in parts], seen, wanted)
            rows, columns = tile.of_picture()
            total[..., rows, columns] += of_tile
            self.pulse()
        return total

    def _tiles(self, picture: Tensor) -> list[Tile]:
        return tiles.split(picture.shape[-2], picture.shape[-1], self.side)


class _Known(torch.autograd.Function):
    """A value whose gradient is known already."""

    @staticmethod
    def forward(ctx: Any, picture: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return above[0] * gradient, None, None


def known(picture: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
    """The scalar ``value``, differentiable in ``picture`` with that ``gradient``."""
    return _Known.apply(picture, value, gradient)  # type: ignore[no-any-return]


def _cut(picture: Tensor, tile: Tile) -> Tensor:
    rows, columns = tile.of_picture()
    return picture[..., rows, columns].contiguous(memory_format=torch.channels_last)


def _part(tap: str, features: Tensor, tile: Tile) -> Part:
    shrink = _shrink(tap)
    rows, columns = tile.within(features.shape[-2], features.shape[-1], shrink)
    core = features[..., rows, columns]
    first, left = tile.core[0][0] // shrink, tile.core[1][0] // shrink
    return Part(tap, core, slice(first, first + core.shape[-2]), slice(left, left + core.shape[-1]))


def _shrink(tap: str) -> int:
    """Pixels to a point of the layer: a pooling stands between blocks."""
    return 1 << (int(tap.partition("_")[0]) - 1)
