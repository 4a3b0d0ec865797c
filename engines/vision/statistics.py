"""What a layer's activations have in common, place aside: moments, and how far two lie apart.

A feature map (1, C, H, W) is read as N = H * W points in C dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

RIDGE = 1e-5
"""Added to a covariance's diagonal, as a share of its mean diagonal: activations that never
fire would make the square root's derivative infinite."""

FLAT = 1e-4
"""A painting's activations count as varying by at least this share of their size squared: of one
colour all over, what is left of their covariance is rounding, and has no square root."""


@dataclass(frozen=True)
class Moments:
    """``mean`` (C,) and ``second`` (C, C), the raw second moment E[x x^T]."""

    mean: Tensor
    second: Tensor

    @property
    def covariance(self) -> Tensor:
        """(C, C), without the ridge."""
        return self.second - torch.outer(self.mean, self.mean)


def points(features: Tensor) -> Tensor:
    """(1, C, H, W) as (H * W, C); a view where the memory format is channels_last."""
    return features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])


def moments(features: Tensor) -> Moments:
    """The moments of a feature map (1, C, H, W), in its dtype and differentiable."""
    cloud = points(features)
    return Moments(cloud.mean(0), cloud.T @ cloud / len(cloud))


class Gathered:
    """Moments of a feature map that is seen piece by piece."""

    def __init__(self) -> None:
        self.count = 0
        self._first: Tensor | float = 0.0
        self._second: Tensor | float = 0.0

    def add(self, features: Tensor) -> None:
        """Take in a piece (1, C, h, w)."""
        cloud = points(features).double()
        self.count += len(cloud)
        self._first = cloud.sum(0) + self._first
        self._second = cloud.T @ cloud + self._second

    def moments(self) -> Moments:
        """Of all pieces together, float64; only after the first :meth:`add`."""
        assert isinstance(self._first, Tensor)
        assert isinstance(self._second, Tensor)
        return Moments(self._first / self.count, self._second / self.count)


def mixed(parts: Sequence[Moments], shares: Sequence[float]) -> Moments:
    """Moments of a mixture: ``shares`` (positive, any sum) of the points come from each part."""
    total = sum(shares)
    weighed = [(part, share / total) for part, share in zip(parts, shares, strict=True)]
    mean = torch.stack([part.mean * share for part, share in weighed]).sum(0)
    second = torch.stack([part.second * share for part, share in weighed]).sum(0)
    return Moments(mean, second)


class Target:
    """A Gaussian to come near to; what is needed of it again and again is computed once."""

    def __init__(self, wanted: Moments, dtype: torch.dtype = torch.float32) -> None:
        """``wanted`` should be float64: its covariance is a difference of like numbers."""
        covariance = wanted.covariance.double()
        least = max(FLAT * float(wanted.second.trace()), 1e-12)
        self.variance = max(float(covariance.trace()), least)
        """The trace of the covariance: the scale on which distances are large or small."""
        covariance.diagonal().add_(RIDGE * self.variance / len(covariance))
        self.mean, self.covariance = wanted.mean.to(dtype), covariance.to(dtype)
        self.second = wanted.second.to(dtype)
        self.factor = torch.linalg.cholesky(covariance).to(dtype)
        """Lower triangular L with L L^T = covariance."""


def wasserstein(features: Tensor, target: Target) -> Tensor:
    """Squared 2-Wasserstein distance of Gaussians: a scalar, differentiable in ``features``.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2) for ``features`` (1, C, H, W) with mean
    m2 and covariance S2 (Dowson and Landau 1982). In the unit of activations squared; zero at
    the target up to :data:`RIDGE`.
    """
    return _Wasserstein.apply(points(features), target)  # type: ignore[no-any-return]


class _Wasserstein(torch.autograd.Function):
    """The distance with its gradient in closed form: one eigendecomposition for both.

    With M = L^T S2 L, similar to S1^1/2 S2 S1^1/2, the gradient by S2 is I - T, where
    T = L M^-1/2 L^T is the optimal transport from S2 to S1. With fewer points than channels,
    N < C, the N x N matrix X S1 X^T / N has the same non-zero eigenvalues and is solved instead.
    """

    @staticmethod
    def forward(ctx: Any, cloud: Tensor, target: Target) -> Tensor:
        count, channels = cloud.shape
        solve = _by_points if count < channels else _by_channels
        mean, spread, root_trace, kept = solve(cloud, target)
        ctx.save_for_backward(cloud, mean, *kept)
        ctx.target = target
        apart = (mean - target.mean).square().sum()
        return apart + target.covariance.trace() + spread - 2 * root_trace

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, None]:
        cloud, mean, *kept = ctx.saved_tensors
        step = 2 * above[0] / len(cloud)
        shift = mean - ctx.target.mean
        if len(kept) == 1:  # I - T: one product over all points, the mean folded into it
            (pull,) = kept
            return torch.addmm(shift - mean @ pull, cloud, pull).mul_(step), None
        pushed, inverse_root = kept
        return (cloud - mean + shift - inverse_root @ pushed).mul_(step), None


def _by_channels(cloud: Tensor, target: Target) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    mean = cloud.mean(0)
    covariance = torch.addmm(torch.outer(mean, mean), cloud.T, cloud, beta=-1, alpha=1 / len(cloud))
    return _by_covariance(mean, covariance, target)


def _by_covariance(
    mean: Tensor, covariance: Tensor, target: Target
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    identity = torch.eye(len(mean), dtype=mean.dtype, device=mean.device)
    covariance = covariance + target.covariance.trace() * (RIDGE / len(mean)) * identity
    values, vectors = torch.linalg.eigh(target.factor.T @ covariance @ target.factor)
    roots = values.clamp_min(torch.finfo(values.dtype).eps * float(values[-1])).sqrt()
    carried = target.factor @ vectors
    pull = identity - (carried / roots) @ carried.T
    return mean, covariance.trace(), roots.sum(), [pull]


def _by_points(cloud: Tensor, target: Target) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    mean = cloud.mean(0)
    centred = cloud - mean
    pushed = centred @ target.covariance
    values, vectors = torch.linalg.eigh(pushed @ centred.T / len(cloud))
    # Centring leaves one eigenvalue at zero, up to rounding: it takes no part.
    solid = values > values[-1].clamp_min(0) * (len(cloud) * torch.finfo(values.dtype).eps)
    roots = torch.where(solid, values, 0).sqrt()
    inverse = torch.where(solid, 1 / roots, 0)
    inverse_root = (vectors * inverse) @ vectors.T
    spread = centred.square().sum() / len(cloud)
    return mean, spread, roots.sum(), [pushed, inverse_root]


@dataclass(frozen=True)
class Pull:
    """A distance of moments with its gradient: at a point x, one of N, it is 2/N (A x + b)."""

    distance: Tensor
    matrix: Tensor
    offset: Tensor

    def at(self, features: Tensor, count: int) -> Tensor:
        """The gradient by ``features`` (1, C, H, W), which hold some of the ``count`` points."""
        found = torch.addmm(self.offset, points(features), self.matrix).mul_(2 / count)
        return found.view(1, *features.shape[2:], -1).permute(0, 3, 1, 2)


def wasserstein_pull(found: Moments, target: Target) -> Pull:
    """As :func:`wasserstein`, of gathered moments; both float64."""
    mean, spread, root_trace, (pull,) = _by_covariance(found.mean, found.covariance, target)
    shift = mean - target.mean
    distance = shift.square().sum() + target.covariance.trace() + spread - 2 * root_trace
    return Pull(distance.float(), pull.float(), (shift - mean @ pull).float())


def gram_pull(found: Moments, wanted: Tensor) -> Pull:
    """As :func:`gram`, of gathered moments; both float64."""
    apart, scale = found.second - wanted, wanted.square().sum().clamp_min(1e-12)
    matrix = (2 * apart / scale).float()
    return Pull((apart.square().sum() / scale).float(), matrix, matrix.new_zeros(len(matrix)))


def gram(features: Tensor, wanted: Tensor) -> Tensor:
    """Squared distance of raw second moments, relative to the wanted (Gatys et al. 2016).

    A scalar for ``features`` (1, C, H, W) and ``wanted`` (C, C): 0 at the target, 1 for features
    that are all zero.
    """
    apart = (moments(features).second - wanted).square().sum()
    return apart / wanted.square().sum().clamp_min(1e-12)
