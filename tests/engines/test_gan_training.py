"""What training promises beside the conformance suite: resuming, transfer, gradients, batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from engines import models, state
from engines.datasets.prepared import prepared
from engines.datasets.samples import STYLES
from engines.engine import InputError
from engines.gan_training import lesson, variety
from engines.gan_training.config import ModelConfig
from engines.gan_training.data import Batch, Loader
from engines.gan_training.kind import GanTrainingParams
from engines.gan_training.lesson import Lesson
from engines.gan_training.losses import as_long_as, loss_of
from engines.gan_training.model_file import load_model, save_model
from engines.gan_training.pair import Pair, cloned
from engines.gan_training.stylist import Stylist
from engines.kind import Known
from tests.engines import art, tiny
from tests.engines.trainings import CPU, MODEL, params_with, training

pytestmark = pytest.mark.usefixtures("measured_small")

LAST = 2
"""The last of three steps."""


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
    "wide enough for matrices": {"width": 64, "r1": 5.0, "r1_interval": 2},
}


@pytest.mark.parametrize("case", RESUMED)
def test_whatever_is_chosen_a_stop_changes_no_bit(
    case: str, trained: dict[str, Path], tmp_path: Path
) -> None:
    changes = {"files": {MODEL: trained["plain"]}, **RESUMED[case]}
    through, stopped, resumed = (training(**changes) for _ in range(3))
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
    engine = training({MODEL: trained["plain"]}, init_from=MODEL, freeze=2)
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
        training({MODEL: trained[model]}, init_from=MODEL, **changes)
    assert refused.value.pointer == pointer
    assert fits in str(refused.value)
    # Who commissions it is told the same, from the file's header alone.
    known = Known(models={MODEL: models.inspect(trained[model])})
    (told,) = params_with(init_from=MODEL, **changes).misfits(known)
    assert (f"/{told.name}", told.message, told.hint) == (
        pointer,
        refused.value.message,
        refused.value.hint,
    )


def test_a_model_that_is_not_all_numbers_is_refused_in_words(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    known = load_model(trained["plain"])
    known.generator["begin.weight"][0] = torch.nan
    save_model(tmp_path / "broken", known.config, known.generator, known.discriminator)
    with pytest.raises(InputError, match="not finite") as refused:
        training({MODEL: tmp_path / "broken"}, init_from=MODEL)
    assert refused.value.pointer == "/init_from"


def test_a_model_goes_on_with_other_labels_and_knows_those_that_it_had(
    trained: dict[str, Path],
) -> None:
    files = {MODEL: trained["labelled"], tiny.SET: art.pack(4, styles=("dots", "ink"))}
    engine = training(files, init_from=MODEL, conditional=True)
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
    fresh, other = (training(files, init_from=MODEL, conditional=True, seed=s) for s in (0, 1))
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
            params_with(**changes)
        assert [error["loc"] for error in refused.value.errors()] == [(field,)]
    params_with(loss="hinge", target_fake=1.0)


def test_a_model_of_an_earlier_version_goes_on_without_its_style_head(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    known = load_model(trained["labelled"])
    assert known.discriminator is not None
    count, last = len(known.config.labels), known.discriminator["heads.verdict.weight"][0].numel()
    head = {"heads.style.weight": torch.ones(count, last), "heads.style.bias": torch.ones(count)}
    earlier = replace(known.config, styles=True)
    save_model(tmp_path / "m", earlier, known.generator, {**known.discriminator, **head})
    assert models.inspect(tmp_path / "m").trainable
    engine = training({MODEL: tmp_path / "m"}, init_from=MODEL, conditional=True)
    found = engine.pair.judge.state_dict()
    assert all(torch.equal(found[name], value) for name, value in known.discriminator.items())


@pytest.mark.parametrize("changes", [{"innovation": 1.0}, {"conditional": True}])
def test_what_needs_labels_says_so(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="fewer than two labels") as refused:
        training({tiny.SET: art.pack(2, labelled=False)}, **changes)
    assert refused.value.pointer == f"/{next(iter(changes))}"


def test_styles_can_only_be_mixed_where_they_are_learned() -> None:
    assert params_with(innovation=1.0).conditional
    assert params_with(innovation=1.0).variety == 1
    assert params_with(innovation="0.5").conditional, "a text is taken for its number"
    for dial in (0.0, "0", -0.0):
        assert not params_with(innovation=dial).conditional
    with pytest.raises(InputError, match="learns none") as refused:
        training(innovation=1.0, conditional=False)
    assert refused.value.pointer == "/innovation"


def test_too_few_pictures_are_refused_with_the_number_needed() -> None:
    with pytest.raises(InputError, match="at least 8"):
        training({tiny.SET: art.pack(1)})


@pytest.mark.parametrize("resolution", [33, 96])
def test_a_size_that_is_no_power_of_two_is_refused(resolution: int) -> None:
    with pytest.raises(ValueError, match="32, 64, 128, 256 or 512"):
        params_with(resolution=resolution)


@pytest.mark.parametrize("loss", ["least_squares", "non_saturating", "hinge"])
@pytest.mark.parametrize("apart", [0.0, 2.0])
def test_one_pass_gives_the_gradients_of_two(loss: str, apart: float) -> None:
    params = params_with(loss=loss, variety=apart, augmentation="none", mirror=False)
    found = prepared(art.pack(2), 32, None, "")
    config = ModelConfig("dcgan", 32, 128, 4, found.label_names)
    pair, other = Pair(params, config, CPU, None), Pair(params, config, CPU, None)
    batch = Loader(found, 4, False, 0).batch(LAST)
    Lesson(params, config, variety.usual(found, False), 1).gradients(pair, batch, LAST, 0.0)
    _two_passes(params, other, batch, variety.usual(found, False))
    for ours, theirs in ((pair.maker, other.maker), (pair.judge, other.judge)):
        for (name, one), two in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(one.grad, two.grad, msg=name, rtol=1e-3, atol=1e-6)


def _two_passes(params: GanTrainingParams, pair: Pair, batch: Batch, usual: torch.Tensor) -> None:
    """The textbook's way: the judge's loss, then the maker's through the judge."""
    loss, real = loss_of(params), batch.scaled(CPU)
    z = torch.randn(4, 128, generator=state.generator(params.seed, "latents", LAST))
    made = pair.maker(z)
    said, of_made = pair.judge(real), pair.judge(made.detach())
    total = loss.of_real(said.verdict).mean() + loss.of_made(of_made.verdict).mean()
    torch.autograd.backward(total)
    kept = [p.grad.clone() for p in pair.judge.parameters() if p.grad is not None]
    said = pair.judge(made)
    through: dict[str, Any] = {"retain_graph": True}
    (gradient,) = torch.autograd.grad(loss.of_maker(said.verdict).mean(), made, **through)
    if params.variety:
        (verdict,) = torch.autograd.grad(said.verdict.mean(), made, **through)
        missing = variety.shortfall(made, None, usual)
        (wished,) = torch.autograd.grad(missing, made, **through)
        gradient = gradient + params.variety * missing.detach() * as_long_as(wished, verdict)
    made.backward(gradient)
    for parameter, kept_one in zip(pair.judge.parameters(), kept, strict=True):
        parameter.grad = kept_one


@pytest.mark.parametrize("architecture", ["dcgan", "light"])
def test_a_step_in_half_the_bits_goes_almost_the_same_way(
    architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on graphics cards, with all that a step may have."""
    everything: dict[str, Any] = {"conditional": True, "innovation": 1.0, "variety": 1.0, "r1": 1.0}
    found = []
    for halved in (False, True):
        wanted = torch.autocast("cpu", dtype=torch.bfloat16, enabled=halved)
        monkeypatch.setattr(lesson, "_precision", lambda *_, wanted=wanted: wanted)
        engine = training(architecture=architecture, augmentation="ada", batch=8, **everything)
        batch = Loader(engine.pictures, 8, False, 0).batch(LAST)
        engine._lesson.gradients(engine.pair, batch, LAST, 0.9)
        parameters = [*engine.pair.maker.parameters(), *engine.pair.judge.parameters()]
        slopes = [each.grad.flatten() for each in parameters if each.grad is not None]
        found.append(torch.cat(slopes))
    whole, halved_bits = found
    assert torch.nn.functional.cosine_similarity(whole, halved_bits, dim=0) > 0.99


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


class _Counted:
    """Pictures that know how many of them were asked for at once, at most."""

    def __init__(self, images: np.ndarray[Any, Any]) -> None:
        self.images, self.most = images, 0

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, chosen: Any) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = self.images[chosen]
        self.most = max(self.most, len(found))
        return found


def test_how_much_a_set_varies_is_seen_a_few_pictures_at_a_time() -> None:
    """A set's pictures of 512 px together would fill the memory."""
    found = prepared(art.pack(4), 32, None, "")
    counted: Any = _Counted(found.images)
    few = replace(found, images=counted)
    assert torch.equal(variety.usual(few, False), variety.usual(found, False))
    assert counted.most <= variety.AT_A_TIME < len(found)


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


def test_a_stylist_tells_styles_apart_and_is_unsure_between_them() -> None:
    draws = state.generator(0, "points", 0)
    labels = torch.arange(60) % 3
    centres = torch.randn(3, 40, generator=draws)
    points = centres[labels] + 0.3 * torch.randn(60, 40, generator=draws)
    stylist = Stylist(points, labels, 3)
    fresh = centres[labels] + 0.3 * torch.randn(60, 40, generator=draws)
    assert (stylist.posterior(fresh).argmax(1) == labels).all()
    assert stylist.entropy(fresh) < 0.2 < stylist.entropy(centres.mean(0, keepdim=True))


def test_once_memory_ran_out_the_largest_batch_that_fits_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gradients = Lesson.gradients

    def little_memory(lesson: Lesson, pair: Any, batch: Batch, *more: Any) -> torch.Tensor:
        if len(batch.pictures) > 4:
            raise torch.OutOfMemoryError
        return gradients(lesson, pair, batch, *more)

    monkeypatch.setattr(Lesson, "gradients", little_memory)
    whole, pieces = training(batch=16), training(batch=16, smaller=1)
    before = cloned(pieces.pair.tensors())
    for engine in (whole, pieces):
        with pytest.raises(torch.OutOfMemoryError):
            engine.step()
    assert (whole.fitted, pieces.fitted) == (None, ("batch", 4))
    after = pieces.pair.tensors()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []


def test_frames_are_due_at_the_start_at_intervals_where_it_is_measured_and_at_the_end() -> None:
    engine = training(steps=5, samples_every=2, kid_every=3)
    due = [engine.frame_due()]
    for _ in range(5):
        engine.step()
        due.append(engine.frame_due())
    assert due == [True, False, True, True, True, True]
    assert engine.score is not None
    assert engine.score == -engine.evaluation.curve[-1].value
