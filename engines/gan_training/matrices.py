"""Convolutions of small maps as matrix products.

On a processor the library's convolutions work along the rows of a map; where a row has only four
positions they reach half of what a matrix product does. There the patches of all maps are laid
out as the rows of one matrix instead (im2col). :func:`gathered` and :func:`scattered` are each
other's adjoint, so gradients of any order are made of the two.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

SMALL, WIDE = 4, 256
"""Maps of at most this side and at least so many channels are worked on as matrices; for fewer,
laying out the patches costs what the product saves."""


class Window(NamedTuple):
    """A square kernel that goes over maps: its side, its stride, and the zeros around the maps."""

    side: int
    stride: int
    padding: int

    def outputs(self, side: int) -> int:
        """Positions that it takes along maps of ``side``."""
        return (side + 2 * self.padding - self.side) // self.stride + 1


def pays(features: Tensor, side: int) -> bool:
    """Whether (N, C, H, H), seen at ``side`` by ``side`` positions, is better worked on as a
    matrix. Never on a graphics card, whose library knows what to do."""
    small = side <= SMALL and features.shape[1] >= WIDE
    return small and features.device.type == "cpu"


def gathered(features: Tensor, window: Window) -> Tensor:
    """The patches under ``window`` of (N, C, H, H) as rows: (N * h * h, k * k * C), where the
    window of side k takes h positions."""
    made: Tensor = _Gather.apply(features, window)
    return made


def scattered(patches: Tensor, shape: torch.Size, window: Window) -> Tensor:
    """The sum of ``patches``, each where :func:`gathered` found it in maps of ``shape``
    (N, C, H, H)."""
    made: Tensor = _Scatter.apply(patches, shape, window)
    return made


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, window: Window) -> Tensor:
        ctx.shape, ctx.window = features.shape, window
        n, channels, side, _ = features.shape
        padded = functional.pad(features.permute(0, 2, 3, 1), (0, 0, *[window.padding] * 4))
        padded = padded.contiguous()
        of_picture, of_row, of_column, _ = padded.stride()
        h, k = window.outputs(side), window.side
        step = (window.stride * of_row, window.stride * of_column)
        patches = padded.as_strided(
            (n, h, h, k, k, channels), (of_picture, *step, of_row, of_column, 1)
        )
        return patches.reshape(n * h * h, k * k * channels)

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor, None]:
        return scattered(slopes, ctx.shape, ctx.window), None


class _Scatter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, patches: Tensor, shape: torch.Size, window: Window) -> Tensor:
        ctx.window = window
        n, channels, side, _ = shape
        around, k, stride = window.padding, window.side, window.stride
        h, room = window.outputs(side), side + 2 * window.padding
        maps = patches.new_zeros(n, room, room, channels)
        taps = patches.view(n, h, h, k, k, channels)
        reach = stride * (h - 1) + 1
        for row in range(k):
            for column in range(k):
                place = maps[:, row : row + reach : stride, column : column + reach : stride]
                place += taps[:, :, :, row, column]
        return maps[:, around : room - around, around : room - around].permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor, None, None]:
        return gathered(slopes, ctx.window), None, None
