"""Trainings of the proof: each stopped and gone on at will, its result kept as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from engines import state
from engines.datasets import samples
from engines.engine import Inputs
from engines.gan_training.engine import GanTraining
from engines.gan_training.kind import GanTrainingParams
from engines.vision import sets
from tests.engines import art

KEPT = Path(__file__).parents[2] / "build" / "gan"
WEIGHTS = KEPT / "weights"
SET, MODEL = (f"00000000-0000-0000-0000-00000000000{n}" for n in (1, 2))
SAVED_EVERY = 100


@dataclass(frozen=True)
class Run:
    """One training: ``per_style`` pictures of each of ``styles``, and the parameters."""

    name: str
    per_style: int
    params: Mapping[str, Any]
    styles: Sequence[str] = samples.STYLES
    begun_from: str | None = None
    resolution: int = field(default=32)

    def pack(self) -> Path:
        """Its set."""
        return art.pack(self.per_style, self.resolution, styles=tuple(self.styles))

    def model(self) -> Path:
        """The model that it leaves."""
        return KEPT / self.name / "model.safetensors"

    def result(self) -> dict[str, Any]:
        """Its report, made now or before."""
        path = KEPT / self.name / "report.json"
        if not path.exists():
            self._go()
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    def _go(self) -> None:
        folder = KEPT / self.name
        folder.mkdir(parents=True, exist_ok=True)
        began, engine = time.process_time(), self._engine(folder)
        saved = folder / "state"
        if saved.exists():
            engine.load_state(state.load(saved))
        for step in range(engine.state().step + 1, engine.total_steps + 1):
            metrics = engine.step()
            if "kid" in metrics:
                print(self.name, step, f"kid {metrics['kid']:.4f}", file=sys.stderr, flush=True)
            if step % SAVED_EVERY == 0:
                state.save(engine.state(), saved)
        for output in engine.outputs():
            if not isinstance(output.content, Path):
                output.content.save(folder / output.name)  # type: ignore[union-attr]
        saved.unlink(missing_ok=True)
        spent = time.process_time() - began
        print(self.name, f"{spent:.0f} s of one core", file=sys.stderr, flush=True)

    def _engine(self, folder: Path) -> GanTraining:
        files = {SET: self.pack()}
        changes: dict[str, Any] = {}
        if self.begun_from is not None:
            files[MODEL] = KEPT / self.begun_from / "model.safetensors"
            changes["init_from"] = MODEL
        params = GanTrainingParams.model_validate(
            {"dataset": SET, "resolution": self.resolution, **self.params, **changes}
        )
        return GanTraining(params, Inputs(files, WEIGHTS, scratch=folder), torch.device("cpu"))


def points(pixels: Any) -> torch.Tensor:
    """Points of pictures on the network that every figure here is of."""
    return sets.embed(sets.load_network(WEIGHTS, torch.device("cpu")), pixels)
