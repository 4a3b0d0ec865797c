"""One picture's colours carried over to another by a linear map.

The map is the optimal transport between the Gaussians of both colour clouds (Pitie and
Kokaram 2007): means and covariances agree afterwards, with the least change on the way.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engines.vision.statistics import Moments, moments, points

FLOOR = 1e-5
"""Variance that every colour direction is taken to have: a grey or flat picture has none."""


def matched(picture: Tensor, wanted: Moments) -> Tensor:
    """``picture`` (1, 3, H, W) with the mean and covariance of ``wanted``, clamped to [0, 1]."""
    own = moments(picture.double())
    floor = FLOOR * torch.eye(3, dtype=torch.float64, device=picture.device)
    source = own.covariance + floor
    factor = torch.linalg.cholesky(wanted.covariance.double() + floor)
    values, vectors = torch.linalg.eigh(factor.T @ source @ factor)
    carried = factor @ vectors
    transport = (carried / values.sqrt()) @ carried.T
    shift = wanted.mean.double() - transport @ own.mean
    moved: Tensor = (points(picture.double()) @ transport.T + shift).clamp(0, 1).to(picture.dtype)
    # The rows of points are the pixels in order, which is channels_last already.
    return moved.view(1, *picture.shape[-2:], 3).permute(0, 3, 1, 2)
