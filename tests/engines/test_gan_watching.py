"""What a training says of itself: rollbacks, warnings, history, measures and their reports."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engines import state
from engines.datasets.prepared import prepared
from engines.engine import InputError, Inputs
from engines.gan_training import evaluation, misfits, samples
from engines.gan_training.config import ModelConfig
from engines.gan_training.engine import READ_EVERY, GanTraining
from engines.gan_training.evaluation import (
    NO_NEARER,
    NO_NEARER_THAN_NOISE,
    PATIENCE,
    Evaluation,
)
from engines.gan_training.guard import (
    ADVICE,
    ALIKE,
    BY_HEART,
    SURE,
    TOO_ALIKE,
    WARM,
    Guard,
    spread,
)
from engines.gan_training.history import POINTS, History
from engines.gan_training.kind import GanTrainingParams
from engines.gan_training.losses import loss_of
from engines.gan_training.model_file import load_model, save_model
from engines.gan_training.samples import in_turn
from engines.state import StateError
from tests.engines import art, tiny
from tests.engines.trainings import CPU, MODEL, params_with, training
from webui.texts import catalogue

SAID = (TOO_ALIKE, BY_HEART, ADVICE, NO_NEARER, NO_NEARER_THAN_NOISE)
SAID_OF_MISFITS = [
    *chain(*misfits.SHAPE.values()),
    *(*misfits.NO_STYLES, misfits.LABEL_OR_NOT, misfits.LABEL_OR_ANOTHER),
    *(*misfits.LEARNED_NONE, *misfits.LEARNED_SOME),
]

pytestmark = pytest.mark.usefixtures("measured_small")


def test_a_judge_that_is_sure_of_real_pictures_is_so_whichever_target_is_the_higher() -> None:
    for a, b in ((0.0, 1.0), (1.0, -1.0)):
        loss = loss_of(params_with(target_fake=a, target_real=b))
        assert loss.signs(torch.tensor([b, a])).tolist() == [1.0, -1.0]


@pytest.mark.parametrize("said", [*SAID, *SAID_OF_MISFITS])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_advice_names_parameters_as_the_page_does(said: str, language: str) -> None:
    gettext = catalogue(language).gettext
    titles = {str(each.title) for each in GanTrainingParams.model_fields.values()}
    named = re.findall(r"'([A-Z][^']*)'", said)
    assert set(named) <= titles
    assert all(gettext(name) in gettext(said) for name in named)


def test_the_notice_of_samples_that_grow_alike_names_what_parts_them() -> None:
    assert re.findall(r"'([A-Z][^']*)'", TOO_ALIKE)[0] == "Variety"


def test_a_run_that_grew_without_bound_goes_back_twice_at_half_the_rate_then_says_what_to_do() -> (
    None
):
    engine = training(steps=9)
    tiny.run_to(engine, 1)
    for share in ("1/2", "1/4"):
        _poison(engine)
        engine.step()
        weights = engine.pair.weights().values()
        assert all(bool(torch.isfinite(tensor).all()) for tensor in weights)
        (said,) = engine.notices()
        assert share in said.text.format(**said.values)
        assert math.isfinite(engine.step()["loss_maker"])
    _poison(engine)
    with pytest.raises(InputError) as failed:
        engine.step()
    assert failed.value.pointer == "/maker_rate"
    assert "Halve" in failed.value.hint


@pytest.mark.parametrize("due", ["samples_every", "kid_every"])
def test_what_is_shown_or_measured_between_two_looks_is_of_a_good_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, due: str
) -> None:
    """A graphics card is looked at seldom; what is not a number could not be saved."""
    monkeypatch.setitem(READ_EVERY, "cpu", 16)
    seldom: dict[str, Any] = {"steps": 9, "samples_every": 9, "kid_every": 9, due: 2}
    engine = training(**seldom)
    tiny.run_to(engine, 1)
    _poison(engine)
    engine.step()
    assert engine.guard.rollbacks == 1
    assert math.isfinite(engine.guard.spread)
    state.save(engine.state(), tmp_path / "state")


@pytest.mark.parametrize("due", ["samples_every", "kid_every", "steps"])
def test_a_step_that_spoils_the_weights_is_taken_back_before_they_are_shown_or_measured(
    due: str, tmp_path: Path
) -> None:
    """Its own figures are of the weights before it."""
    seldom: dict[str, Any] = {"steps": 9, "samples_every": 9, "kid_every": 9, due: 2}
    engine = training(**seldom)
    tiny.run_to(engine, 1)
    for name, tensor in engine.pair.tensors().items():
        if name.startswith("adam.maker") and name.endswith("exp_avg"):
            tensor.fill_(torch.nan)
    engine.step()
    assert engine.guard.rollbacks == 1
    assert all(bool(torch.isfinite(tensor).all()) for tensor in engine.pair.weights().values())
    state.save(engine.state(), tmp_path / "state")


def test_a_model_that_makes_no_numbers_fails_with_advice_and_could_be_saved_until_then(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    known = load_model(trained["plain"])
    known.generator["begin.weight"][:] = 1e38
    save_model(tmp_path / "endless", known.config, known.generator, known.discriminator)
    engine = training({MODEL: tmp_path / "endless"}, init_from=MODEL, steps=9, samples_every=1)
    for _ in range(2):
        assert engine.step() == {}
        state.save(engine.state(), tmp_path / "state")
    with pytest.raises(InputError, match="without bound"):
        engine.step()


def test_steps_that_nobody_looked_at_yet_have_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graphics card is looked at seldom."""
    monkeypatch.setitem(READ_EVERY, "cpu", 2)
    engine = training(samples_every=9)
    assert engine.step() == {}
    assert engine.step()["loss_judge"] > 0


def test_the_mean_sign_forgets_as_fast_where_it_is_looked_at_seldom() -> None:
    often, seldom = Guard({}), Guard({})
    for _ in range(16):
        often.see_sign(1.0)
    seldom.see_sign(1.0, 16)
    assert seldom.sign == pytest.approx(often.sign)


def _poison(engine: GanTraining) -> None:
    with torch.no_grad():
        next(engine.pair.maker.parameters()).fill_(torch.nan)


def test_a_rollback_survives_a_stop(tmp_path: Path) -> None:
    engine, resumed = training(steps=9), training(steps=9)
    tiny.run_to(engine, 1)
    _poison(engine)
    engine.step()
    state.save(engine.state(), tmp_path / "state")
    resumed.load_state(state.load(tmp_path / "state"))
    assert resumed.notices() == engine.notices()
    for each in (engine, resumed):
        _poison(each)
        each.step()
        each.step()
    ours, theirs = engine.state().tensors, resumed.state().tensors
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_collapse_and_learning_by_heart_are_said_in_words_once_it_is_warm() -> None:
    guard = Guard({})
    assert guard.notices(WARM) == []
    guard.sign, guard.spread = (1 + SURE) / 2, ALIKE / 2
    assert guard.notices(WARM - 1) == []
    said = [notice.text.format(**notice.values) for notice in guard.notices(WARM)]
    assert ["by heart" in said[0], "20% as much" in said[1]] == [True, True]


def test_the_spread_is_that_of_pairs() -> None:
    pictures = torch.randn(6, 3, 16, 16)
    pairs = [(a - b).square().mean() for i, a in enumerate(pictures) for b in pictures[:i]]
    assert spread(pictures) == pytest.approx(float(torch.stack(pairs).mean().sqrt()), rel=1e-5)
    assert spread(pictures[:1].expand(4, 3, 16, 16)) == 0


def test_one_picture_for_each_label_is_no_spread() -> None:
    pictures, labels = torch.randn(2, 3, 16, 16).repeat(3, 1, 1, 1), torch.tensor([0, 1] * 3)
    assert spread(pictures) > 1
    assert spread(pictures, labels) == 0


def test_samples_are_as_different_as_the_sets_pictures_of_the_labels_that_they_show(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for limit in ("USUAL", "LEAST", "MOST"):  # two columns, the first two labels
        monkeypatch.setattr(samples, limit, 2)
    engine = training({tiny.SET: art.pack(4)}, conditional=True)
    real = torch.from_numpy(np.array(engine.pictures.images[:8])).permute(0, 3, 1, 2)
    of_those = spread(real.float() / 127.5 - 1, torch.tensor([0] * 4 + [1] * 4))
    assert engine._set_spread == pytest.approx(of_those, rel=1e-5)


@pytest.mark.parametrize(("side", "most"), [(32, 32), (128, 32), (256, 8), (512, 2)])
def test_no_more_pixels_are_made_at_once_than_a_step_has_room_for(side: int, most: int) -> None:
    asked = []

    class _Maker(_Copyist):
        def forward(self, z: torch.Tensor, labels: None = None) -> torch.Tensor:
            asked.append(len(z))
            return super().forward(z)

    config = ModelConfig("dcgan", side, 128, 4)
    made = samples.made(_Maker(torch.zeros(40, 3, 1, 1)), samples.wishes(config, 40, 0, "some"))
    assert len(torch.cat(list(made))) == 40
    assert max(asked) == most


def test_a_long_history_stays_short_and_its_points_are_means() -> None:
    history = History(("loss",), 5 * POINTS)
    for step in range(1, 5 * POINTS + 1):
        history.add(step, [float(step)])
    assert len(history.tensor()) == POINTS
    assert history.curve("loss")[:2] == [3.0, 8.0]
    with pytest.raises(StateError, match="history"):
        history.restore(torch.zeros(3, 7), history.facts())


def test_a_history_that_is_told_few_steps_has_a_point_for_each_and_ends_with_the_run() -> None:
    """A graphics card is looked at every 16 steps: no multiple of a stretch of 7."""
    total = 7 * POINTS - 3
    history = History(("loss",), total)
    told = [*range(16, total, 16), total]
    for step in told:
        history.add(step, [float(step)])
    assert history.steps() == told
    assert history.curve("loss") == [float(step) for step in told]


def test_the_outputs_are_what_was_best_and_say_what_was_measured(tmp_path: Path) -> None:
    known = {tiny.SET: art.pack(2)}
    inputs = Inputs(known, tiny.SAMPLES, hashes={tiny.SET: "ab" * 32}, scratch=tmp_path)
    engine = GanTraining(params_with(kid_every=1), inputs, CPU)
    tiny.run_to(engine, 3)
    made = {output.name: output for output in engine.outputs()}
    assert next(iter(made)) == "samples.png"
    grid, pairs = made["samples.png"].content, made["nearest.png"].content
    assert isinstance(grid, Image.Image)
    assert isinstance(pairs, Image.Image)
    assert grid.size == (256, 256)
    events = (tmp_path / "events.out.tfevents.0.atelier").read_bytes()
    assert [events.count(name) for name in (b"kid", b"kid_low", b"kid_high")] == [12, 4, 4]
    figures = json.loads((tmp_path / "report.json").read_text())
    assert [point["step"] for point in figures["kid"]] == [0, 1, 2, 3]
    best = min(figures["kid"][1:], key=lambda point: point["value"])
    assert engine.best_step == best["step"]
    assert (figures["best_step"], figures["best_kid"]) == (best["step"], best["value"])
    parts = figures["innovation"]
    product = parts["style_entropy"] * parts["precision"] * parts["not_memorised"]
    assert parts["product"] == pytest.approx(product)
    model = load_model(tmp_path / "model.safetensors")
    assert model.config.origin["steps"] == best["step"]
    best_maker = engine.best.maker
    assert all(torch.equal(best_maker[name], model.generator[name]) for name in best_maker)


@pytest.mark.parametrize(("begun_from", "words"), [(None, "noise"), (MODEL, "the model")])
def test_what_is_measured_before_the_first_step_is_told_as_it_goes_and_afterwards(
    begun_from: str | None, words: str, trained: dict[str, Path]
) -> None:
    engine = training({MODEL: trained["plain"]}, steps=1, init_from=begun_from)
    phases = []
    engine.pulse = lambda: phases.append(engine.phase)
    begun = engine.beginning()
    first = [said.values for said in phases if words in said.text]
    seen = [values["seen"] for values in first]
    assert seen[0] == 0
    assert seen == sorted(seen)
    assert seen[-1] == first[-1]["pictures"] == 8 + len(engine.pictures)
    engine.step()
    before, after = engine.evaluation.curve
    assert before.step == 0
    assert begun == {"kid": before.value, "kid_low": before.low, "kid_high": before.high}
    assert "learning" in engine.phase.text
    told = [engine.phase.values[name] for name in ("first", "kid")]
    assert told == [f"{point.value:.3g}" for point in (before, after)]


def test_a_fine_tuning_that_comes_no_nearer_delivers_what_it_began_from_and_says_so(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    known = {tiny.SET: art.pack(2), MODEL: trained["plain"]}
    params = params_with(steps=5, init_from=MODEL, kid_every=1)
    engine = GanTraining(params, Inputs(known, tiny.SAMPLES, scratch=tmp_path), CPU)
    engine.beginning()
    assert engine.best_step == 0
    near = engine.evaluation.curve[0]._replace(value=-9.0)
    engine.evaluation.restore({"curve": [near], "best": near})
    for _ in range(PATIENCE - 1):
        engine.step()
        assert [said for said in engine.notices() if said.text == NO_NEARER] == []
    tiny.run_to(engine, 5)
    said = [said.text.format(**said.values) for said in engine.notices()]
    (words,) = (each for each in said if "began from" in each)
    curve = [f"{point.value:.3g}" for point in engine.evaluation.curve]
    assert f"distance is {curve[0]}, the least since then {min(curve[1:], key=float)}" in words
    handed_out = engine.snapshot("best")
    assert handed_out is not None
    assert handed_out.name == "model-best-step-0.safetensors"
    names = {output.name for output in engine.outputs()}
    assert "model.safetensors" in names
    report = json.loads((tmp_path / "report.json").read_text())
    assert (engine.best_step, report["best_step"]) == (0, 0)
    assert words in report["notices"]
    begun = load_model(trained["plain"]).generator
    for name in (handed_out.name, "model.safetensors"):
        delivered = load_model(tmp_path / name)
        assert delivered.config.origin["steps"] == 0
        assert all(torch.equal(begun[key], delivered.generator[key]) for key in begun)


def test_the_best_comes_with_the_judge_of_its_own_step_also_after_a_stop(tmp_path: Path) -> None:
    inputs = Inputs({tiny.SET: art.pack(2)}, tiny.SAMPLES, scratch=tmp_path)
    engine, resumed = (GanTraining(params_with(kid_every=1), inputs, CPU) for _ in range(2))
    tiny.run_to(engine, 1)
    then = {name: value.clone() for name, value in engine.pair.judge.state_dict().items()}
    near = engine.evaluation.curve[1]._replace(value=-9.0)
    engine.evaluation.restore({"curve": [near], "best": near})
    tiny.run_to(engine, 2)
    resumed.load_state(engine.state())
    tiny.run_to(resumed, 3)
    assert resumed.best_step == 1
    list(resumed.outputs())
    judge = load_model(tmp_path / "model.safetensors").discriminator
    assert judge is not None
    assert all(torch.equal(judge[name], then[name]) for name in then)
    weight = "blocks.0.0.weight"
    assert not torch.equal(judge[weight], resumed.pair.judge.state_dict()[weight])
    # As an earlier version left it: with the judge of now alone.
    state = engine.state()
    for name in [name for name in state.tensors if name.startswith("best_judge.")]:
        del state.tensors[name]
    resumed.load_state(state)
    assert torch.equal(resumed.best.judge[weight], engine.pair.judge.state_dict()[weight])


def test_noise_is_never_the_best_however_near_it_was_and_that_is_said() -> None:
    engine = training(kid_every=1)
    engine.beginning()
    assert (engine.best_step, engine.score, engine.snapshot("best")) == (None, None, None)
    measured = engine.evaluation.curve[0]
    engine.evaluation.curve[0] = measured._replace(value=-9.0)
    tiny.run_to(engine, 3)
    nearest = min(engine.evaluation.curve[1:], key=lambda point: point.value)
    assert engine.best_step == nearest.step
    (said,) = (said for said in engine.notices() if said.text == NO_NEARER_THAN_NOISE)
    assert said.values == {"first": "-9", "since": f"{nearest.value:.3g}"}
    facts = engine.evaluation.state()
    engine.evaluation.restore({**facts, "best": list(measured)})  # as an earlier version left it
    assert engine.best_step is None


class _Copyist(torch.nn.Module):
    """Makes given pictures (N, 3, S, S), one after another, whatever it is asked for."""

    def __init__(self, pictures: torch.Tensor) -> None:
        super().__init__()
        self.where, self.pictures, self.at = torch.nn.Parameter(torch.zeros(())), pictures, 0

    def forward(self, z: torch.Tensor, labels: None = None) -> torch.Tensor:
        found = self.pictures.roll(-self.at, 0)[: len(z)]
        self.at = (self.at + len(z)) % len(self.pictures)
        return found


@pytest.mark.parametrize("mirror", [True, False])
def test_copies_are_found_wherever_in_the_set_and_mirrored_where_training_mirrored(
    mirror: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "MOST_REAL", 8)
    pictures = prepared(art.pack(2), 32, None, "")
    few = torch.arange(len(pictures))[-8:]
    shown = torch.from_numpy(np.array(pictures.images[few.numpy()])).permute(0, 3, 1, 2)
    copies = (shown.float() / 127.5 - 1).flip(3)
    params, inputs = params_with(kid_samples=len(few), mirror=mirror), Inputs({}, tiny.SAMPLES)
    config = ModelConfig("dcgan", 32, 128, 4, pictures.label_names)
    measured = Evaluation(params, inputs, config, pictures, CPU)
    seen = []
    report = measured.report(_Copyist(copies), lambda: seen.append(measured.looked))
    assert (report.copies.share == 1.0) is mirror
    assert (report.copies.nearest.tolist() == few.tolist()) is mirror
    last = seen[-1]
    assert last is not None
    assert last[0] == last[1]
    figures = report.figures()
    assert (figures["compared"], figures["looked_through_for_copies"]) == (8, len(pictures))


def test_labels_are_measured_as_often_as_they_are_in_the_set() -> None:
    even, uneven = np.full(7, 40), np.array([30, 10, 0, 5])
    assert in_turn(even, 200).tolist() == [position % 7 for position in range(200)]
    found = in_turn(uneven, 90)
    assert np.bincount(found, minlength=4).tolist() == [60, 20, 0, 10]
    assert np.bincount(found[:9], minlength=4).tolist() == [6, 2, 0, 1]
    pictures = prepared(art.pack(2), 32, None, "")
    assert pictures.labels is not None
    few = replace(pictures, labels=np.where(pictures.labels == 3, 0, pictures.labels))
    config = ModelConfig("dcgan", 32, 128, 4, pictures.label_names, conditional=True)
    params, inputs = params_with(kid_samples=14, conditional=True), Inputs({}, tiny.SAMPLES)
    wanted = Evaluation(params, inputs, config, few, CPU)._wishes.labels
    assert wanted is not None
    assert torch.bincount(wanted).tolist() == [4, 2, 2, 0, 2, 2, 2]
