"""Pictures of the average maker: the grid of fixed latents, and as many as a measurement needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from engines.engine import Phase
from engines.gan_training.config import ModelConfig
from engines.kind import N_
from engines.state import generator

LONGEST = 1024
"""Pixels along a side of the grid, at most."""

USUAL, LEAST, MOST = 8, 4, 16
"""Columns of the grid: as many as it holds at full size, but not more than the first; never fewer
than the second; and as many as there are labels up to the third, which is how many labels it shows.
"""

CELLS = 64
"""Samples in the grid, at most."""

AT_A_TIME = 32
PIXELS = AT_A_TIME * 128**2
"""Made at a time, at most: a step's memory must hold them too, and at 512 px 32 need twice that of
a small batch."""


SHOWN_IN_PART = N_(
    "The grid of samples shows the first {shown} of {labels} labels, a column each: from {first} to"
    " {last}. The others are learned as well: draw them with 'Sample' at the model."
)


class Layout(NamedTuple):
    """The grid of samples: how many beside and below each other, and the side of one in pixels."""

    columns: int
    rows: int
    cell: int


def layout(config: ModelConfig) -> Layout:
    """The grid that shows each label's samples, smaller than the maker makes them if need be."""
    columns = min(USUAL, LONGEST // config.resolution)
    labels = len(config.labels) if config.conditional else 1
    while columns < max(LEAST, min(labels, MOST)):
        columns *= 2
    rows = min(columns, CELLS // columns)
    return Layout(columns, rows, min(config.resolution, LONGEST // columns))


def notices(config: ModelConfig) -> Sequence[Phase]:
    """What the grid does not show, in words."""
    shown, labels = layout(config).columns, config.labels
    if not config.conditional or len(labels) <= shown:
        return ()
    values = {"shown": shown, "labels": len(labels), "first": labels[0], "last": labels[shown - 1]}
    return (Phase(SHOWN_IN_PART, values, calm=True),)


@dataclass(frozen=True)
class Wishes:
    """Pictures of ``side`` px to be made: latents (n, latent), and labels (n,) for a conditional
    maker."""

    z: Tensor
    labels: Tensor | None
    side: int

    def of(self, chosen: Tensor) -> Wishes:
        """Some of them, by position."""
        labels = None if self.labels is None else self.labels[chosen]
        return replace(self, z=self.z[chosen], labels=labels)


def wishes(
    config: ModelConfig, n: int, seed: int, stream: str, often: NDArray[np.int64] | None = None
) -> Wishes:
    """``n`` pictures, the same for (seed, stream); where the maker takes labels each as ``often``
    as its whole number (K,) says beside the others, else all alike."""
    z = torch.randn(n, config.latent, generator=generator(seed, stream, 0))
    if not config.conditional:
        return Wishes(z, None, config.resolution)
    shares = np.ones(len(config.labels), np.int64) if often is None else often
    return Wishes(z, torch.from_numpy(in_turn(shares, n)), config.resolution)


def in_turn(often: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """(n,) labels in turn: of any first few each label has its share of them, as nearly as whole
    pictures can. Where all come as ``often``, that is one after the other."""
    taken, labels = np.zeros_like(often), np.empty(n, np.int64)
    for position in range(n):
        # Whole numbers: what is due first must not hang on rounding.
        label = int(np.argmax((position + 1) * often - taken * often.sum()))
        labels[position] = label
        taken[label] += 1
    return labels


def fixed(config: ModelConfig, seed: int) -> Wishes:
    """The grid's samples, row by row; of the labels each has its columns."""
    shape = layout(config)
    found = wishes(config, shape.columns * shape.rows, seed, "samples")
    columns = torch.arange(len(found.z)) % shape.columns
    return replace(found, labels=columns % len(config.labels) if config.conditional else None)


@torch.no_grad()
def made(maker: nn.Module, wanted: Wishes) -> Iterator[Tensor]:
    """The pictures, some at a time: float32 (N, 3, R, R) in [-1, 1] on the CPU."""
    device = next(maker.parameters()).device
    many = min(AT_A_TIME, PIXELS // wanted.side**2)
    for begin in range(0, len(wanted.z), many):
        few = slice(begin, begin + many)
        labels = None if wanted.labels is None else wanted.labels[few].to(device)
        yield maker(wanted.z[few].to(device), labels).float().cpu()


def as_bytes(pictures: Tensor) -> NDArray[np.uint8]:
    """(N, 3, R, R) in [-1, 1] as uint8 (N, R, R, 3), rounded to nearest."""
    scaled = (pictures.clamp(-1, 1) + 1).mul(127.5).round().to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).contiguous().numpy()


def grid(pixels: NDArray[np.uint8], columns: int) -> Image.Image:
    """uint8 (N, R, R, 3) as one picture with ``columns`` columns, row by row."""
    n, side, _, _ = pixels.shape
    rows = n // columns
    laid = pixels[: rows * columns].reshape(rows, columns, side, side, 3).transpose(0, 2, 1, 3, 4)
    return Image.fromarray(laid.reshape(rows * side, columns * side, 3))


def cells(maker: nn.Module, config: ModelConfig, seed: int) -> Tensor:
    """The fixed samples as the grid shows them: float32 (N, 3, C, C) in [-1, 1] on the CPU, each
    pixel the mean of those that it stands for."""
    shrink = config.resolution // layout(config).cell
    return torch.cat([avg_pool2d(part, shrink) for part in made(maker, fixed(config, seed))])


def shown(maker: nn.Module, config: ModelConfig, seed: int) -> Image.Image:
    """The grid of the fixed samples."""
    return grid(as_bytes(cells(maker, config, seed)), layout(config).columns)
