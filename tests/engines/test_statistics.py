"""The distance of Gaussians, its gradient, mixtures and Gram matrices."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engines.vision.statistics import RIDGE, Moments, Target, gram, mixed, moments, wasserstein


def _features(channels: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Like activations: correlated, not centred, many zeros."""
    draws = torch.Generator().manual_seed(seed)
    mixing = torch.randn(channels, channels, generator=draws, dtype=torch.float64)
    cloud = torch.randn(1, height, width, channels, generator=draws, dtype=torch.float64)
    activations: Tensor = (cloud @ mixing + 0.3).relu()
    return activations.permute(0, 3, 1, 2)


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    return root


def _reference(features: Tensor, painting: Tensor) -> float:
    """The formula as it is written, in float64, without a ridge."""
    clouds = [
        found.permute(0, 2, 3, 1).reshape(-1, found.shape[1]) for found in (painting, features)
    ]
    first, second = (torch.cov(cloud.T, correction=0) for cloud in clouds)
    apart = (clouds[0].mean(0) - clouds[1].mean(0)).square().sum()
    root = _root(first)
    return float(apart + (first + second - 2 * _root(root @ second @ root)).trace())


# 5 x 5 points are fewer than 32 channels and take the other way to the same number.
@pytest.mark.parametrize(("channels", "side"), [(8, 9), (32, 5), (24, 20)])
def test_the_distance_is_the_formula_of_the_paper(channels: int, side: int) -> None:
    features, painting = _features(channels, side, side), _features(channels, 20, 31, seed=1)
    target = Target(moments(painting), torch.float64)
    expected = _reference(features, painting)
    assert float(wasserstein(features, target)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("channels", "side"), [(5, 4), (12, 3)])
def test_the_closed_gradient_is_the_numeric_one(channels: int, side: int) -> None:
    target = Target(moments(_features(channels, 9, 9, seed=1)), torch.float64)
    features = (_features(channels, side, side) + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: wasserstein(f, target), features, rtol=1e-3)


@pytest.mark.parametrize("side", [9, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_painting_of_one_colour_is_a_target_like_any_other(side: int, dtype: torch.dtype) -> None:
    """Of its covariance nothing is left but rounding."""
    flat = _features(16, 1, 1, seed=1).expand(1, 16, 20, 20).float().double()
    target = Target(moments(flat), dtype)
    for features in (_features(16, side, side), flat[..., :side, :side]):
        leaf = features.to(dtype, copy=True).requires_grad_()
        distance = wasserstein(leaf, target)
        distance.backward()  # type: ignore[no-untyped-call]
        assert leaf.grad is not None
        assert bool(leaf.grad.isfinite().all())
        scale = float(moments(flat).second.trace())
        apart = float((features.mean((2, 3)) - flat.mean((2, 3))).square().sum())
        assert float(distance.detach()) >= apart - 1e-3 * scale
        assert (float(distance.detach()) < 1e-2 * scale) is (apart < 1e-9)


@pytest.mark.parametrize(("channels", "side"), [(64, 32), (64, 6)])
def test_single_precision_agrees_with_double(channels: int, side: int) -> None:
    painting, features = _features(channels, 30, 30, seed=1), _features(channels, side, side)
    gradients = []
    for dtype in (torch.float32, torch.float64):
        leaf = features.to(dtype).requires_grad_()
        wasserstein(leaf, Target(moments(painting), dtype)).backward()  # type: ignore[no-untyped-call]
        assert leaf.grad is not None
        gradients.append(leaf.grad.double())
    apart = (gradients[0] - gradients[1]).norm() / gradients[1].norm()
    assert float(apart) < 1e-2


def test_the_distance_to_itself_is_nothing_but_the_ridge() -> None:
    features = _features(16, 20, 20)
    target = Target(moments(features), torch.float64)
    assert abs(float(wasserstein(features, target))) < 10 * RIDGE * target.variance


def test_channels_that_never_fire_leave_everything_finite() -> None:
    painting, features = _features(16, 12, 12, seed=1).float(), _features(16, 12, 12).float()
    painting[:, :8] = 0
    features[:, 4:] = 0
    leaf = features.requires_grad_()
    distance = wasserstein(leaf, Target(moments(painting.double())))
    distance.backward()  # type: ignore[no-untyped-call]
    assert distance.isfinite()
    assert leaf.grad is not None
    assert leaf.grad.isfinite().all()


def test_a_flat_picture_has_finite_distance_and_gradient() -> None:
    for side in (2, 12):
        leaf = torch.zeros(1, 16, side, side, requires_grad=True)
        distance = wasserstein(leaf, Target(moments(_features(16, 12, 12))))
        distance.backward()  # type: ignore[no-untyped-call]
        assert distance.isfinite()
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()


def test_descending_the_gradient_reaches_the_target() -> None:
    target = Target(moments(_features(6, 20, 20, seed=1)), torch.float64)
    leaf = _features(6, 20, 20).requires_grad_()
    first = float(wasserstein(leaf.detach(), target))
    for _ in range(60):
        (gradient,) = torch.autograd.grad(wasserstein(leaf, target), leaf)
        # Along optimal transport each point moves by half its gradient times N.
        leaf = (leaf - 0.25 * 400 * gradient).detach().requires_grad_()
    assert float(wasserstein(leaf.detach(), target)) < 1e-3 * first


def test_a_mixture_is_that_of_the_points_together() -> None:
    ours, theirs = _features(7, 6, 10), _features(7, 6, 20, seed=1)
    together = moments(torch.cat([ours, theirs], dim=3))
    mixture = mixed([moments(ours), moments(theirs)], [10, 20])
    assert torch.allclose(mixture.mean, together.mean)
    assert torch.allclose(mixture.covariance, together.covariance)


def test_a_gram_distance_is_zero_at_the_target_and_one_without_features() -> None:
    features = _features(9, 8, 8)
    wanted = moments(features).second
    assert float(gram(features, wanted)) == pytest.approx(0)
    assert float(gram(torch.zeros_like(features), wanted)) == pytest.approx(1)


def test_moments_know_their_covariance() -> None:
    features = _features(5, 9, 11)
    found: Moments = moments(features)
    expected = torch.cov(features.flatten(2)[0], correction=0)
    assert torch.allclose(found.covariance, expected)
