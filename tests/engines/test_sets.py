"""Measures between sets of pictures, against their definitions and on real paintings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from engines import pictures
from engines.vision import looking, sets
from engines.vision.network import FeatureNetwork
from tests.engines.tiny import FILES, OTHER, PAINTING, PHOTO, SAMPLES


@pytest.fixture(scope="module")
def network() -> FeatureNetwork:
    return sets.load_network(SAMPLES, torch.device("cpu"))


def _crops(painting: str, count: int, seed: int) -> np.ndarray:
    """(count, 64, 64, 3) bytes from random places of a painting."""
    whole = np.array(pictures.fit_long_side(pictures.open_rgb(FILES[painting]), 320))
    draws = np.random.default_rng(seed)
    height, width = whole.shape[:2]
    places = draws.integers(0, (height - 64, width - 64), (count, 2))
    return np.stack([whole[y : y + 64, x : x + 64] for y, x in places])


@pytest.fixture(scope="module")
def painting(network: FeatureNetwork) -> Tensor:
    """24 points of crops of a painting."""
    return sets.embed(network, _crops(PAINTING, 24, seed=0))


def _cloud(count: int, seed: int, shift: float = 0.0) -> Tensor:
    draws = torch.Generator().manual_seed(seed)
    return torch.randn(count, 16, generator=draws) + shift


def test_bytes_and_floats_of_the_same_pictures_give_the_same_points(
    network: FeatureNetwork, painting: Tensor
) -> None:
    crops = _crops(PAINTING, 5, seed=0)
    floats = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    assert torch.equal(sets.embed(network, floats), found := sets.embed(network, crops))
    assert torch.allclose(found, painting[:5], atol=1e-4)
    assert painting.dtype == torch.float32


def test_a_mapped_file_is_read_by_batch_with_a_sign_of_life_each(
    network: FeatureNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "BATCH", 3)
    np.save(tmp_path / "crops.npy", _crops(PAINTING, 5, seed=0))
    pulses: list[None] = []
    mapped = np.load(tmp_path / "crops.npy", mmap_mode="r")
    found = sets.embed(network, mapped, lambda: pulses.append(None))
    assert len(found) == 5
    assert len(pulses) == 2


def test_pictures_are_made_small_without_aliasing(network: FeatureNetwork) -> None:
    checks = torch.zeros(1, 3, 256, 256)
    checks[..., ::2, 1::2] = checks[..., 1::2, ::2] = 1.0
    grey = torch.full((1, 3, 64, 64), 0.5)
    assert torch.allclose(sets.embed(network, checks), sets.embed(network, grey), atol=0.5)
    point = sets.embed(network, grey)
    assert float(point.square().mean()) <= 1 + 1e-4


def test_no_picture_at_all_is_said(network: FeatureNetwork) -> None:
    with pytest.raises(ValueError, match="no picture"):
        sets.embed(network, torch.empty(0, 3, 64, 64))


def _discrepancy_by_hand(real: Tensor, made: Tensor) -> float:
    """The definition, pair by pair."""

    def mean(first: Tensor, second: Tensor, same: bool) -> float:
        pairs = [
            (float(x.double() @ y.double()) / 16 + 1) ** 3
            for i, x in enumerate(first)
            for j, y in enumerate(second)
            if not (same and i == j)
        ]
        return sum(pairs) / len(pairs)

    return mean(real, real, True) + mean(made, made, True) - 2 * mean(real, made, False)


def test_the_kernel_distance_is_its_definition_and_lies_in_its_interval() -> None:
    real, made = _cloud(9, 0), _cloud(7, 1, shift=0.5)
    found = sets.kid(real, made, seed=0)
    assert found.value == pytest.approx(_discrepancy_by_hand(real, made), rel=1e-9)
    assert found.low < found.value < found.high


def test_two_samples_of_one_distribution_have_an_interval_around_zero() -> None:
    holds = []
    for seed in range(40):
        found = sets.kid(_cloud(60, 2 * seed), _cloud(60, 2 * seed + 1), seed)
        holds.append(found.low <= 0 <= found.high)
    assert sum(holds) >= 36  # 95 % of 40 are 38
    apart = sets.kid(_cloud(60, 0), _cloud(60, 1, shift=0.5), seed=0)
    assert apart.low > 0


def test_the_interval_is_as_wide_as_the_estimate_varies() -> None:
    found = [sets.kid(_cloud(80, 2 * s), _cloud(80, 2 * s + 1, shift=0.7), s) for s in range(40)]
    varies = float(torch.tensor([one.value for one in found]).std())
    said = float(torch.tensor([(one.high - one.low) / 3.92 for one in found]).mean())
    assert said == pytest.approx(varies, rel=0.35)


def test_a_seed_gives_the_same_interval_and_another_seed_another() -> None:
    real, made = _cloud(40, 0), _cloud(40, 1)
    assert sets.kid(real, made, seed=3) == sets.kid(real, made, seed=3)
    assert sets.kid(real, made, seed=3) != sets.kid(real, made, seed=4)


def test_the_kernel_distance_grows_with_corruption(
    network: FeatureNetwork, painting: Tensor
) -> None:
    fresh = torch.from_numpy(_crops(PAINTING, 24, seed=1)).permute(0, 3, 1, 2).float() / 255
    noise = torch.randn(fresh.shape, generator=torch.Generator().manual_seed(0))
    noisy = [(fresh + amount * noise).clamp(0, 1) for amount in (0.1, 0.4)]
    blurred = [functional.avg_pool2d(fresh, size, 1, size // 2) for size in (5, 15)]
    own = sets.kid(painting, sets.embed(network, fresh), seed=0)
    for series in (noisy, blurred):
        found = [sets.kid(painting, sets.embed(network, made), seed=0) for made in series]
        values = [own.value, *(one.value for one in found)]
        assert values == sorted(values)
        assert found[-1].low > own.high


def test_too_few_pictures_are_said_with_their_number() -> None:
    with pytest.raises(ValueError, match="3"):
        sets.kid(_cloud(9, 0), _cloud(3, 1), seed=0)
    with pytest.raises(ValueError, match="3"):
        sets.precision_recall(_cloud(9, 0), _cloud(3, 1))


def test_precision_falls_outside_the_set_and_recall_falls_with_variety() -> None:
    real = _cloud(200, 0)
    same = sets.precision_recall(real, _cloud(200, 1))
    assert min(same) > 0.7
    assert sets.precision_recall(real, _cloud(200, 1, shift=9)) == (0, 0)
    narrow = sets.precision_recall(real, 0.2 * _cloud(200, 1))
    assert narrow.precision > 0.9
    assert narrow.recall < 0.1


def test_precision_by_hand_on_a_line() -> None:
    real = torch.tensor([[0.0], [1.0], [3.0]])
    made = torch.tensor([[1.5], [-1.5], [100.0]])
    # first neighbours: balls of radius 1, 1 and 2 around 0, 1 and 3; of 3, 3 and 98.5
    found = sets.precision_recall(real, made, k=1)
    assert found.precision == pytest.approx(1 / 3)
    assert found.recall == 1.0


def test_the_nearest_is_found_across_blocks_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "ROWS", 7)
    made, real = _cloud(30, 0), _cloud(50, 1)
    distances, indices = sets.nearest(made, real)
    expected = torch.cdist(made.double(), real.double()).min(1)
    assert torch.equal(indices, expected.indices)
    assert torch.allclose(distances, expected.values)
    assert sets.memorised(real[:20], real).share == 1.0
    assert sets.diversity(made) == pytest.approx(float(torch.pdist(made).mean()), rel=1e-6)


def test_soft_and_noisy_copies_are_flagged_and_new_crops_are_not(network: FeatureNetwork) -> None:
    def points(made: np.ndarray | Tensor) -> Tensor:
        return sets.embed(network, made, side=looking.COPY_SIDE)

    crops = np.concatenate([_crops(PAINTING, 16, seed=0), _crops(OTHER, 16, seed=0)])
    some = torch.from_numpy(crops[:6]).permute(0, 3, 1, 2).float() / 255
    noise = torch.randn(some.shape, generator=torch.Generator().manual_seed(0))
    soft = functional.interpolate(some, 52, mode="bilinear", antialias=True)
    copies = torch.cat([points((some + 0.02 * noise).clamp(0, 1)), points(soft)])
    new = points(_crops(PHOTO, 12, seed=0))
    found = sets.memorised(torch.cat([copies, new]), points(crops))
    assert found.flagged.tolist() == [True] * 12 + [False] * len(new)
    assert found.nearest[:12].tolist() == list(range(6)) * 2
    assert found.share == pytest.approx(12 / (12 + len(new)))


def test_a_training_picture_that_stands_twice_does_not_hide_its_copies() -> None:
    real = _cloud(30, 0)
    twice = torch.cat([real, real[:3] + 1e-4])
    found = sets.memorised(real[:3] + 0.01, twice)
    assert found.flagged.all()
    assert not sets.memorised(_cloud(30, 1), twice).flagged.any()
    assert sets.memorised(real[:1], torch.cat([real[:1]] * 3)).ratios.isfinite().all()


@pytest.mark.parametrize("share", [0.4, 0.7, 1.0])
def test_copies_are_seen_where_many_training_pictures_have_a_twin(share: float) -> None:
    """A folder with each picture in two sizes: the nearest other is then the same picture."""
    real = _cloud(60, 0)
    twins = real[: int(share * 60)] + 0.01 * _cloud(60, 2)[: int(share * 60)]
    both = torch.cat([real, twins])
    assert sets.memorised(real[:20] + 0.05 * _cloud(20, 3), both).share == 1.0
    assert sets.memorised(_cloud(30, 1), both).share == 0.0


def test_copies_of_a_set_that_is_one_picture_again_and_again_are_copies() -> None:
    one = _cloud(1, 0).repeat(20, 1)
    assert sets.memorised(one + 1e-5 * _cloud(20, 1), one).share == 1.0
    assert sets.memorised(_cloud(20, 2), one).share == 0.0


def test_collapsed_samples_have_no_diversity(network: FeatureNetwork, painting: Tensor) -> None:
    one = torch.from_numpy(_crops(PAINTING, 1, seed=0)).permute(0, 3, 1, 2).float() / 255
    collapsed = sets.embed(network, one.repeat(8, 1, 1, 1))
    assert sets.diversity(collapsed) < 0.01 * sets.diversity(painting)
