"""The smallest job of every kind, on real pictures: seconds, not minutes."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from engines.engine import Engine, Inputs
from engines.registry import KINDS
from tests.engines import art
from tests.engines.models import STYLES, write_model

SAMPLES = Path(__file__).parents[2] / "atelier" / "samples"
PHOTO = "00000000-0000-0000-0000-000000000001"
PAINTING = "00000000-0000-0000-0000-000000000002"
OTHER = "00000000-0000-0000-0000-000000000003"
MODEL = "00000000-0000-0000-0000-000000000004"
_made = tempfile.TemporaryDirectory(prefix="atelier-models-")
SET = "00000000-0000-0000-0000-000000000005"
FILES = {
    PHOTO: SAMPLES / "photos" / "cat.jpg",
    PAINTING: SAMPLES / "paintings" / "van-gogh-langlois-bridge.jpg",
    OTHER: SAMPLES / "paintings" / "van-gogh-pere-tanguy.jpg",
    MODEL: write_model(Path(_made.name, "model"), labels=STYLES, conditional=True),
    SET: art.pack(2),
}


@dataclass(frozen=True)
class Tiny:
    """``boundaries`` are the steps after which stopping is hardest: where a phase changes.

    ``unusable`` maps an input's pointer to the id it names; ``other`` are parameters that a
    state of this job must not be loaded into; with ``long`` it takes at least 60 steps.
    """

    params: Mapping[str, Any]
    boundaries: tuple[int, ...]
    unusable: Mapping[str, str]
    other: Mapping[str, Any]
    long: Mapping[str, Any] = field(default_factory=dict)


TINY: dict[str, Tiny] = {
    "style_transfer": Tiny(
        params={
            "content": PHOTO,
            "styles": [PAINTING, OTHER],
            "weights": [2.0, 1.0],
            "size": 92,
            "start_size": 64,
            "iterations": 3,
        },
        boundaries=(1, 3, 4),  # 3 steps at 65 px, then 2 at 92 px
        unusable={"/content": PHOTO, "/styles/0": PAINTING},
        other={"content_weight": 2.0},
        long={"iterations": 60},
    ),
    "gan_sampling": Tiny(
        params={"model": MODEL, "mode": "film", "count": 3, "frames": 7},
        boundaries=(2,),  # 21 frames, 8 a step: the last step is a short one
        unusable={"/model": MODEL},
        other={"truncation": 0.5},
        long={"count": 20, "frames": 24},
    ),
    "gan_training": Tiny(
        params={
            "dataset": SET,
            "resolution": 32,
            "width": 4,
            "batch": 4,
            "steps": 6,
            "innovation": 1.0,
            "augmentation": "ada",
            "r1": 1.0,
            "r1_interval": 2,
            "samples_every": 2,
            "kid_every": 4,
            "kid_samples": 8,
        },
        boundaries=(1, 4),  # after 4 ADA's probability and the best model change
        unusable={"/dataset": SET},
        other={"loss": "hinge"},
        long={"steps": 60, "kid_every": 10},
    ),
}


def engine(
    kind: str, files: Mapping[str, Path] = FILES, smaller: int = 0, **changes: Any
) -> Engine:
    """The tiny job of ``kind`` with ``changes`` to its parameters, on the CPU."""
    known = KINDS[kind]
    module, _, name = known.engine.partition(":")
    made: type[Engine] = getattr(import_module(module), name)
    params = known.params.model_validate({**TINY[kind].params, **changes})
    return made(params, Inputs(files, SAMPLES, smaller=smaller), torch.device("cpu"))


def run_to(engine: Engine, step: int) -> list[Mapping[str, float]]:
    """Take steps until ``step`` of them are done; what each one measured."""
    return [engine.step() for _ in range(step - engine.state().step)]
