"""Feature networks, their weights, pyramids and averages."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from engines import pictures
from engines.vision import network, pyramid, weights
from engines.vision.averaging import Average
from engines.vision.nearness import Measure
from engines.vision.tensors import as_picture, as_tensor
from engines.vision.weights import WeightsError
from tests.engines.tiny import FILES, PAINTING, PHOTO, SAMPLES

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def vgg16() -> network.FeatureNetwork:
    return network.load("vgg16", SAMPLES, CPU)


def _photo(size: int) -> torch.Tensor:
    return as_tensor(pictures.fit_long_side(pictures.open_rgb(FILES[PHOTO]), size))


def test_the_packaged_network_is_found_whole_without_importing_its_package() -> None:
    program = (
        "import sys; from pathlib import Path; from engines.vision import weights;"
        "found = weights.find('vgg16', Path('nowhere')); assert found; weights.verify(found);"
        "assert not {'torch', 'stlpips_pytorch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_each_block_halves_the_picture_and_nothing_fires_below_zero(
    vgg16: network.FeatureNetwork,
) -> None:
    found = vgg16(_photo(90), ("1_1", "2_1", "3_3", "5_3"))
    shapes = {tap: tuple(features.shape[1:]) for tap, features in found.items()}
    assert shapes == {
        "1_1": (64, 60, 90),
        "2_1": (128, 30, 45),
        "3_3": (256, 15, 22),
        "5_3": (512, 3, 5),
    }
    assert all(features.min() >= 0 for features in found.values())


def test_the_network_is_frozen_and_gradients_reach_the_picture(
    vgg16: network.FeatureNetwork,
) -> None:
    leaf = _photo(48).requires_grad_()
    vgg16(leaf, ("3_1",))["3_1"].sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in vgg16.parameters())


def test_a_flat_picture_has_no_halo_at_its_rim(vgg16: network.FeatureNetwork) -> None:
    for tap, features in vgg16(torch.full((1, 3, 64, 64), 0.5), ("1_1", "3_1", "5_1")).items():
        middle = features.shape[-1] // 2
        assert torch.allclose(
            features[..., 0, 0], features[..., middle, middle], atol=1e-3, rtol=1e-3
        ), tap


def test_the_packaged_network_agrees_with_its_kernels_applied_by_hand(
    vgg16: network.FeatureNetwork,
) -> None:
    path = weights.find("vgg16", SAMPLES)
    assert path is not None
    stored = torch.load(path, weights_only=True, map_location="cpu")
    picture = _photo(40)
    normal = (picture - vgg16.mean) / vgg16.deviation
    padded = nn.functional.pad(normal, (1, 1, 1, 1), mode="replicate")
    kernel, bias = stored["net.slice1.0.weight"], stored["net.slice1.0.bias"]
    first = nn.functional.conv2d(padded, kernel, bias).relu()
    assert torch.allclose(vgg16(picture, ("1_1",))["1_1"], first, atol=1e-5)


def test_pooling_has_the_values_and_gradients_of_a_maximum_and_a_blur() -> None:
    leaf = torch.randn(1, 4, 9, 12).contiguous(memory_format=torch.channels_last).requires_grad_()
    line = torch.tensor([0.25, 0.5, 0.25])
    kernel = torch.outer(line, line).expand(4, 1, 3, 3)
    padded = nn.functional.pad(nn.functional.max_pool2d(leaf, 2, 1), (1, 1, 1, 1), "replicate")
    expected = nn.functional.conv2d(padded, kernel, stride=2, groups=4)
    found = network.BlurPool(4)(leaf)
    assert torch.allclose(found, expected, atol=1e-6)
    above = torch.randn_like(expected)
    ours, theirs = (torch.autograd.grad(out, leaf, above)[0] for out in (found, expected))
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_layer_that_does_not_exist_is_named(vgg16: network.FeatureNetwork) -> None:
    with pytest.raises(KeyError, match="5_4"):
        vgg16(_photo(32), ("5_4",))


def test_vgg19_in_torchvisions_format_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fake_vgg19(tmp_path)
    with pytest.raises(WeightsError, match="sha256"):
        network.load("vgg19", tmp_path, CPU)
    known = replace(weights.KNOWN["vgg19"], sha256_prefix="")
    monkeypatch.setitem(weights.KNOWN, "vgg19", known)
    found = network.load("vgg19", tmp_path, CPU, last="5_1")
    assert found.sha256 == weights.verify(path)
    assert list(found.stages)[-1] == "5_1"
    assert found(_photo(32), ("5_1",))["5_1"].shape == (1, 512, 1, 2)


def fake_vgg19(folder: Path) -> Path:
    """Weights named and shaped as torchvision's, up to relu5_1, with values of no meaning."""
    stored, position, channels = {}, 0, 3
    for width, count in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 1)):
        for _ in range(count):
            kernel = torch.randn(width, channels, 3, 3) * (2 / (9 * channels)) ** 0.5
            stored[f"features.{position}.weight"] = kernel
            stored[f"features.{position}.bias"] = torch.zeros(width)
            position, channels = position + 2, width
        position += 1
    stored["classifier.0.weight"] = torch.zeros(4, 4)
    path = folder / weights.KNOWN["vgg19"].file
    torch.save(stored, path)
    return path


def test_a_file_of_weights_that_is_none_is_a_weights_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(weights.KNOWN, "vgg19", replace(weights.KNOWN["vgg19"], sha256_prefix=""))
    (tmp_path / weights.KNOWN["vgg19"].file).write_bytes(b"no weights")
    with pytest.raises(WeightsError):
        network.load("vgg19", tmp_path, CPU)


def test_missing_weights_are_a_weights_error_that_says_where_they_come_from(
    tmp_path: Path,
) -> None:
    with pytest.raises(WeightsError, match=r"download\.pytorch\.org"):
        network.load("vgg19", tmp_path, CPU)


@pytest.mark.parametrize("size", [(64, 64), (37, 91), (5, 3), (1, 40)])
def test_a_pyramid_joins_to_the_picture_it_was_split_from(size: tuple[int, int]) -> None:
    picture = torch.rand(1, 3, *size)
    assert torch.allclose(pyramid.join(pyramid.split(picture, 5)), picture, atol=1e-6)


def test_an_average_of_one_value_is_that_value_from_the_start() -> None:
    average = Average(torch.zeros(3), 0.9)
    for _ in range(4):
        average.update(torch.tensor([1.0, 2.0, 3.0]))
        assert torch.allclose(average.value, torch.tensor([1.0, 2.0, 3.0]))


def test_pictures_become_tensors_and_come_back_unchanged() -> None:
    picture = pictures.open_rgb(FILES[PHOTO])
    assert as_picture(as_tensor(picture)).tobytes() == picture.tobytes()


def test_nearness_is_zero_for_the_painting_and_structure_one_for_the_photo() -> None:
    photo, painting = (Image.open(FILES[name]).convert("RGB") for name in (PHOTO, PAINTING))
    measure = Measure()
    same, far = measure(painting, photo, painting), measure(photo, photo, painting)
    assert same.style < 0.1
    assert far.style > 1.5
    assert far.structure == pytest.approx(1)
    assert same.structure < 0.5
