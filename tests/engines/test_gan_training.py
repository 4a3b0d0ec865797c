"""What training promises beside the conformance suite: losses, transfer, guard-rails, works."""

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
from pydantic import ValidationError

from engines import state
from engines.datasets.prepared import prepared
from engines.datasets.samples import STYLES
from engines.engine import InputError, Inputs
from engines.gan_training import evaluation, innovation, samples, variety
from engines.gan_training.beginning import MISFITS
from engines.gan_training.config import ModelConfig
from engines.gan_training.data import Batch, Loader
from engines.gan_training.engine import READ_EVERY, GanTraining
from engines.gan_training.evaluation import Evaluation
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
from engines.gan_training.lesson import Lesson
from engines.gan_training.losses import as_long_as, loss_of, style_ambiguity
from engines.gan_training.model_file import load_model, save_model
from engines.gan_training.pair import Pair, cloned
from engines.gan_training.samples import in_turn
from engines.gan_training.stylist import Stylist
from engines.state import StateError
from engines.vision import sets
from tests.engines import art, tiny
from webui.texts import catalogue

MODEL = "00000000-0000-0000-0000-000000000009"
PLAIN = {"resolution": 32, "width": 4, "batch": 4, "steps": 3, "kid_every": 9, "kid_samples": 8}
CPU = torch.device("cpu")
LAST = 2
"""The last of three steps: all of the dial counts."""


def _params(**changes: Any) -> GanTrainingParams:
    return GanTrainingParams.model_validate({"dataset": tiny.SET, **PLAIN, **changes})


def _engine(files: dict[str, Path] | None = None, smaller: int = 0, **changes: Any) -> GanTraining:
    known = {tiny.SET: art.pack(2), **(files or {})}
    return GanTraining(_params(**changes), Inputs(known, tiny.SAMPLES, smaller=smaller), CPU)


@pytest.fixture(autouse=True)
def _measured_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here hangs on how large the measuring network sees pictures; time does."""
    monkeypatch.setattr(sets, "SIDE", 32)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model files by what they are."""
    folder, files = tmp_path_factory.mktemp("models"), {}
    kinds: dict[str, dict[str, Any]] = {
        "plain": {},
        "labelled": {"conditional": True, "innovation": 1.0},
        "light": {"architecture": "light"},
    }
    for name, changes in kinds.items():
        engine = _engine(steps=1, **changes)
        files[name] = folder / name
        weights = engine.pair.average.state_dict(), engine.pair.judge.state_dict()
        save_model(files[name], engine.config, *weights)
    files["no judge"] = folder / "no judge"
    save_model(files["no judge"], engine.config, engine.pair.average.state_dict(), None)
    return files


RESUMED: dict[str, dict[str, Any]] = {
    "transfer with frozen blocks": {"init_from": MODEL, "freeze": 2},
    "light with labels": {
        "architecture": "light",
        "conditional": True,
        "loss": "hinge",
        "variety": 1.0,
    },
    "non-saturating with penalty": {"loss": "non_saturating", "r1": 5.0, "r1_interval": 2},
    "micro-batches": {"smaller": 1, "innovation": 2.0},
}


@pytest.mark.parametrize("case", RESUMED)
def test_whatever_is_chosen_a_stop_changes_no_bit(
    case: str, trained: dict[str, Path], tmp_path: Path
) -> None:
    changes = {"files": {MODEL: trained["plain"]}, **RESUMED[case]}
    through, stopped, resumed = (_engine(**changes) for _ in range(3))
    tiny.run_to(through, 3)
    tiny.run_to(stopped, 1)
    state.save(stopped.state(), tmp_path / "state")
    resumed.load_state(state.load(tmp_path / "state"))
    tiny.run_to(resumed, 3)
    ours, theirs = through.state(), resumed.state()
    assert ours.facts == theirs.facts
    assert [n for n, t in ours.tensors.items() if not torch.equal(t, theirs.tensors[n])] == []


def test_transfer_begins_with_the_model_and_leaves_frozen_blocks_as_they_are(
    trained: dict[str, Path],
) -> None:
    engine = _engine({MODEL: trained["plain"]}, init_from=MODEL, freeze=2)
    model = load_model(trained["plain"])
    assert model.discriminator is not None
    begun = engine.pair.average.state_dict()
    assert all(torch.equal(begun[name], model.generator[name]) for name in begun)
    tiny.run_to(engine, 2)
    now = engine.pair.judge.state_dict()
    moved = {n for n in now if not torch.equal(now[n], model.discriminator[n])}
    assert {name.split(".")[1] for name in moved if name.startswith("blocks")} == {"2"}
    assert any(name.startswith("heads") for name in moved)


@pytest.mark.parametrize(
    ("model", "changes", "pointer", "fits"),
    [
        ("plain", {"resolution": 64}, "/resolution", "32"),
        ("plain", {"architecture": "light"}, "/architecture", "dcgan"),
        ("plain", {"width": 8}, "/width", "4"),
        ("plain", {"conditional": True}, "/conditional", "'Learn the labels' off"),
        ("labelled", {}, "/conditional", "'Learn the labels' on"),
        ("no judge", {}, "/init_from", "judges"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_with_what_would(
    model: str, changes: dict[str, Any], pointer: str, fits: str, trained: dict[str, Path]
) -> None:
    with pytest.raises(InputError) as refused:
        _engine({MODEL: trained[model]}, init_from=MODEL, **changes)
    assert refused.value.pointer == pointer
    assert fits in str(refused.value)


def test_a_model_that_is_not_all_numbers_is_refused_in_words(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    known = load_model(trained["plain"])
    known.generator["begin.weight"][0] = torch.nan
    save_model(tmp_path / "broken", known.config, known.generator, known.discriminator)
    with pytest.raises(InputError, match="not finite") as refused:
        _engine({MODEL: tmp_path / "broken"}, init_from=MODEL)
    assert refused.value.pointer == "/init_from"


def test_a_model_goes_on_with_other_labels_and_knows_those_that_it_had(
    trained: dict[str, Path],
) -> None:
    files = {MODEL: trained["labelled"], tiny.SET: art.pack(4, styles=("dots", "ink"))}
    engine = _engine(files, init_from=MODEL, conditional=True)
    assert engine.config.labels == ("dots", "ink")
    model = load_model(trained["labelled"])
    assert model.discriminator is not None
    for name, weights, network in (
        ("style.vectors.weight", model.generator, engine.pair.maker),
        ("heads.vectors.weight", model.discriminator, engine.pair.judge),
    ):
        at = [model.config.labels.index(label) for label in engine.config.labels]
        assert torch.equal(network.state_dict()[name], weights[name][at])
    renamed = replace(model.config, labels=("dots", *map(str, range(len(STYLES) - 1))))
    save_model(trained["labelled"].with_name("r"), renamed, model.generator, model.discriminator)
    files[MODEL] = trained["labelled"].with_name("r")
    fresh, other = (_engine(files, init_from=MODEL, conditional=True, seed=s) for s in (0, 1))
    vectors = [each.pair.maker.state_dict()["style.vectors.weight"] for each in (fresh, other)]
    assert torch.equal(vectors[0][0], vectors[1][0])
    assert not torch.isclose(vectors[0][1], vectors[1][1]).any()


def test_parameters_that_do_not_go_together_are_refused_by_name_before_anything_runs() -> None:
    for changes, field in (
        ({"freeze": 1}, "freeze"),
        ({"target_fake": 1.0}, "target_real"),
        ({"target_fake": 3.0, "target_real": 3.0}, "target_real"),
    ):
        with pytest.raises(ValidationError) as refused:
            _params(**changes)
        assert [error["loc"] for error in refused.value.errors()] == [(field,)]
    _params(loss="hinge", target_fake=1.0)


def test_a_judge_that_is_sure_of_real_pictures_is_so_whichever_target_is_the_higher() -> None:
    for a, b in ((0.0, 1.0), (1.0, -1.0)):
        loss = loss_of(_params(target_fake=a, target_real=b))
        assert loss.signs(torch.tensor([b, a])).tolist() == [1.0, -1.0]


@pytest.mark.parametrize("said", [TOO_ALIKE, BY_HEART, ADVICE, *chain(*MISFITS.values())])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_advice_names_parameters_as_the_page_does(said: str, language: str) -> None:
    gettext = catalogue(language).gettext
    titles = {str(each.title) for each in GanTrainingParams.model_fields.values()}
    named = re.findall(r"'([A-Z][^']*)'", said)
    assert set(named) <= titles
    assert all(gettext(name) in gettext(said) for name in named)


def test_the_notice_of_samples_that_grow_alike_names_what_parts_them() -> None:
    assert re.findall(r"'([A-Z][^']*)'", TOO_ALIKE)[0] == "Variety"


def test_other_styles_than_the_models_get_a_new_style_head(trained: dict[str, Path]) -> None:
    files = {MODEL: trained["plain"], tiny.SET: art.pack(4, styles=("dots", "ink"))}
    engine = _engine(files, init_from=MODEL, innovation=1.0)
    assert engine.pair.judge.state_dict()["heads.style.weight"].shape[0] == 2


@pytest.mark.parametrize("changes", [{"innovation": 1.0}, {"conditional": True}])
def test_what_needs_labels_says_so(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="no labels") as refused:
        _engine({tiny.SET: art.pack(2, labelled=False)}, **changes)
    assert refused.value.pointer == f"/{next(iter(changes))}"


def test_too_few_pictures_are_refused_with_the_number_needed() -> None:
    with pytest.raises(InputError, match="at least 8"):
        _engine({tiny.SET: art.pack(1)})


@pytest.mark.parametrize("resolution", [33, 96])
def test_a_size_that_is_no_power_of_two_is_refused(resolution: int) -> None:
    with pytest.raises(ValueError, match="32, 64, 128, 256 or 512"):
        _params(resolution=resolution)


@pytest.mark.parametrize("loss", ["least_squares", "non_saturating", "hinge"])
@pytest.mark.parametrize("dial", [0.0, 2.0])
def test_one_pass_gives_the_gradients_of_two(loss: str, dial: float) -> None:
    both = {"innovation": dial, "variety": dial}
    params = _params(loss=loss, **both, augmentation="none", mirror=False)
    found = prepared(art.pack(2), 32, None, "")
    config = ModelConfig("dcgan", 32, 128, 4, found.label_names, styles=dial > 0)
    pair, other = Pair(params, config, CPU, None), Pair(params, config, CPU, None)
    batch = Loader(found, 4, False, 0).batch(LAST)
    Lesson(params, config, variety.usual(found, False), 1).gradients(pair, batch, LAST, 0.0)
    _two_passes(params, other, batch, variety.usual(found, False))
    for ours, theirs in ((pair.maker, other.maker), (pair.judge, other.judge)):
        for (name, one), two in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(one.grad, two.grad, msg=name, rtol=1e-3, atol=1e-6)


def _two_passes(params: GanTrainingParams, pair: Pair, batch: Batch, usual: torch.Tensor) -> None:
    """The textbook's way: the judge's loss, then the maker's through the judge."""
    loss, real, labels = loss_of(params), batch.scaled(CPU), batch.labels
    z = torch.randn(4, 128, generator=state.generator(params.seed, "latents", LAST))
    made = pair.maker(z)
    if params.innovation and labels is not None:
        draws = state.generator(params.seed, "blends", LAST)
        styles = torch.nn.functional.one_hot(labels, len(STYLES)).float()
        for share in innovation.shares(params.innovation):
            box = innovation.boxes(4, 32, share, draws)
            real, styles = innovation.blended(real, styles, box)
    said, of_made = pair.judge(real), pair.judge(made.detach())
    total = loss.of_real(said.verdict).mean() + loss.of_made(of_made.verdict).mean()
    if params.innovation:
        total = total + torch.nn.functional.cross_entropy(said.style, styles)
    torch.autograd.backward(total)
    kept = [p.grad.clone() for p in pair.judge.parameters() if p.grad is not None]
    said = pair.judge(made)
    through: dict[str, Any] = {"retain_graph": True}
    (gradient,) = torch.autograd.grad(loss.of_maker(said.verdict).mean(), made, **through)
    if params.innovation:
        (verdict,) = torch.autograd.grad(said.verdict.mean(), made, **through)
        missing = variety.shortfall(made, None, usual)
        (wished,) = torch.autograd.grad(missing, made, **through)
        gradient = gradient + params.variety * missing.detach() * as_long_as(wished, verdict)
        ambiguity = style_ambiguity(said.style).mean()
        (wished,) = torch.autograd.grad(ambiguity, made, **through)
        gradient = gradient + params.innovation * innovation.PULL * as_long_as(wished, verdict)
    made.backward(gradient)
    for parameter, kept_one in zip(pair.judge.parameters(), kept, strict=True):
        parameter.grad = kept_one


def test_style_ambiguity_is_the_papers_formula_and_least_where_no_style_is_claimed() -> None:
    logits = torch.randn(5, 4)
    p = logits.softmax(1)
    formula = -(p.log() / 4 + (1 - 1 / 4) * (1 - p).log()).sum(1)
    torch.testing.assert_close(style_ambiguity(logits), formula)
    assert (style_ambiguity(torch.zeros(1, 4)) < formula).all()
    assert style_ambiguity(torch.tensor([[90.0, 0.0, 0.0]])).isfinite().all()


def test_a_run_that_grew_without_bound_goes_back_twice_at_half_the_rate_then_says_what_to_do() -> (
    None
):
    engine = _engine(steps=9)
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
    engine = _engine(**seldom)
    tiny.run_to(engine, 1)
    _poison(engine)
    engine.step()
    assert engine.guard.rollbacks == 1
    assert math.isfinite(engine.guard.spread)
    state.save(engine.state(), tmp_path / "state")


def _poison(engine: GanTraining) -> None:
    with torch.no_grad():
        next(engine.pair.maker.parameters()).fill_(torch.nan)


def test_a_rollback_survives_a_stop(tmp_path: Path) -> None:
    engine, resumed = _engine(steps=9), _engine(steps=9)
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
    monkeypatch.setattr(samples, "MOST", 2)  # as at 512 px: two columns, the first two labels
    engine = _engine({tiny.SET: art.pack(4)}, conditional=True)
    real = torch.from_numpy(np.array(engine.pictures.images[:8])).permute(0, 3, 1, 2)
    of_those = spread(real.float() / 127.5 - 1, torch.tensor([0] * 4 + [1] * 4))
    assert engine._set_spread == pytest.approx(of_those, rel=1e-5)


def test_variety_is_missed_where_pictures_of_a_label_are_more_alike_than_the_sets() -> None:
    found = prepared(art.pack(4), 32, None, "")
    usual = variety.usual(found, True)
    assert found.labels is not None
    labels = torch.from_numpy(found.labels)
    real = torch.from_numpy(np.array(found.images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    assert variety.shortfall(real, labels, usual) < 0.2
    grey = real.clone().requires_grad_()
    missing = variety.shortfall(grey / 2, labels, usual)
    (slope,) = torch.autograd.grad(missing, grey)
    assert float(missing.detach()) == pytest.approx(0.5, abs=0.1)
    assert variety.shortfall(grey.detach() / 2 - slope, labels, usual) < missing.detach()
    assert variety.shortfall(real[::4].repeat(2, 1, 1, 1), labels[::4].repeat(2), usual) > 0.99
    assert variety.shortfall(real[::4], labels[::4], usual) == 0


def test_every_picture_comes_once_an_epoch_and_batches_follow_from_the_step_alone() -> None:
    found = prepared(art.pack(2), 32, None, "")
    numbered = np.arange(len(found)).repeat(32 * 32 * 3).reshape(found.images.shape)
    loader = Loader(replace(found, images=numbered.astype(np.uint8)), 4, False, 5)
    seen = torch.cat([loader.batch(step).pictures[:, 0, 0, 0] for step in range(7)])
    assert sorted(seen[:14].tolist()) == sorted(seen[14:].tolist()) == list(range(14))
    assert seen[:14].tolist() != seen[14:].tolist()
    assert loader.batch(2).pictures[:, 0, 0, 0].tolist() == seen[8:12].tolist()


def test_mirroring_shows_a_picture_or_its_mirror_image() -> None:
    found = prepared(art.pack(2), 32, None, "")
    plain, mirrored = (Loader(found, 14, mirror, 0).batch(0).pictures for mirror in (False, True))
    ways = {
        (torch.equal(a, b), torch.equal(a, b.flip(1))) for a, b in zip(plain, mirrored, strict=True)
    }
    assert ways == {(True, False), (False, True)}


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


def test_a_stylist_tells_styles_apart_and_is_unsure_between_them() -> None:
    draws = state.generator(0, "points", 0)
    labels = torch.arange(60) % 3
    centres = torch.randn(3, 40, generator=draws)
    points = centres[labels] + 0.3 * torch.randn(60, 40, generator=draws)
    stylist = Stylist(points, labels, 3)
    fresh = centres[labels] + 0.3 * torch.randn(60, 40, generator=draws)
    assert (stylist.posterior(fresh).argmax(1) == labels).all()
    assert stylist.entropy(fresh) < 0.2 < stylist.entropy(centres.mean(0, keepdim=True))


def test_the_outputs_are_what_was_best_and_say_what_was_measured(tmp_path: Path) -> None:
    known = {tiny.SET: art.pack(2)}
    inputs = Inputs(known, tiny.SAMPLES, hashes={tiny.SET: "ab" * 32}, scratch=tmp_path)
    engine = GanTraining(_params(kid_every=1), inputs, CPU)
    tiny.run_to(engine, 3)
    made = {output.name: output for output in engine.outputs()}
    assert next(iter(made)) == "samples.png"
    grid, pairs = made["samples.png"].content, made["nearest.png"].content
    assert isinstance(grid, Image.Image)
    assert isinstance(pairs, Image.Image)
    assert grid.size == (256, 256)
    figures = json.loads((tmp_path / "report.json").read_text())
    assert [point["step"] for point in figures["kid"]] == [0, 1, 2, 3]
    best = min(figures["kid"], key=lambda point: point["value"])
    assert (figures["best_step"], figures["best_kid"]) == (best["step"], best["value"])
    parts = figures["innovation"]
    product = parts["style_entropy"] * parts["precision"] * parts["not_memorised"]
    assert parts["product"] == pytest.approx(product)
    model = load_model(tmp_path / "model.safetensors")
    assert model.config.origin["steps"] == best["step"]
    assert all(torch.equal(engine.best[name], model.generator[name]) for name in engine.best)


@pytest.mark.parametrize(("begun_from", "words"), [(None, "noise"), (MODEL, "the model")])
def test_what_is_measured_before_the_first_step_is_told_as_it_goes_and_afterwards(
    begun_from: str | None, words: str, trained: dict[str, Path]
) -> None:
    engine = _engine({MODEL: trained["plain"]}, steps=1, init_from=begun_from)
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
    assert (before.step, begun) == (0, {"kid": before.value})
    assert "learning" in engine.phase.text
    told = [engine.phase.values[name] for name in ("first", "kid")]
    assert told == [f"{point.value:.3g}" for point in (before, after)]


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
    params, inputs = _params(kid_samples=len(few), mirror=mirror), Inputs({}, tiny.SAMPLES)
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
    params, inputs = _params(kid_samples=14, conditional=True), Inputs({}, tiny.SAMPLES)
    wanted = Evaluation(params, inputs, config, few, CPU)._wishes.labels
    assert wanted is not None
    assert torch.bincount(wanted).tolist() == [4, 2, 2, 0, 2, 2, 2]


def test_once_memory_ran_out_the_largest_batch_that_fits_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gradients = Lesson.gradients

    def little_memory(lesson: Lesson, pair: Any, batch: Batch, *more: Any) -> torch.Tensor:
        if len(batch.pictures) > 4:
            raise torch.OutOfMemoryError
        return gradients(lesson, pair, batch, *more)

    monkeypatch.setattr(Lesson, "gradients", little_memory)
    whole, pieces = _engine(batch=16), _engine(batch=16, smaller=1)
    before = cloned(pieces.pair.tensors())
    for engine in (whole, pieces):
        with pytest.raises(torch.OutOfMemoryError):
            engine.step()
    assert (whole.fitted, pieces.fitted) == (None, ("batch", 4))
    after = pieces.pair.tensors()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []


def test_frames_are_due_at_the_start_at_intervals_and_at_the_end() -> None:
    engine = _engine(steps=5, samples_every=2)
    due = [engine.frame_due()]
    for _ in range(5):
        engine.step()
        due.append(engine.frame_due())
    assert due == [True, False, True, False, True, True]
    assert engine.score is not None
    assert engine.score == -engine.evaluation.curve[-1].value
