"""Pictures scaled, turned and moved by any amount: ADA's geometric changes beyond whole pixels.

Karras et al. 2020, appendix B: isotropic scale, rotation, anisotropic scale, rotation, fractional
translation. What lies outside is the picture mirrored at its edges. Against aliasing the result is
sampled twice as fine, bilinearly, and averaged; that covers shrinking to a half.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

SCALE = 0.2
"""Standard deviation of the logarithm, to base 2, of either scale."""

MOVE = 0.125
"""Standard deviation of the translation, of the side."""

FINER = 2


def draw(p: float, n: int, draws: torch.Generator) -> Tensor:
    """(N, 2, 3) on the CPU: for each picture the map from a place (x, y), -1 to 1, of the result
    to the one it is taken from. Each part happens with probability ``p``, one rotation or the
    other with p as well."""
    turning = 1 - math.sqrt(1 - p)
    chances = torch.tensor([p, turning, p, turning, p])
    happens = torch.rand(5, n, generator=draws) < chances[:, None]
    normal = torch.randn(4, n, generator=draws)
    angles = math.pi * (2 * torch.rand(2, n, generator=draws) - 1)
    even = torch.where(happens[0], (SCALE * normal[0]).exp2(), 1.0)
    odd = torch.where(happens[2], (SCALE * normal[1]).exp2(), 1.0)
    first, second = (torch.where(happens[row], angles[row // 2], 0.0) for row in (1, 3))
    move = torch.where(happens[4], 2 * MOVE * normal[2:], 0.0).T[:, :, None]
    stretched = torch.diag_embed(torch.stack([1 / odd, odd], 1))
    back = _turned(-first) @ stretched @ _turned(-second) / even[:, None, None]
    return torch.cat([back, -back @ move], 2)


def apply(maps: Tensor, pictures: Tensor) -> Tensor:
    """(N, 3, S, S) changed by ``maps`` (N, 2, 3); those that are left alone keep every bit."""
    # Asked of the processor's copy: a graphics card would have to be waited for.
    still = (maps == torch.eye(2, 3)).all(2).all(1)
    which = (~still).nonzero()[:, 0]
    if not len(which):
        return pictures
    side, device = pictures.shape[-1], pictures.device
    chosen = maps[which].to(device, pictures.dtype, non_blocking=True)
    which = which.to(device, non_blocking=True)
    shape = [len(which), pictures.shape[1], FINER * side, FINER * side]
    # In half the bits a place would be off by half a pixel at 256 px, and the way back refuses it.
    with torch.autocast(device.type, enabled=False):
        places = functional.affine_grid(chosen, shape, align_corners=False)
        fine: Tensor = _Taken.apply(pictures.index_select(0, which), places)
    return pictures.index_copy(0, which, functional.avg_pool2d(fine, FINER))


def _turned(angles: Tensor) -> Tensor:
    cosine, sine = angles.cos(), angles.sin()
    return torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)


class _Taken(torch.autograd.Function):
    """Pictures sampled at places. PyTorch's own cannot be differentiated twice, which a gradient
    penalty needs; it is linear, so that the way back of its way back is itself."""

    @staticmethod
    def forward(ctx: Any, pictures: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        ctx.shape = pictures.shape
        return functional.grid_sample(
            pictures, places, mode="bilinear", padding_mode="reflection", align_corners=False
        )

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        below: Tensor = _Spread.apply(above[0], places, ctx.shape)
        return below, None


class _Spread(torch.autograd.Function):
    """The transpose of :class:`_Taken`."""

    @staticmethod
    def forward(ctx: Any, above: Tensor, places: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(places)
        bilinear, reflection, device = 0, 2, above.device
        if torch.are_deterministic_algorithms_enabled():
            # A graphics card adds in any order here, and has no other way.
            above, places = above.cpu(), places.cpu()
        below: Tensor = torch.ops.aten.grid_sampler_2d_backward(
            above, above.new_zeros(shape), places, bilinear, reflection, False, (True, False)
        )[0]
        return below.to(device)

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, None, None]:
        (places,) = ctx.saved_tensors
        taken: Tensor = _Taken.apply(above[0], places)
        return taken, None, None
