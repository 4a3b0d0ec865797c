"""Training of a generative network on a set of pictures, one batch a step.

Two networks: the maker turns random vectors into pictures, the judge tells them from real ones
(Goodfellow et al. 2014). What is shown, measured and saved is the maker's average over the steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from engines.engine import Engine, Inputs, Metrics, Output, Phase
from engines.gan_training import (
    augment,
    beginning,
    fitting,
    mixtures,
    samples,
    variety,
    works,
)
from engines.gan_training.data import Batch, Loader
from engines.gan_training.evaluation import Evaluation
from engines.gan_training.guard import KEPT_EVERY, Guard, finite, spread
from engines.gan_training.history import EARLIER, History
from engines.gan_training.kind import GAN_TRAINING, GanTrainingParams
from engines.gan_training.lesson import FIGURES, Lesson
from engines.gan_training.pair import cloned, copy_all, prefixed
from engines.kind import N_, Params, Snapshot
from engines.state import State, StateError, same_params

READ_EVERY = {"cpu": 1, "cuda": 16}
"""Steps between looks at the figures: on a graphics card a look waits for all that it does."""

LEARNING = N_("learning from the pictures, step {step} of {steps}")
MEASURED = N_(
    "learning from the pictures, step {step} of {steps}; distance to the set {kid}, at the start"
    " {first}"
)
FIRST = N_("measuring how far noise is from the set, {seen} of {pictures} pictures")
FIRST_OF_MODEL = N_(
    "measuring how far the model that it begins from is from the set, {seen} of {pictures} pictures"
)
AGAIN = N_("measuring how near it is to the set after step {step}, {seen} of {pictures} pictures")
REPORTING = N_(
    "comparing what it makes with every picture of the set, {seen} of {pictures} looked at"
)
CURVES = (*FIGURES, "gradient", "augmentation")
"""Figures of a step; ``augmentation`` is ADA's probability."""


class GanTraining(Engine):
    """One step is one batch."""

    def __init__(self, params: Params, inputs: Inputs, device: torch.device) -> None:
        super().__init__(params, inputs, device)
        if not isinstance(params, GanTrainingParams):
            raise TypeError(f"{GAN_TRAINING.name} takes GanTrainingParams")
        self.params, self.inputs, self.device = params, inputs, device
        self.total_steps = params.steps
        beginning.set_up(device, params.deterministic)
        self.pictures = beginning.pictures(params, inputs, lambda: self.pulse())
        begun = beginning.model(params, inputs)
        self.config = beginning.config(params, self.pictures, begun)
        self.pair = beginning.pair(params, self.config, device, begun)
        self._loader = Loader(self.pictures, params.batch, params.mirror, params.seed)
        wanted = params.variety > 0
        usual = variety.usual(self.pictures, params.conditional) if wanted else torch.zeros(1)
        self._lesson = Lesson(params, self.config, usual, 2**inputs.smaller)
        self._fits: int | None = None
        # Where memory never ran out, nobody asks what would fit.
        self._sized = not inputs.smaller
        self.guard = Guard(cloned(self.pair.weights()))
        self.history = History(CURVES, params.steps)
        self.evaluation = Evaluation(params, inputs, self.config, self.pictures, device)
        self.measured = _measured(params)
        self._rests = KEPT_EVERY, params.samples_every, params.kid_every
        self._step, self._p = 0, 0.0
        self._signs = torch.zeros(2, device=device)
        self._read: list[float] = []
        self.best = self.pair.shown()
        self._set_spread = self._spread_of_the_set()

    @property
    def phase(self) -> Phase:
        """How far it is, and how near the samples were to the set when last measured."""
        values: dict[str, Any] = {"step": self._step, "steps": self.total_steps}
        if self.evaluation.looked is not None:
            looked = dict(zip(("seen", "pictures"), self.evaluation.looked, strict=True))
            if self.evaluation.reporting:
                return Phase(REPORTING, looked)
            if self._step:
                return Phase(AGAIN, {**values, **looked})
            return Phase(FIRST_OF_MODEL if self.params.init_from else FIRST, looked)
        if not self.evaluation.curve:
            return Phase(LEARNING, values)
        ends = self.evaluation.curve[-1], self.evaluation.curve[0]
        now, first = (f"{point.value:.3g}" for point in ends)
        return Phase(MEASURED, {**values, "kid": now, "first": first})

    @property
    def fitted(self) -> tuple[str, int] | None:
        """The largest batch that went through as a whole, once memory has run out."""
        return None if self._fits is None else ("batch", self._fits)

    @property
    def score(self) -> float | None:
        """Minus the distance that was last measured: higher is nearer to the set."""
        return self.evaluation.score

    @property
    def best_step(self) -> int | None:
        """After how many steps the maker was nearest to the set, which is what is delivered."""
        return self.evaluation.best.step if self.evaluation.best else None

    @property
    def facts(self) -> Mapping[str, Any]:
        """The network that measures, with the sha256 of the file its weights came from."""
        return self.evaluation.facts

    def frame_due(self) -> bool:
        """The first picture, the last one, one every so many steps between, and one of every
        measurement: the best is among them."""
        return self._due(self.params.samples_every) or self._due(self.params.kid_every)

    def notices(self) -> Sequence[Phase]:
        """What goes wrong, and what the samples do not show, in words."""
        said = (*self.guard.notices(self._step), *self.evaluation.notices())
        return (*said, *samples.notices(self.config))

    def beginning(self) -> Metrics:
        """How far from the set the maker is before it has learned anything."""
        return self._measure()

    def step(self) -> Metrics:
        """Learn from the next batch; measure, and keep what is good, where that is due."""
        if self._step == 0 and not self.evaluation.curve:
            self.beginning()
        batch = self._loader.batch(self._step)
        if not self._sized:
            self._find_what_fits(batch)
        self.pair.clear_gradients()
        figures = self._lesson.gradients(self.pair, batch, self._step, self._p)
        gradient = self.pair.gradient_norm()
        self.pair.descend(self._step)
        self._step += 1
        self._signs += torch.stack([figures[FIGURES.index("sign")], torch.ones_like(figures[0])])
        # Also before anything is kept, shown or measured: then it is of a good state.
        if any(map(self._due, (READ_EVERY[self.device.type], *self._rests))):
            self._look(torch.cat([figures, gradient[None]]).tolist())
        if self.params.augmentation == "ada" and self._step % augment.ADA_EVERY == 0:
            self._adapt()
        if self._due(self.params.samples_every):
            self.guard.see_spread(self._spread_of_the_samples())
        # A graphics card is not looked at after the first steps.
        read = zip(CURVES, self._read, strict=True) if self._read else ()
        metrics = {name: figure for name, figure in read if name in self.measured}
        if self._due(self.params.kid_every):
            metrics |= self._measure()
        return metrics

    def preview(self) -> Image.Image:
        """The grid of the same latents at every step, at most 1024 px."""
        return samples.shown(self.pair.average, self.config, self.params.seed)

    def outputs(self) -> Iterable[Output]:
        """The grid of the best model, the model, its curves and reports."""
        return works.of(self._run())

    def snapshot(self, of: Snapshot) -> Output | None:
        """The average maker of now, or the one that was nearest to the set once that is measured,
        with the judge."""
        return works.snapshot(self._run(), of)

    def state(self) -> State:
        """Networks, optimisers, averages, the state to roll back to, the best model, the curves."""
        tensors = cloned(self.pair.tensors())
        tensors |= prefixed("good", cloned(self.guard.good))
        tensors |= prefixed("best", cloned(self.best.maker))
        tensors |= prefixed("best_judge", cloned(self.best.judge))
        tensors |= {"signs": self._signs.clone(), "history": self.history.tensor()}
        facts = {
            "params": self.params.model_dump(mode="json"),
            "innovation": mixtures.RULE,
            "p": self._p,
            "read": list(self._read),
            "guard": self.guard.facts(),
            "history": self.history.facts(),
            "evaluation": self.evaluation.state(),
        }
        return State(self._step, tensors, facts)

    def load_state(self, state: State) -> None:
        """Continue from ``state``; :class:`StateError` names what does not belong to this job."""
        same_params(state, self.params)
        _same_rule(state, self.params)
        if not 0 <= state.step <= self.total_steps:
            raise StateError(f"step {state.step} is not one of this job's {self.total_steps}")
        good = {name: torch.empty_like(t) for name, t in self.pair.weights().items()}
        for prefix, ours in (("good", good), ("best", self.best.maker)):
            copy_all(dict(prefixed(prefix, ours)), state.tensors)
        # An earlier version paired the best maker with the judge of now.
        kept = any(name.startswith("best_judge.") for name in state.tensors)
        theirs = dict(prefixed("best_judge", self.best.judge))
        copy_all(theirs if kept else dict(prefixed("judge", self.best.judge)), state.tensors)
        copy_all({"signs": self._signs}, state.tensors)
        if "history" not in state.tensors:
            raise StateError("the state's tensor history is missing")
        self.pair.restore(state.tensors)
        try:
            facts = state.facts
            self._p = float(facts["p"])
            self.guard.restore(good, facts["guard"])
            self.history.restore(state.tensors["history"], facts["history"])
            read, names = facts["read"], facts["history"].get("names", EARLIER)
            self._read = [float(read[n]) for n in self.history.chosen(names)] if read else []
            self.evaluation.restore(facts["evaluation"])
        except (KeyError, TypeError, ValueError, IndexError) as missing:
            raise StateError(f"the state lacks or garbles {missing}") from missing
        self.pair.set_rate(self.guard.rate)
        self._step = state.step

    def _run(self) -> works.Run:
        return works.Run(
            self.params,
            self.inputs,
            self.config,
            len(self.pictures),
            self.pair,
            self.best,
            self._step,
            self.evaluation,
            self.history,
            self.guard.rollbacks,
            self.notices(),
            self.measured,
            self.pulse,
        )

    def _due(self, every: int) -> bool:
        return self._step % every == 0 or self._step == self.total_steps

    def _look(self, figures: list[float]) -> None:
        """Take the figures to the curves, or go back where they are not finite."""
        good = all(map(math.isfinite, figures))
        # The figures are of the weights before this step; those after it are kept or shown.
        if good and any(map(self._due, self._rests)):
            good = finite(self.pair.weights())
        if not good:
            self.guard.roll_back(self._step)
            self.pair.take_over(self.guard.good)
            self.pair.set_rate(self.guard.rate)
            return
        self._read = [*figures, self._p]
        self.history.add(self._step, self._read)
        self.guard.see_sign(figures[FIGURES.index("sign")], READ_EVERY[self.device.type])
        if self._step % KEPT_EVERY == 0:
            self.guard.keep(cloned(self.pair.weights()))

    def _find_what_fits(self, batch: Batch) -> None:
        """Try ever larger batches up to a piece; told as it goes, as the next may be the end."""
        piece = max(1, self.params.batch // 2**self.inputs.smaller)
        for size in fitting.tried(self.params, self._lesson, self.pair, batch, piece, self._p):
            self._fits = size
            self.pulse()
        self._sized = True

    def _adapt(self) -> None:
        """ADA: the probability follows the mean sign since it last changed."""
        total, count = self._signs.tolist()
        if math.isfinite(total):
            self._p = augment.next_probability(self._p, total / count, self.params.batch)
        self._signs.zero_()

    def _measure(self) -> dict[str, float]:
        """Nearness to the set, as figures; the nearest model is kept."""
        found, nearest = self.evaluation.measure(self.pair.average, self._step, self.pulse)
        if nearest:
            self.best = self.pair.shown()
        return found.figures()

    def _spread_of_the_samples(self) -> float:
        pictures = samples.cells(self.pair.average, self.config, self.params.seed)
        labels = samples.fixed(self.config, self.params.seed).labels
        return spread(pictures, labels) / self._set_spread

    def _spread_of_the_set(self) -> float:
        """Of the labels that the samples are of: a grid does not hold any number of them."""
        known, shown = self.pictures.labels, samples.fixed(self.config, self.params.seed).labels
        chosen, labels = np.arange(len(self.pictures)), None
        if known is not None and shown is not None:
            chosen = np.flatnonzero(np.isin(known, shown.numpy()))
        seen, few = variety.looked_at(self.pictures, chosen)
        if known is not None and shown is not None:
            labels = torch.from_numpy(known[few])
        return max(spread(seen, labels), 1e-6)


def _same_rule(state: State, params: GanTrainingParams) -> None:
    """:class:`StateError` where the dial meant something else to the run that left ``state``."""
    if params.innovation and state.facts.get("innovation") != mixtures.RULE:
        raise StateError(
            f"innovation {params.innovation:g} meant something else in the version that left the"
            " state"
        )


def _measured(params: GanTrainingParams) -> frozenset[str]:
    """The figures that mean something for these parameters; the others stay 0."""
    wanted = {
        "r1": params.r1 > 0,
        "redrawing": params.architecture == "light",
        "augmentation": params.augmentation == "ada",
    }
    return frozenset(name for name in CURVES if wanted.get(name, True))
