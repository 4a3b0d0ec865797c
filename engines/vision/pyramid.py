"""Laplacian pyramids (Burt and Adelson 1983): a picture as details of growing size.

Optimising these coefficients instead of pixels lets one step move colour and large shapes as
easily as grain (as STROTSS does, Kolkin et al. 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

Size = tuple[int, int]


def sizes(height: int, width: int, levels: int) -> list[Size]:
    """(H, W) of each level, finest first; at most ``levels``, each side at least 2 px."""
    found = [(height, width)]
    while len(found) < levels and min(found[-1]) >= 4:
        found.append(((found[-1][0] + 1) // 2, (found[-1][1] + 1) // 2))
    return found


def split(picture: Tensor, levels: int) -> list[Tensor]:
    """The coefficients of ``picture`` (1, C, H, W), finest first; :func:`join` undoes it."""
    height, width = picture.shape[-2:]
    found, rest = [], picture
    for smaller in sizes(height, width, levels)[1:]:
        below = resized(rest, smaller)
        found.append(rest - resized(below, (rest.shape[-2], rest.shape[-1])))
        rest = below
    return [*found, rest]


def join(coefficients: Sequence[Tensor]) -> Tensor:
    """The picture (1, C, H, W) of ``coefficients``, finest first; differentiable."""
    picture = coefficients[-1]
    for detail in reversed(coefficients[:-1]):
        picture = detail + resized(picture, (detail.shape[-2], detail.shape[-1]))
    return picture


def resized(picture: Tensor, size: Size) -> Tensor:
    """``picture`` (1, C, H, W) at ``size`` (H, W), bilinear, antialiased where it shrinks."""
    if picture.shape[-2:] == torch.Size(size):
        return picture
    shrinks = size[0] < picture.shape[-2]
    return functional.interpolate(
        picture, size=size, mode="bilinear", align_corners=False, antialias=shrinks
    )
