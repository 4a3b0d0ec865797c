"""Tiny trainings for tests: 32 px, few channels, three steps, on a small labelled set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from engines.engine import Inputs
from engines.gan_training.engine import GanTraining
from engines.gan_training.kind import GanTrainingParams
from tests.engines import art, tiny

MODEL = "00000000-0000-0000-0000-000000000009"
PLAIN = {"resolution": 32, "width": 4, "batch": 4, "steps": 3, "kid_every": 9, "kid_samples": 8}
CPU = torch.device("cpu")


def params_with(**changes: Any) -> GanTrainingParams:
    """The parameters of such a training, but for ``changes``."""
    return GanTrainingParams.model_validate({"dataset": tiny.SET, **PLAIN, **changes})


def training(files: dict[str, Path] | None = None, smaller: int = 0, **changes: Any) -> GanTraining:
    """Such a training at its start; ``files`` are inputs beside the set."""
    known = {tiny.SET: art.pack(2), **(files or {})}
    return GanTraining(params_with(**changes), Inputs(known, tiny.SAMPLES, smaller=smaller), CPU)
