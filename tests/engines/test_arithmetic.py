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
# Enough steps that what is counted of them is not lost among the measurements.
MANY = {**PLAIN, "steps": 40, "kid_every": 40, "width": 16}
LIGHT = {**PLAIN, "architecture": "light", "batch": 2, "kid_every": 40}
PICTURES = {name: sides(tiny.FILES[name]) for name in (tiny.PHOTO, tiny.PAINTING)}
JOBS: dict[str, tuple[str, dict[str, Any]]] = {
    "a transfer of two paintings": ("style_transfer", {}),
    "one with large strokes": ("style_transfer", {"style_scale": 2.0, "iterations": 1}),
    "one by the first measure": ("style_transfer", {"statistic": "gram", "size": 128}),
    "a training with all that it may have": ("gan_training", {}),
    "a plain one": ("gan_training", MANY),
    "one of labels": ("gan_training", {**MANY, "conditional": True, "variety": 1.0}),
    # Unchanged pictures would go into the judge as leaves, on which torch cannot count.
    "one with a penalty": (
        "gan_training",
        {**MANY, "r1": 1.0, "r1_interval": 1, "augmentation": "diffaugment"},
    ),
    "one of light networks": ("gan_training", LIGHT),
    "larger ones": ("gan_training", {**LIGHT, "resolution": 64, "steps": 3}),
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
