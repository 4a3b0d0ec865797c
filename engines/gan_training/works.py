"""What a training leaves: samples, the model, curves, the nearest training pictures, figures."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image
from torch import nn

from engines import media
from engines.engine import Inputs, Output, Phase
from engines.gan_training import drawing, events, samples
from engines.gan_training.config import ModelConfig
from engines.gan_training.drawing import Curve
from engines.gan_training.evaluation import Evaluation, Point, Report
from engines.gan_training.figures import NEARNESS
from engines.gan_training.history import History
from engines.gan_training.kind import GanTrainingParams
from engines.gan_training.model_file import save_model
from engines.gan_training.pair import Pair, Shown
from engines.kind import Snapshot
from engines.vision.sets import MEMORISED

PAIRS = 16
"""Made pictures that are nearest to a training picture, as shown."""


@dataclass(frozen=True)
class Run:
    """A training after ``step`` steps, as far as its works tell of it. ``best`` is the model that
    was nearest to the set of ``set_size`` pictures; ``measured`` names the figures that mean
    something for its parameters."""

    params: GanTrainingParams
    inputs: Inputs
    config: ModelConfig
    set_size: int
    pair: Pair
    best: Shown
    step: int
    evaluation: Evaluation
    history: History
    rollbacks: int
    notices: Sequence[Phase]
    measured: frozenset[str]
    pulse: Callable[[], None]


def of(run: Run) -> Iterable[Output]:
    """The works, the grid of samples first. The model is the one that was nearest to the set."""
    maker = copy.deepcopy(run.pair.average)
    maker.load_state_dict(run.best.maker)
    grid = samples.shown(maker, run.config, run.params.seed)
    report = run.evaluation.report(maker, run.pulse)
    figures = _figures(run, report)
    yield Output("result", "samples.png", grid)
    yield _model(run, "model", run.best, figures["best_step"], run.evaluation.best)
    yield Output("report", "curves.png", _curves(run))
    yield Output("report", "nearest.png", _pairs(run, maker, report))
    path = run.inputs.place("report.json")
    path.write_text(json.dumps(figures, indent=1, allow_nan=False))
    yield Output("report", path.name, path, "application/json")
    yield _events(run, ("samples", figures["best_step"], grid))


def snapshot(run: Run, of: Snapshot) -> Output | None:
    """A model of a run that goes on; its name tells the step."""
    if of == "now":
        measured = [point for point in run.evaluation.curve if point.step == run.step]
        name = f"model-step-{run.step}"
        return _model(run, name, run.pair.shown(), run.step, *measured[-1:])
    best = run.evaluation.best
    if best is None:
        return None
    return _model(run, f"model-best-step-{best.step}", run.best, best.step, best)


def _model(
    run: Run,
    name: str,
    shown: Shown,
    step: int,
    measured: Point | None = None,
) -> Output:
    origin = {
        "steps": step,
        "pictures_seen": step * run.params.batch,
        **_source(run),
        "set_size": run.set_size,
        **(measured.figures() if measured else {}),
        "innovation": run.params.innovation,
    }
    path = run.inputs.place(f"{name}.safetensors")
    config = replace(run.config, origin=origin)
    save_model(path, config, shown.maker, shown.judge)
    return Output("model", path.name, path, media.MODEL)


def _source(run: Run) -> dict[str, str | None]:
    """The hashes of the set and of the model that was begun from."""
    params, hashes = run.params, run.inputs.hashes
    return {
        "set": hashes.get(params.dataset),
        "begun_from": hashes.get(params.init_from) if params.init_from else None,
    }


def _figures(run: Run, report: Report) -> dict[str, Any]:
    best = run.evaluation.best
    assert best is not None
    return {
        **_source(run),
        "steps": run.params.steps,
        "best_step": best.step,
        "best_kid": best.value,
        "kid": [point._asdict() for point in run.evaluation.curve],
        **run.evaluation.facts,
        **report.figures(),
        "rollbacks": run.rollbacks,
        "notices": [notice.text.format(**notice.values) for notice in run.notices],
    }


def _curves(run: Run) -> Image.Image:
    steps, curve = run.history.steps(), run.history.curve
    kid = run.evaluation.curve
    nearness = Curve(
        f"{NEARNESS.percent} % interval",
        *([getattr(point, name) for point in kid] for name in ("step", "value", "low", "high")),
    )
    names = {"maker": "loss_maker", "judge": "loss_judge"}
    verdicts = {"real": "real", "made": "made", "sign of real": "sign"}
    return drawing.curves(
        [
            ("KID (lower is nearer)", [nearness]),
            ("Losses", [Curve(shown, steps, curve(name)) for shown, name in names.items()]),
            ("Verdicts", [Curve(shown, steps, curve(name)) for shown, name in verdicts.items()]),
        ]
    )


def _pairs(run: Run, maker: nn.Module, report: Report) -> Image.Image:
    """The made pictures nearest to training pictures, nearest first: made, then training."""
    made, near = run.evaluation.pairs(maker, report, PAIRS)
    captions = [
        f"{ratio:.2f} a copy?" if ratio < MEMORISED else f"{ratio:.2f}"
        for ratio in report.copies.ratios.sort(stable=True).values[:PAIRS].tolist()
    ]
    return drawing.pairs(made, near, captions)


def _events(run: Run, picture: tuple[str, int, Image.Image]) -> Output:
    path = run.inputs.place("events.out.tfevents.0.atelier")
    steps, kid = run.history.steps(), run.evaluation.curve
    scalars = [
        (f"training/{name}", steps, run.history.curve(name)) for name in sorted(run.measured)
    ]
    told = [point.figures() for point in kid]
    measured_at = [point.step for point in kid]
    scalars += [(name, measured_at, [each[name] for each in told]) for name in told[0]]
    events.write(path, scalars, picture)
    return Output("report", path.name, path, "application/octet-stream")
