"""The networks and their file: shapes, determinism, refusal of what is damaged or foreign."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from engines import state
from engines.gan_training import matrices
from engines.gan_training.config import (
    ARCHITECTURES,
    Architecture,
    ModelConfig,
    ModelError,
    read_config,
)
from engines.gan_training.layers import (
    Convolution,
    Gate,
    GrownConvolution,
    SpectralConvolution,
)
from engines.gan_training.model_file import load_model, save_model
from engines.gan_training.networks import (
    build_discriminator,
    build_generator,
    draw_weights,
    load_into,
)

PLAIN = ModelConfig("dcgan", 32, 16, 8)
STYLED = replace(PLAIN, labels=("dots", "ink", "waves"), conditional=True)


def _filled(config: ModelConfig, seed: int = 0) -> tuple[torch.nn.Module, torch.nn.Module]:
    networks = build_generator(config), build_discriminator(config)
    for network in networks:
        draw_weights(network, state.generator(seed, "weights", 0))
    return networks


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("resolution", [32, 64, 512])
def test_pictures_have_the_resolution_and_each_gets_one_verdict(
    architecture: Architecture, resolution: int
) -> None:
    config = replace(PLAIN, architecture=architecture, resolution=resolution, width=4)
    maker, judge = _filled(config)
    with torch.no_grad():
        made = maker(torch.randn(2, 16))
        said = judge(made)
    assert made.shape == (2, 3, resolution, resolution)
    assert made.abs().max() <= 1
    assert said.verdict.shape == (2,)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_labels_steer_both_networks(architecture: Architecture) -> None:
    maker, judge = _filled(replace(STYLED, architecture=architecture))
    z, labels = torch.randn(3, 16), torch.tensor([0, 1, 2])
    with torch.no_grad():
        made, other = maker(z, labels), maker(z, labels.flip(0))
        said, otherwise = judge(made, labels), judge(made, labels.flip(0))
    assert not torch.equal(made, other)
    assert not torch.equal(said.verdict, otherwise.verdict)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_each_picture_is_judged_by_itself(architecture: Architecture) -> None:
    _, judge = _filled(replace(PLAIN, architecture=architecture))
    judge.eval()
    pictures = torch.rand(4, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        together = judge(pictures).verdict
        alone = torch.cat([judge(picture[None]).verdict for picture in pictures])
    torch.testing.assert_close(together, alone)


def test_enlarging_and_convolving_at_once_is_the_same_function() -> None:
    layer = GrownConvolution(5, 7)
    draw_weights(layer, state.generator(0, "weights", 0))
    features = torch.randn(2, 5, 6, 6)
    enlarged = functional.interpolate(features, scale_factor=2, mode="nearest")
    torch.testing.assert_close(
        layer(features), functional.conv2d(enlarged, layer.weight, padding=1)
    )


SMALL_MAPS = {
    "halved": (Convolution(256, 5, 4, 2, 1), 8),
    "same": (Convolution(256, 5, 3, 1, 1), 4),
    "one": (Convolution(256, 1, 4), 4),
    "grown": (GrownConvolution(256, 5), 4),
    "grown with bias": (GrownConvolution(256, 3, bias=True), 4),
}


@pytest.mark.parametrize(("layer", "side"), SMALL_MAPS.values(), ids=[*SMALL_MAPS])
def test_small_maps_give_the_same_as_matrices_up_to_the_gradient_of_a_gradient(
    layer: torch.nn.Module, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the penalty on the judge's gradient needs it."""
    layer = layer.double().to(memory_format=torch.channels_last)
    draw_weights(layer, state.generator(0, "weights", 0))
    features = torch.randn(2, 256, side, side, generator=state.generator(0, "features", 0))
    features = features.double().to(memory_format=torch.channels_last).requires_grad_()

    def outcome() -> tuple[torch.Tensor, ...]:
        made = layer(features)
        (slope,) = torch.autograd.grad(made.square().sum(), features, create_graph=True)
        return made, slope, *torch.autograd.grad(slope.square().sum(), [*layer.parameters()])

    assert matrices.pays(features, 4)
    by_product = outcome()
    monkeypatch.setattr(matrices, "SMALL", 0)
    by_library = outcome()
    torch.testing.assert_close(by_product, by_library)


@pytest.mark.parametrize(
    ("layer", "channels"),
    [(Convolution(3, 5, 4, 2, 1), 3), (GrownConvolution(6, 3, bias=True), 6)],
    ids=["taken", "made"],
)
def test_pictures_taken_and_made_by_fours_are_the_same_up_to_the_gradient_of_a_gradient(
    layer: Convolution | GrownConvolution, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = layer.double().to(memory_format=torch.channels_last)
    draw_weights(layer, state.generator(0, "weights", 0))
    assert layer.bias is not None
    layer.bias.data.fill_(0.5)
    pictures = torch.rand(2, channels, 8, 8, generator=state.generator(0, "pictures", 0)).double()

    def outcome() -> tuple[torch.Tensor, ...]:
        seen = pictures.clone().requires_grad_()
        made = layer(seen)
        (slope,) = torch.autograd.grad(made.square().sum(), seen, create_graph=True)
        return made, slope, *torch.autograd.grad(slope.square().sum(), [*layer.parameters()])

    assert matrices.few(pictures, 3)
    by_fours = outcome()
    monkeypatch.setattr(matrices, "FEW", 0)
    torch.testing.assert_close(by_fours, outcome())


def test_a_gate_is_pytorchs_own_and_its_gradient_lies_as_the_maps_do() -> None:
    drawn = torch.randn(2, 6, 4, 4, generator=state.generator(0, "features", 0)).double()
    features = drawn.to(memory_format=torch.channels_last).requires_grad_()

    def outcome(gate: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
        made = gate(features)
        (slope,) = torch.autograd.grad(made.pow(3).sum(), features)
        return made, slope

    ours = outcome(Gate())
    torch.testing.assert_close(ours, outcome(torch.nn.GLU(dim=1)))
    assert all(each.is_contiguous(memory_format=torch.channels_last) for each in ours)


def test_a_new_kernel_is_divided_by_what_is_nearly_its_largest_singular_value() -> None:
    layer = SpectralConvolution(16, 24, 3, 1, 1)
    draw_weights(layer, state.generator(0, "weights", 0))
    wanted = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)
    assert torch.isclose(layer._scale(), wanted, rtol=0.03)


def test_first_weights_follow_from_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = _filled(STYLED)[0].state_dict()
    torch.manual_seed(2)
    again, other = _filled(STYLED)[0].state_dict(), _filled(STYLED, seed=1)[0].state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_model_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "model"
    config = replace(STYLED, origin={"steps": 7})
    maker, judge = _filled(config)
    save_model(path, config, maker.state_dict(), judge.state_dict())
    loaded = load_model(path)
    assert loaded.config == read_config(path) == config
    assert loaded.discriminator is not None
    for network, weights in ((maker, loaded.generator), (judge, loaded.discriminator)):
        assert all(torch.equal(weights[name], v) for name, v in network.state_dict().items())
    save_model(path, config, maker.state_dict(), None)
    assert load_model(path).discriminator is None


def test_damaged_and_foreign_files_are_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "model"
    maker, _ = _filled(PLAIN)
    save_model(path, PLAIN, maker.state_dict(), None)
    whole = path.read_bytes()
    for content in (b"", b"no model", whole[:-50], whole[:5]):
        path.write_bytes(content)
        with pytest.raises(ModelError):
            load_model(path)
    state.save(state.State(0, {"x": torch.ones(1)}, {}), path)
    for read in (load_model, read_config):
        with pytest.raises(ModelError, match="no model file"):
            read(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("architecture", "other"),
        ("resolution", 1 << 20),
        ("resolution", 48),
        ("latent", 10**9),
        ("width", -1),
        ("width", "8"),
        ("labels", [1]),
        ("styles", True),
        ("innovation", 1.0),
        ("innovation", -1),
        ("innovation", "much"),
    ],
)
def test_a_description_that_cannot_be_built_is_refused(
    field: str, value: object, tmp_path: Path
) -> None:
    path = tmp_path / "model"
    bent = json.loads(PLAIN.to_json()) | {field: value}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ModelConfig, "to_json", lambda _self: json.dumps(bent))
        save_model(path, PLAIN, _filled(PLAIN)[0].state_dict(), None)
    with pytest.raises(ModelError, match=field if field != "styles" else "labels"):
        load_model(path)


def test_weights_of_another_shape_or_not_finite_are_refused_by_name() -> None:
    weights = _filled(PLAIN)[0].state_dict()
    with pytest.raises(ModelError, match=r"begin\.weight"):
        load_into(build_generator(replace(PLAIN, latent=17)), weights, "generator")
    weights["begin.weight"][0, 0] = torch.nan
    with pytest.raises(ModelError, match="not finite"):
        load_into(build_generator(PLAIN), weights, "generator")
    weights["begin.weight"][0, 0] = 0.0
    weights["layers.0.running_var"][1] = -1e-3
    with pytest.raises(ModelError, match=r"negative variance at layers\.0\.running_var"):
        load_into(build_generator(PLAIN), weights, "generator")
