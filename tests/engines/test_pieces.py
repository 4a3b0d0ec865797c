"""In pieces the same picture is made: tiles see what the whole sees, and pull where it pulls."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from engines import pictures
from engines.engine import Inputs
from engines.registry import KINDS
from engines.state import generator
from engines.style_transfer.engine import StyleTransfer
from engines.style_transfer.kind import StyleTransferParams
from engines.style_transfer.losses import Losses, Objective
from engines.vision import network, tiles
from engines.vision.network import Pooling
from engines.vision.piecewise import Piecewise
from engines.vision.statistics import (
    Gathered,
    Pull,
    Target,
    gram,
    gram_pull,
    moments,
    wasserstein,
    wasserstein_pull,
)
from engines.vision.tensors import as_tensor
from tests.engines import tiny

TAPS = ("1_1", "2_1", "3_1", "4_1", "4_2", "5_1")
CPU = torch.device("cpu")


def picture(name: str, side: int) -> Tensor:
    """One of the samples."""
    return as_tensor(pictures.fit_long_side(pictures.open_rgb(tiny.FILES[name]), side))


@pytest.mark.parametrize(("height", "width"), [(16, 16), (250, 431), (512, 100), (1030, 767)])
def test_cores_cover_every_pixel_once(height: int, width: int) -> None:
    covered = torch.zeros(height, width, dtype=torch.int32)
    for tile in tiles.split(height, width, 128):
        (top, bottom), (left, right) = tile.core
        covered[top:bottom, left:right] += 1
        assert bottom - top <= 128 + tiles.GRID
    assert torch.equal(covered, torch.ones_like(covered))


@pytest.mark.parametrize("pooling", ["blur", "max", "average"])
def test_a_tile_sees_in_its_core_what_the_whole_picture_shows_there(pooling: Pooling) -> None:
    net = network.load("vgg16", tiny.SAMPLES, CPU, pooling, last="5_1")
    seen = picture(tiny.PHOTO, 200)
    whole = net(seen, TAPS)
    for part in Piecewise(net, 128, lambda: None).parts(seen, TAPS):
        there = whole[part.tap][..., part.rows, part.columns]
        assert part.features.shape == there.shape
        assert torch.allclose(part.features, there, atol=1e-4 * float(there.max())), part.tap


def test_pulls_of_gathered_moments_are_the_gradients_of_the_distances() -> None:
    """More points than channels: then nothing is approximated."""
    wanted = torch.rand(1, 6, 9, 9, generator=generator(0, "wanted", 0))
    found = torch.rand(1, 6, 16, 12, generator=generator(0, "found", 0))
    gathered = Gathered()
    gathered.add(found[..., :5])
    gathered.add(found[..., 5:])
    target = moments(wanted.double())
    leaf = found.clone().requires_grad_()
    pairs: list[tuple[Tensor, Pull]] = [
        (
            wasserstein(leaf, Target(target)),
            wasserstein_pull(gathered.moments(), Target(target, torch.float64)),
        ),
        (gram(leaf, target.second.float()), gram_pull(gathered.moments(), target.second)),
    ]
    for distance, pull in pairs:
        (gradient,) = torch.autograd.grad(distance, leaf)
        assert torch.allclose(pull.distance, distance.detach(), rtol=1e-4)
        assert torch.allclose(pull.at(found, gathered.count), gradient, atol=1e-6)


# With fewer points than channels, as here in the deepest layer, only gathered moments get a ridge.
@pytest.mark.parametrize(("statistic", "tolerance"), [("wasserstein", 0.05), ("gram", 1e-3)])
def test_losses_and_gradient_are_those_of_the_whole_picture(
    statistic: str, tolerance: float
) -> None:
    net = network.load("vgg16", tiny.SAMPLES, CPU, last="5_1")
    photo, painting = picture(tiny.PHOTO, 200), picture(tiny.PAINTING, 160)

    def told(pieces: Piecewise | None) -> tuple[Losses, Tensor]:
        objective = Objective(
            net,
            photo,
            [painting],
            [1.0],
            statistic=statistic,
            content_weight=1.0,
            draws=generator(0, "offsets", 0),
            pieces=pieces,
        )
        leaf = (0.5 + 0.4 * photo).requires_grad_()
        losses = objective(leaf, 1)
        return losses, torch.autograd.grad(losses.total, leaf)[0]

    whole, pull = told(None)
    pieces, pull_of_pieces = told(Piecewise(net, 128, lambda: None))
    for name in ("total", "content", "style"):
        ours, theirs = (getattr(of, name).detach() for of in (pieces, whole))
        assert float(ours) == pytest.approx(float(theirs), rel=tolerance), name
    apart = (pull_of_pieces - pull).norm() / pull.norm()
    assert float(apart) < tolerance


def test_a_run_in_pieces_makes_nearly_the_same_picture_and_shows_life_in_every_tile(
    photo: Path, painting: Path
) -> None:
    params = StyleTransferParams(
        content=tiny.PHOTO, styles=[tiny.PAINTING], size=320, start_size=320, iterations=1
    )

    def made(smaller: int) -> tuple[Tensor, int]:
        files = {tiny.PHOTO: photo, tiny.PAINTING: painting}
        engine = StyleTransfer(params, Inputs(files, photo.parent, smaller=smaller), CPU)
        beats = 0

        def pulse() -> None:
            nonlocal beats
            beats += 1

        engine.pulse = pulse
        tiny.run_to(engine, engine.total_steps)
        return engine.state().tensors["average"], beats

    whole, beats = made(0)
    pieces, beats_in_pieces = made(1)
    assert float((whole - pieces).abs().mean()) < 0.01
    assert beats_in_pieces > 2 * beats


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.pieces])
def test_a_kind_with_pieces_takes_them(name: str) -> None:
    engine = tiny.engine(name, smaller=2)
    tiny.run_to(engine, engine.total_steps)
    assert list(engine.outputs())
