"""Changes that the judge sees on real and made pictures alike, so that a small set lasts longer.

DiffAugment (Zhao et al. 2020): colour, translation and cutout, on every picture. ADA (Karras et
al. 2020): each change with probability p, which follows from how sure the judge is of real ones;
of its changes the geometric ones (warp.py has those of any amount), and of those of colour
brightness, saturation and contrast, the last about each picture's own mean. Gradients go through
all of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engines.gan_training import warp
from engines.gan_training.kind import GanTrainingParams

FARTHEST = 0.125
"""Largest translation, of the side."""

ADA_TARGET = 0.6
ADA_EVERY = 4
ADA_PICTURES = 500_000
"""So many pictures take p from 0 to 1 at most."""


@dataclass(frozen=True)
class Changes:
    """What happens to N pictures. ``colour`` (3, N): factor of the pixel, of its own mean over
    channels, of the picture's mean; ``light`` (N,) is added. ``turn`` (N, 2, 2) is a signed
    permutation of (row, column) and ``shift`` (N, 2) in px. ``cut`` (N, 4): top, bottom, left,
    right of the part that is blanked, or None. ``maps`` (N, 2, 3) of :func:`warp.draw`, always on
    the CPU, or None."""

    colour: Tensor
    light: Tensor
    turn: Tensor
    shift: Tensor
    cut: Tensor | None
    maps: Tensor | None = None

    def part(self, begin: int, end: int) -> Changes:
        """The changes of the pictures from ``begin`` to ``end``."""
        cut = None if self.cut is None else self.cut[begin:end]
        return Changes(
            self.colour[:, begin:end],
            self.light[begin:end],
            self.turn[begin:end],
            self.shift[begin:end],
            cut,
            None if self.maps is None else self.maps[begin:end],
        )

    def to(self, device: torch.device) -> Changes:
        """The same on another device."""
        cut = None if self.cut is None else self.cut.to(device)
        return Changes(
            self.colour.to(device),
            self.light.to(device),
            self.turn.to(device),
            self.shift.to(device),
            cut,
            self.maps,
        )


def draw(params: GanTrainingParams, p: float, n: int, draws: torch.Generator) -> Changes | None:
    """Changes for ``n`` pictures; None where ``params`` want none."""
    if params.augmentation == "diffaugment":
        return _diffaugment(params, n, draws)
    return _ada(params.resolution, p, n, draws) if params.augmentation == "ada" else None


def apply(changes: Changes, pictures: Tensor) -> Tensor:
    """(N, 3, S, S) changed: colour, then movement, then cutout; what comes in is 0, mid-grey."""
    coloured = _coloured(changes, pictures)
    moved = _moved(changes, coloured)
    if changes.maps is not None:
        moved = warp.apply(changes.maps, moved)
    if changes.cut is None:
        return moved
    kept: Tensor = moved * _kept(changes.cut, pictures.shape[-1])
    return kept


def next_probability(p: float, sign: float, batch: int) -> float:
    """ADA's p after :data:`ADA_EVERY` batches of ``batch`` with the mean ``sign`` of D(real)."""
    change = math.copysign(batch * ADA_EVERY / ADA_PICTURES, sign - ADA_TARGET)
    return min(max(p + change, 0.0), 1.0)


def _diffaugment(params: GanTrainingParams, n: int, draws: torch.Generator) -> Changes:
    light, saturation, contrast = torch.zeros(n), torch.ones(n), torch.ones(n)
    shift, cut = torch.zeros(n, 2, dtype=torch.int64), None
    if "colour" in params.policies:
        drawn = torch.rand(3, n, generator=draws)
        light, saturation, contrast = drawn[0] - 0.5, 2 * drawn[1], drawn[2] + 0.5
    if "translation" in params.policies:
        shift = _shifts(n, params.resolution, draws)
    if "cutout" in params.policies:
        cut = _cuts(n, params.resolution, draws)
    return Changes(_factors(saturation, contrast), light, _unturned(n), shift, cut)


def _ada(side: int, p: float, n: int, draws: torch.Generator) -> Changes:
    happens = torch.rand(6, n, generator=draws) < p
    normal = torch.randn(3, n, generator=draws)
    light = torch.where(happens[0], 0.2 * normal[0], 0.0)
    contrast = torch.where(happens[1], (0.5 * normal[1]).exp2(), 1.0)
    saturation = torch.where(happens[2], normal[2].exp2(), 1.0)
    shift = torch.where(happens[3, :, None], _shifts(n, side, draws), 0)
    quarters = torch.where(happens[4], torch.randint(4, (n,), generator=draws), 0)
    flips = happens[5] & (torch.rand(n, generator=draws) < 0.5)
    colour, turn = _factors(saturation, contrast), _turns(quarters, flips)
    maps = warp.draw(p, n, draws)
    # Whole pixels are moved in the same go, so that nothing grey comes in.
    maps[:, :, 2] -= 2 / side * shift.flip(1)
    return Changes(colour, light, turn, torch.zeros_like(shift), None, maps)


def _factors(saturation: Tensor, contrast: Tensor) -> Tensor:
    return torch.stack([contrast * saturation, contrast * (1 - saturation), 1 - contrast])


def _shifts(n: int, side: int, draws: torch.Generator) -> Tensor:
    farthest = int(side * FARTHEST + 0.5)
    return torch.randint(-farthest, farthest + 1, (n, 2), generator=draws)


def _cuts(n: int, side: int, draws: torch.Generator) -> Tensor:
    half = side // 2
    corner = torch.randint(-(half // 2), side - half // 2, (n, 2), generator=draws)
    return torch.stack([corner[:, 0], corner[:, 0] + half, corner[:, 1], corner[:, 1] + half], 1)


def _unturned(n: int) -> Tensor:
    return torch.eye(2, dtype=torch.int64).expand(n, 2, 2)


def _turns(quarters: Tensor, flips: Tensor) -> Tensor:
    quarter = torch.tensor([[0, -1], [1, 0]])
    rotations = torch.stack([torch.linalg.matrix_power(quarter, k) for k in range(4)])
    mirror = torch.tensor([[1, 0], [0, -1]])
    return torch.where(flips[:, None, None], rotations[quarters] @ mirror, rotations[quarters])


def _coloured(changes: Changes, pictures: Tensor) -> Tensor:
    own, grey, whole = changes.colour[:, :, None, None, None]
    of_pixel = pictures.mean(1, keepdim=True)
    of_picture = of_pixel.mean((2, 3), keepdim=True)
    added = of_picture * whole + changes.light[:, None, None, None]
    changed: Tensor = pictures * own + (of_pixel * grey + added)
    return changed


def _kept(cut: Tensor, side: int) -> Tensor:
    along = torch.arange(side, device=cut.device)
    rows = (along >= cut[:, :1]) & (along < cut[:, 1:2])
    columns = (along >= cut[:, 2:3]) & (along < cut[:, 3:])
    return ~(rows[:, :, None] & columns[:, None, :])[:, None]


def _moved(changes: Changes, pictures: Tensor) -> Tensor:
    n, _, side, _ = pictures.shape
    turn = changes.turn
    back = turn.transpose(1, 2)
    there = _places(turn, changes.shift, side)
    # Where a source pixel went, so that the way back is a look-up as well.
    away = _places(back, -(back * changes.shift[:, None, :]).sum(2), side)
    rows = pictures.permute(0, 2, 3, 1).reshape(n * side * side, -1)
    moved: Tensor = _Fetched.apply(rows, *there, *away)
    return moved.view(n, side, side, -1).permute(0, 3, 1, 2)


def _places(turn: Tensor, shift: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """For every pixel p of N pictures turned, then shifted: the number of the pixel that comes
    to it, and whether there is one. Both (N S S, 1) with pictures one after another."""
    n, along = len(turn), torch.arange(side, device=turn.device)
    rows = along[None, :, None] - shift[:, 0, None, None]
    columns = along[None, None, :] - shift[:, 1, None, None]
    # Twice the distance from the middle, so that halves are whole numbers; a turn's inverse is
    # its transpose.
    rows, columns = 2 * rows - (side - 1), 2 * columns - (side - 1)
    entry = turn[:, :, :, None, None]
    row = (entry[:, 0, 0] * rows + entry[:, 1, 0] * columns + side - 1) // 2
    column = (entry[:, 0, 1] * rows + entry[:, 1, 1] * columns + side - 1) // 2
    inside = (row >= 0) & (row < side) & (column >= 0) & (column < side)
    first = torch.arange(n, device=turn.device)[:, None, None] * side * side
    numbers = torch.where(inside, first + row * side + column, 0)
    return numbers.flatten(), inside.flatten()[:, None]


class _Fetched(torch.autograd.Function):
    """Rows by number, and zeros where there is none. No row is fetched twice, so that backward is
    a look-up too: without additions it is the same on every device."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, there: Tensor, inside: Tensor, away: Tensor, went: Tensor
    ) -> Tensor:
        ctx.save_for_backward(there, inside, away, went)
        return rows.index_select(0, there) * inside

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, None, None, None, None]:
        there, inside, away, went = ctx.saved_tensors
        # As a function of its own, so that a gradient penalty can differentiate it again.
        below: Tensor = _Fetched.apply(above[0], away, went, there, inside)
        return below, None, None, None, None


def joined(first: Changes, second: Changes) -> Changes:
    """The changes of the first's pictures, then of the second's."""
    cut = None
    if first.cut is not None and second.cut is not None:
        cut = torch.cat([first.cut, second.cut])
    maps = None
    if first.maps is not None and second.maps is not None:
        maps = torch.cat([first.maps, second.maps])
    return Changes(
        torch.cat([first.colour, second.colour], 1),
        torch.cat([first.light, second.light]),
        torch.cat([first.turn, second.turn]),
        torch.cat([first.shift, second.shift]),
        cut,
        maps,
    )
