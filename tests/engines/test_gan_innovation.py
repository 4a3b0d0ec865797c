"""What the dial from imitation to innovation promises beside the conformance suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engines import state
from engines.gan_training import mixtures
from engines.gan_training.losses import as_long_as
from engines.gan_training.model_file import load_model
from engines.gan_training.networks import build_generator, load_into, set_dial
from engines.state import StateError
from tests.engines import tiny
from tests.engines.trainings import training

pytestmark = pytest.mark.usefixtures("measured_small")

LATENT, KNOWN = 64, 7


def _drawn(n: int, dial: float, boldness: float = 1.0) -> torch.Tensor:
    """Mixtures of as many pictures of the last style."""
    z = torch.randn(n, LATENT, generator=state.generator(0, "z", 0)) * boldness
    labels = torch.full((n,), KNOWN - 1)
    return mixtures.mixture(z, labels, mixtures.tastes(LATENT, KNOWN), dial)


@pytest.mark.parametrize("dial", [0.001, 0.5, 1.0, 2.0, 4.0, 7.0, 10.0])
def test_the_others_weigh_half_the_dial_and_none_more_than_the_own_style(dial: float) -> None:
    found = _drawn(50, dial)
    own = 1 / (1 + min(dial / 2, KNOWN - 1))
    torch.testing.assert_close(found.sum(1), torch.ones(50))
    torch.testing.assert_close(found[:, -1], torch.full((50,), own))
    assert (found >= 0).all()
    assert (found <= own + 1e-6).all()


def test_with_the_dial_at_its_end_no_style_weighs_more_than_another() -> None:
    z, few = torch.randn(5, LATENT), mixtures.tastes(LATENT, 3)
    found = mixtures.mixture(z, torch.tensor([0, 1, 2, 0, 1]), few, 10.0)
    torch.testing.assert_close(found, torch.full((5, 3), 1 / 3))


def test_every_other_style_is_to_somebodys_taste() -> None:
    liked = _drawn(200, 2.0)[:, :-1].argmax(1)
    assert liked.bincount(minlength=KNOWN - 1).min() > 10


def test_a_mixture_changes_no_faster_than_the_latent_vector_so_that_films_do_not_jump() -> None:
    ends = torch.randn(2, LATENT, generator=state.generator(0, "ends", 0))
    along = torch.linspace(0, 1, 2001)[:, None]
    way = ends[0] * (along * np.pi / 2).cos() + ends[1] * (along * np.pi / 2).sin()
    found = mixtures.mixture(way, torch.zeros(2001).long(), mixtures.tastes(LATENT, KNOWN), 1.0)
    assert found[0].sub(found[-1]).abs().max() > 0.1
    assert found.diff(dim=0).abs().max() < 0.01


def test_boldness_leaves_the_mixture_as_it_is() -> None:
    torch.testing.assert_close(_drawn(20, 1.0), _drawn(20, 1.0, boldness=0.3))


def test_the_dial_changes_what_is_drawn_and_nothing_of_what_is_learned() -> None:
    plain, turned = (
        training(innovation=dial, conditional=True, variety=1.0) for dial in (0.0, 2.0)
    )
    for engine in (plain, turned):
        tiny.run_to(engine, 3)
    ours, theirs = plain.pair.weights(), turned.pair.weights()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert plain.preview().tobytes() != turned.preview().tobytes()
    assert plain.evaluation.curve != turned.evaluation.curve


def test_a_model_draws_as_the_training_showed_it_until_another_dial_is_asked_for(
    tmp_path: Path,
) -> None:
    engine = training(innovation=2.0)
    tiny.run_to(engine, 3)
    for output in engine.outputs():
        if output.name == "model.safetensors":
            output.content.rename(tmp_path / "m")  # type: ignore[union-attr]
    model = load_model(tmp_path / "m")
    assert model.config.innovation == 2
    maker = build_generator(model.config).eval()
    load_into(maker, model.generator, "generator")
    z, labels = torch.randn(4, model.config.latent), torch.arange(4)
    with torch.no_grad():
        mixed = maker(z, labels)
        shown = engine.pair.average(z, labels)
        set_dial(maker, 0.0)
        alone = maker(z, labels)
    assert torch.equal(mixed, shown)
    assert not torch.isclose(mixed, alone).all()


def test_a_wish_is_as_long_as_the_verdicts_gradient_for_every_picture() -> None:
    wished, verdict = torch.randn(2, 5, 3, 8, 8)
    wished[1:3] *= torch.tensor([1e6, 1e-6])[:, None, None, None]
    wished[4] = 0
    found = as_long_as(wished, verdict).flatten(1)
    torch.testing.assert_close(found.norm(dim=1)[:4], verdict.flatten(1).norm(dim=1)[:4])
    assert not found[4].any()
    along = torch.nn.functional.cosine_similarity(found[:4], wished.flatten(1)[:4])
    torch.testing.assert_close(along, torch.ones(4))


@pytest.mark.parametrize("dial", [0.0, 1.0])
def test_a_state_of_another_dial_is_refused_by_its_field(dial: float, tmp_path: Path) -> None:
    engine = training(innovation=dial)
    tiny.run_to(engine, 1)
    old = engine.state()
    old.facts.pop("innovation")
    state.save(old, tmp_path / "state")
    fresh = training(innovation=dial)
    if dial:
        with pytest.raises(StateError, match="innovation"):
            fresh.load_state(state.load(tmp_path / "state"))
    else:
        fresh.load_state(state.load(tmp_path / "state"))


def test_a_state_of_a_version_that_told_more_goes_on_with_the_figures_that_are_told_still(
    tmp_path: Path,
) -> None:
    engine = training()
    tiny.run_to(engine, 2)
    old: Any = engine.state()
    rows, at = old.tensors["history"], 8  # behind "redrawing"
    old.tensors["history"] = torch.cat([rows[:, :at], rows[:, :1] + 0.5, rows[:, at:]], 1)
    old.facts["history"] = {"sums": [0.0] * 10, "count": 0}
    old.facts["read"].insert(at - 1, 0.5)
    state.save(old, tmp_path / "state")
    fresh = training()
    fresh.load_state(state.load(tmp_path / "state"))
    assert torch.equal(fresh.state().tensors["history"], rows)
    assert fresh._read == engine._read
