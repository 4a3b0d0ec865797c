"""What a training leaves: samples, the model, curves, the nearest training pictures, figures."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PIL import Image
from torch import Tensor, nn

from engines import media
from engines.engine import Output
from engines.gan_training import drawing, events, samples
from engines.gan_training.drawing import Curve
from engines.gan_training.model_file import save_model
from engines.kind import Snapshot
from engines.vision.sets import MEMORISED

if TYPE_CHECKING:
    from engines.gan_training.engine import GanTraining
    from engines.gan_training.evaluation import Report

PAIRS = 16
"""Made pictures that are nearest to a training picture, as shown."""


def of(engine: GanTraining) -> Iterable[Output]:
    """The works, the grid of samples first. The model is the one that was nearest to the set."""
    maker = copy.deepcopy(engine.pair.average)
    maker.load_state_dict(engine.best)
    grid = samples.shown(maker, engine.config, engine.params.seed)
    report = engine.evaluation.report(maker, engine.pulse)
    figures = _figures(engine, report)
    yield Output("result", "samples.png", grid)
    yield _model(engine, "model", engine.best, figures["best_step"], figures["best_kid"])
    yield Output("report", "curves.png", _curves(engine))
    yield Output("report", "nearest.png", _pairs(engine, maker, report))
    path = engine.inputs.place("report.json")
    path.write_text(json.dumps(figures, indent=1, allow_nan=False))
    yield Output("report", path.name, path, "application/json")
    yield _events(engine, grid)


def snapshot(engine: GanTraining, of: Snapshot) -> Output | None:
    """A model of a run that goes on; its name tells the step."""
    if of == "now":
        step, maker = engine.steps_done, engine.pair.average.state_dict()
        measured = [point.value for point in engine.evaluation.curve if point.step == step]
        return _model(engine, f"model-step-{step}", maker, step, *measured[-1:])
    best = engine.evaluation.best
    if best is None or not best.step:
        return None  # what was not taught yet is no best
    return _model(engine, f"model-best-step-{best.step}", engine.best, best.step, best.value)


def _model(
    engine: GanTraining,
    name: str,
    maker: Mapping[str, Tensor],
    step: int,
    kid: float | None = None,
) -> Output:
    origin = {
        "steps": step,
        "pictures_seen": step * engine.params.batch,
        **_source(engine),
        "set_size": len(engine.pictures),
        "kid": kid,
        "innovation": engine.params.innovation,
    }
    path = engine.inputs.place(f"{name}.safetensors")
    config = replace(engine.config, origin=origin)
    save_model(path, config, maker, engine.pair.judge.state_dict())
    return Output("model", path.name, path, media.MODEL)


def _source(engine: GanTraining) -> dict[str, str | None]:
    """The hashes of the set and of the model that was begun from."""
    params, hashes = engine.params, engine.inputs.hashes
    return {
        "set": hashes.get(params.dataset),
        "begun_from": hashes.get(params.init_from) if params.init_from else None,
    }


def _figures(engine: GanTraining, report: Report) -> dict[str, Any]:
    best = engine.evaluation.best
    assert best is not None
    return {
        **_source(engine),
        "steps": engine.total_steps,
        "best_step": best.step,
        "best_kid": best.value,
        "kid": [point._asdict() for point in engine.evaluation.curve],
        **engine.facts,
        **report.figures(),
        "rollbacks": engine.guard.rollbacks,
        "notices": [notice.text.format(**notice.values) for notice in engine.notices()],
    }


def _curves(engine: GanTraining) -> Image.Image:
    steps, curve = engine.history.steps(), engine.history.curve
    kid = engine.evaluation.curve
    nearness = Curve(
        "95 % interval",
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


def _pairs(engine: GanTraining, maker: nn.Module, report: Report) -> Image.Image:
    """The made pictures nearest to training pictures, nearest first: made, then training."""
    made, near = engine.evaluation.pairs(maker, report, PAIRS)
    captions = [
        f"{ratio:.2f} a copy?" if ratio < MEMORISED else f"{ratio:.2f}"
        for ratio in report.copies.ratios.sort(stable=True).values[:PAIRS].tolist()
    ]
    return drawing.pairs(made, near, captions)


def _events(engine: GanTraining, grid: Image.Image) -> Output:
    path = engine.inputs.place("events.out.tfevents.0.atelier")
    steps, kid = engine.history.steps(), engine.evaluation.curve
    scalars = [
        (f"training/{name}", steps, engine.history.curve(name)) for name in sorted(engine.measured)
    ]
    scalars.append(("kid", [point.step for point in kid], [point.value for point in kid]))
    events.write(path, scalars, ("samples", engine.total_steps, grid))
    return Output("report", path.name, path, "application/octet-stream")
