"""How much a job computes, as its kind declares it, against what torch counts while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from engines.gan_training import arithmetic
from engines.gan_training.config import ARCHITECTURES
from engines.kind import Known, SetFacts
from engines.models import inspect
from engines.registry import KINDS
from tests.engines import tiny
from tests.engines.models import write_model


def sides(path: Path) -> tuple[int, int]:
    """Width and height of a picture."""
    with Image.open(path) as opened:
        return opened.size


OFF = 0.05
"""By which share a formula may be off."""

SET = SetFacts(14, 7)
PLAIN = {"augmentation": "none", "r1": 0.0, "innovation": 0.0}
WIDER = {**PLAIN, "width": 16}
LIGHT = {**PLAIN, "architecture": "light", "batch": 2}
PICTURES = {name: sides(tiny.FILES[name]) for name in (tiny.PHOTO, tiny.PAINTING)}
JOBS: dict[str, tuple[str, dict[str, Any]]] = {
    "a transfer of two paintings": ("style_transfer", {}),
    "one with large strokes": ("style_transfer", {"style_scale": 2.0, "iterations": 1}),
    "one by the first measure": ("style_transfer", {"statistic": "gram", "size": 128}),
    "a training with all that it may have": ("gan_training", {}),
}

STEPS: dict[str, dict[str, Any]] = {
    "plain": WIDER,
    "of labels": {**WIDER, "conditional": True, "variety": 1.0},
    # Unchanged pictures would go into the judge as leaves, on which torch cannot count.
    "with a penalty": {**WIDER, "r1": 1.0, "r1_interval": 1, "augmentation": "diffaugment"},
    "larger": {**PLAIN, "batch": 2, "resolution": 128},
    "of light networks": LIGHT,
    "of larger ones": {**LIGHT, "resolution": 64},
    "of light ones with a penalty": {
        **LIGHT,
        "r1": 1.0,
        "r1_interval": 1,
        "augmentation": "diffaugment",
    },
}


def counted(kind: str, files: dict[str, Path], changes: dict[str, Any]) -> float:
    """Operations of the whole job, works included."""
    with FlopCounterMode(display=False) as seen:
        made = tiny.engine(kind, files, **changes)
        tiny.run_to(made, made.total_steps)
        list(made.outputs())
    return float(seen.get_total_flops())


def declared(kind: str, files: dict[str, Path], changes: dict[str, Any]) -> float | None:
    """The same by the kind's formula, with all that a studio knows of its inputs."""
    params = KINDS[kind].params.model_validate({**tiny.TINY[kind].params, **changes})
    models = {tiny.MODEL: inspect(files[tiny.MODEL])}
    return params.arithmetic(Known({tiny.SET: SET}, models, PICTURES))


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing stands in for what torch does not count."""
    monkeypatch.setattr(arithmetic, "BESIDE", 0.0)
    monkeypatch.setattr(arithmetic, "SLOWER", dict.fromkeys(arithmetic.SLOWER, 1.0))


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("kind", "changes"), JOBS.values(), ids=JOBS)
def test_a_job_computes_what_its_kind_says(kind: str, changes: dict[str, Any]) -> None:
    said = declared(kind, tiny.FILES, changes)
    assert said == pytest.approx(counted(kind, tiny.FILES, changes), rel=OFF)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("changes", STEPS.values(), ids=STEPS)
def test_a_step_of_a_training_computes_what_is_said(changes: dict[str, Any]) -> None:
    """Measurements, which are most of a tiny training, are left out."""
    few, one_more = (
        declared("gan_training", tiny.FILES, {**changes, "steps": steps, "kid_every": 1000})
        for steps in (100, 101)
    )
    assert few is not None
    assert one_more is not None
    made = tiny.engine("gan_training", **changes, steps=100, kid_every=1000, samples_every=1000)
    made.step()
    with FlopCounterMode(display=False) as seen:
        made.step()
    assert one_more - few == pytest.approx(seen.get_total_flops(), rel=OFF)


@pytest.mark.parametrize("mode", ["film", "grid"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_model_draws_as_its_kind_says(architecture: str, mode: str, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", architecture=architecture, resolution=128, width=16)
    files = {**tiny.FILES, tiny.MODEL: model}
    # What an enlarging kernel itself takes is shared by a batch.
    changes = {"count": 8, "frames": 2, "mode": mode}
    said = declared("gan_sampling", files, changes)
    assert said == pytest.approx(counted("gan_sampling", files, changes), rel=OFF)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_says_it_without_its_inputs_unless_a_model_decides(kind: str) -> None:
    params = KINDS[kind].params.imagined({})
    said = params.arithmetic(Known())
    assert (said is None) == any(found.to == "model" for found in params.references())
