"""What the dial from imitation to innovation promises beside the conformance suite."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from engines import state
from engines.engine import Inputs
from engines.gan_training import innovation
from engines.gan_training.engine import GanTraining
from engines.gan_training.evaluation import Point
from engines.gan_training.kind import GanTrainingParams
from engines.gan_training.losses import as_long_as
from engines.state import StateError
from engines.vision import sets
from tests.engines import art, tiny

CPU = torch.device("cpu")
SMALLEST = {"resolution": 32, "width": 4, "batch": 4, "steps": 4, "kid_every": 9, "kid_samples": 8}


@pytest.fixture(autouse=True)
def _measured_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here hangs on how large the measuring network sees pictures; time does."""
    monkeypatch.setattr(sets, "SIDE", 32)


def _engine(**changes: Any) -> GanTraining:
    params = GanTrainingParams.model_validate({"dataset": tiny.SET, **SMALLEST, **changes})
    return GanTraining(params, Inputs({tiny.SET: art.pack(2)}, tiny.SAMPLES), CPU)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 2000])
def test_the_dial_comes_up_after_the_set_was_learned_and_ends_where_it_was_set(steps: int) -> None:
    shares = [innovation.risen(step, steps) for step in range(steps)]
    assert all(low <= high for low, high in itertools.pairwise(shares))
    assert not any(shares[: min(int(innovation.LEARNED * steps), steps - 1)])
    assert shares[-1] == 1


def test_while_the_dial_is_down_its_place_changes_nothing() -> None:
    low, high = _engine(innovation=0.5), _engine(innovation=2.0)
    for engine in (low, high):
        tiny.run_to(engine, 2)
    ours, theirs = low.state().tensors, high.state().tensors
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    for engine in (low, high):
        tiny.run_to(engine, 4)
    ours, theirs = low.pair.weights(), high.pair.weights()
    assert not all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_blend_is_of_each_style_by_its_area() -> None:
    labels = torch.tensor([0, 1, 2, 2])
    plain = labels[:, None, None, None].float().expand(4, 3, 16, 16)
    box = innovation.boxes(4, 16, 1.0, state.generator(0, "boxes", 0))
    own = torch.nn.functional.one_hot(labels, 3).float()
    found, styles = innovation.blended(plain, own, box)
    assert not torch.equal(found, plain)
    for style in range(3):
        torch.testing.assert_close(styles[:, style], (found == style).float().mean((1, 2, 3)))


def test_so_many_pictures_are_blended_as_the_dial_says() -> None:
    draws = state.generator(0, "boxes", 0)
    for dial, *due in ((0.0, 0.0, 0.0), (1.0, 1 / 2, 1 / 4), (2.0, 1.0, 1.0)):
        for share, expected in zip(innovation.shares(dial), due, strict=True):
            box = innovation.boxes(4000, 32, share, draws)
            assert box.min() >= 0
            assert box.max() <= 32
            blended = (box[:, 1] > box[:, 0]) & (box[:, 3] > box[:, 2])
            assert float(blended.float().mean()) == pytest.approx(expected, abs=0.04)


def test_a_wish_is_as_long_as_the_verdicts_gradient_for_every_picture() -> None:
    wished, verdict = torch.randn(2, 5, 3, 8, 8)
    wished[1:3] *= torch.tensor([1e6, 1e-6])[:, None, None, None]
    wished[4] = 0
    found = as_long_as(wished, verdict).flatten(1)
    torch.testing.assert_close(found.norm(dim=1)[:4], verdict.flatten(1).norm(dim=1)[:4])
    assert not found[4].any()
    along = torch.nn.functional.cosine_similarity(found[:4], wished.flatten(1)[:4])
    torch.testing.assert_close(along, torch.ones(4))


def test_a_model_that_only_imitates_yet_is_never_the_best_of_a_run_that_shall_not() -> None:
    engine = _engine(innovation=1.0, kid_every=2)
    tiny.run_to(engine, 2)
    assert engine.score is None
    engine.evaluation.best = Point(2, -9.0, -9.0, -9.0)
    tiny.run_to(engine, 4)
    assert engine.evaluation.best is not None
    assert engine.evaluation.best.step == 4
    assert engine.score == -engine.evaluation.curve[-1].value


def test_a_state_of_another_dial_is_refused_by_its_field(tmp_path: Path) -> None:
    for dial in (0.0, 1.0):
        engine = _engine(innovation=dial)
        tiny.run_to(engine, 1)
        old = engine.state()
        old.facts.pop("innovation")
        state.save(old, tmp_path / "state")
        fresh = _engine(innovation=dial)
        if dial:
            with pytest.raises(StateError, match="innovation"):
                fresh.load_state(state.load(tmp_path / "state"))
        else:
            fresh.load_state(state.load(tmp_path / "state"))
