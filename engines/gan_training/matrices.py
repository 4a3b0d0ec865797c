"""Convolutions in other forms, where a processor's library is slow with them as they are.

It works along the rows of a map; where a row has only four positions it reaches half of what a
matrix product does. There the patches of all maps are laid out as the rows of one matrix instead
(im2col). :func:`gathered` and :func:`scattered` are each other's adjoint, so gradients of any
order are made of the two. And it works on 16 channels at once; the three of a picture become
twelve where its pixels are taken four at a time (:func:`by_fours`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

SMALL, WIDE = 4, 256
"""Maps of at most this side and at least so many channels are worked on as matrices; for fewer,
laying out the patches costs what the product saves."""

FEW = 4
"""Maps of at most so many channels are taken, or made, by fours."""

HALVING = (4, 2, 1)
"""The window, see :class:`Window`, that can take pixels by fours."""

CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))
OF_FOUR = ((3, 1), (2, 0))
"""Of a transposed kernel's taps, those that make the first of two pixels from the position before
and its own, and those that make the second."""


class Window(NamedTuple):
    """A square kernel that goes over maps: its side, its stride, and the zeros around the maps."""

    side: int
    stride: int
    padding: int

    def outputs(self, side: int) -> int:
        """Positions that it takes along maps of ``side``."""
        return (side + 2 * self.padding - self.side) // self.stride + 1

    def covers(self, side: int) -> bool:
        """Whether it sees maps of ``side`` as a whole, at its only position."""
        return side == self.side and not self.padding

    def span(self, tap: int, side: int) -> tuple[slice, slice]:
        """The positions at which its ``tap`` lies within maps of ``side``, and where in them."""
        shift = tap - self.padding
        first = max(0, -(shift // self.stride))
        last = min(self.outputs(side) - 1, (side - 1 - shift) // self.stride)
        begin, end = (position * self.stride + shift for position in (first, last))
        return slice(first, last + 1), slice(begin, end + 1, self.stride)


def pays(features: Tensor, side: int) -> bool:
    """Whether (N, C, H, H), seen at ``side`` by ``side`` positions, is better worked on as a
    matrix. Never on a graphics card, whose library knows what to do."""
    small = side <= SMALL and features.shape[1] >= WIDE
    return small and features.device.type == "cpu"


def few(features: Tensor, channels: int) -> bool:
    """Whether a convolution between maps one of which has so few ``channels`` is better done by
    fours where ``features`` lie."""
    return channels <= FEW and features.device.type == "cpu"


def by_fours(features: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """The convolution of (N, C, H, H) with a ``kernel`` (O, C, 4, 4) whose stride is 2 and padding
    1: that of (N, 4 C, H / 2 + 1, H / 2 + 1), in which four pixels are one, with a 2x2 kernel."""
    n, channels, side, _ = features.shape
    half = side // 2 + 1
    padded = functional.pad(features.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    fours = padded.reshape(n, half, 2, half, 2, channels).transpose(2, 3)
    taken = fours.reshape(n, half, half, 4 * channels).permute(0, 3, 1, 2)
    # Its tap 2 a + p is, at the position a of the smaller kernel, channel p of the four.
    parts = kernel.reshape(-1, channels, 2, 2, 2, 2).permute(0, 3, 5, 1, 2, 4)
    smaller = parts.reshape(-1, 4 * channels, 2, 2)
    return functional.conv2d(taken, smaller.contiguous(memory_format=torch.channels_last), bias)


def grown_by_fours(features: Tensor, kernel: Tensor) -> Tensor:
    """The transposed convolution of (N, I, H, H) with a ``kernel`` (O, I, 4, 4) whose stride is 2
    and padding 1, to (N, O, 2 H, 2 H): its pixels are made four at a time, with a 2x2 kernel."""
    outputs, inputs = kernel.shape[:2]
    places = torch.tensor(OF_FOUR, device=kernel.device)
    parts = kernel[:, :, places][..., places].permute(2, 4, 0, 1, 3, 5)
    smaller = parts.reshape(4 * outputs, inputs, 2, 2).contiguous(memory_format=torch.channels_last)
    made: Tensor = _Spread.apply(functional.conv2d(features, smaller, padding=1))
    return made


class _Spread(torch.autograd.Function):
    """(N, 4 O, H + 1, H + 1) to (N, O, 2 H, 2 H): of its four pixels a position has the first, its
    neighbours have the others."""

    @staticmethod
    def forward(ctx: Any, fours: Tensor) -> Tensor:
        n, channels, side, _ = fours.shape
        half, parts = side - 1, fours.permute(0, 2, 3, 1).reshape(n, side, side, 2, 2, -1)
        made = fours.new_empty(n, half, 2, half, 2, channels // 4)
        for row, column in CORNERS:
            there = parts[:, row : row + half, column : column + half, row, column]
            made[:, :, row, :, column] = there
        return made.view(n, 2 * half, 2 * half, -1).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> Tensor:
        n, channels, side, _ = slopes.shape
        half = side // 2
        parts = slopes.permute(0, 2, 3, 1).reshape(n, half, 2, half, 2, channels)
        made = slopes.new_zeros(n, half + 1, half + 1, 2, 2, channels)
        for row, column in CORNERS:
            there = made[:, row : row + half, column : column + half, row, column]
            there += parts[:, :, row, :, column]
        return made.view(n, half + 1, half + 1, -1).permute(0, 3, 1, 2)


def gathered(features: Tensor, window: Window) -> Tensor:
    """The patches under ``window`` of (N, C, H, H) as rows: (N * h * h, k * k * C), where the
    window of side k takes h positions."""
    if window.covers(features.shape[-1]):
        return features.permute(0, 2, 3, 1).reshape(len(features), -1)
    made: Tensor = _Gather.apply(features, window)
    return made


def scattered(patches: Tensor, shape: torch.Size, window: Window) -> Tensor:
    """The sum of ``patches``, each where :func:`gathered` found it in maps of ``shape``
    (N, C, H, H), which lie channels_last."""
    if window.covers(shape[-1]):
        n, channels, side, _ = shape
        return patches.view(n, side, side, channels).permute(0, 3, 1, 2)
    made: Tensor = _Scatter.apply(patches, shape, window)
    return made


def product(patches: Tensor, taps: Tensor, bias: Tensor | None, side: int) -> Tensor:
    """Patches (N * h * h, k * k * C), seen by ``taps`` (O, k * k * C), as maps (N, O, h, h) of
    ``side`` h that lie channels_last."""
    made: Tensor = _Product.apply(patches, taps, bias, side)
    return made


class _Product(torch.autograd.Function):
    """Its maps are no view of a matrix: what changes them in place would copy them first."""

    @staticmethod
    def forward(ctx: Any, patches: Tensor, taps: Tensor, bias: Tensor | None, side: int) -> Tensor:
        ctx.save_for_backward(patches, taps)
        ctx.biased = bias is not None
        n, outputs = len(patches) // side**2, len(taps)
        made = torch.empty(
            (n, outputs, side, side),
            dtype=patches.dtype,
            device=patches.device,
            memory_format=torch.channels_last,
        )
        rows = made.permute(0, 2, 3, 1).view(-1, outputs)
        if bias is None:
            torch.mm(patches, taps.t(), out=rows)
        else:
            torch.addmm(bias, patches, taps.t(), out=rows)
        return made

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None]:
        patches, taps = ctx.saved_tensors
        rows = slopes.permute(0, 2, 3, 1).reshape(len(patches), -1)
        return rows @ taps, rows.t() @ patches, rows.sum(0) if ctx.biased else None, None


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
        h, k = window.outputs(side), window.side
        maps = patches.new_zeros(n, side, side, channels)
        taps = patches.view(n, h, h, k, k, channels)
        spans = [window.span(tap, side) for tap in range(k)]
        for row, (seen_rows, rows) in enumerate(spans):
            for column, (seen_columns, columns) in enumerate(spans):
                maps[:, rows, columns] += taps[:, seen_rows, seen_columns, row, column]
        return maps.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor, None, None]:
        return gathered(slopes, ctx.window), None, None
