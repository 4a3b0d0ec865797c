"""How near the made pictures are to the set, at intervals and at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from engines.datasets.prepared import Pixels, Prepared
from engines.engine import InputError, Inputs, Phase
from engines.gan_training import samples
from engines.gan_training.arithmetic import MOST_REAL
from engines.gan_training.config import ModelConfig
from engines.gan_training.figures import NEARNESS
from engines.gan_training.kind import GanTrainingParams
from engines.gan_training.stylist import Stylist
from engines.kind import N_
from engines.state import generator
from engines.vision import looking, sets
from engines.vision.network import FeatureNetwork
from engines.vision.weights import WeightsError, find, verify

K = 3


PATIENCE = 3
"""Measurements after the beginning, before it is said that none is nearer to the set."""

NO_NEARER = N_(
    "Nothing that it has learned is nearer to the set than the model that it began from:"
    " that one's distance is {first}, the least since then {since}. So that one is the best, and is"
    " what you get. Change it and make it again: halve the 'Rate of the making network' and the"
    " 'Rate of the judging network', raise 'Frozen blocks', or give it more 'Steps'."
)
NO_NEARER_THAN_NOISE = N_(
    "Nothing that it has learned is nearer to the set than the noise that it began from:"
    " {since} at the least, noise {first}. Give it more 'Steps'; if it does not come nearer, halve"
    " the 'Rate of the making network' and the 'Rate of the judging network'."
)


class Point(NamedTuple):
    """KID after ``step`` steps, with its interval, see :data:`.figures.NEARNESS`."""

    step: int
    value: float
    low: float
    high: float

    def figures(self) -> dict[str, float]:
        """As figures of a step."""
        return {"kid": self.value, NEARNESS.low: self.low, NEARNESS.high: self.high}


class Evaluation:
    """Measures the average maker on the packaged feature network, on the same latents always."""

    def __init__(
        self,
        params: GanTrainingParams,
        inputs: Inputs,
        config: ModelConfig,
        pictures: Prepared,
        device: torch.device,
    ) -> None:
        self._params, self._inputs, self._config, self._device = params, inputs, config, device
        chosen = torch.randperm(len(pictures), generator=generator(params.seed, "compared", 0))
        self._chosen = chosen[:MOST_REAL].sort().values.numpy()
        self._pictures = pictures
        often = None
        if config.conditional and pictures.labels is not None:
            # As in the set: its mixture of labels is part of what is measured.
            often = np.bincount(pictures.labels, minlength=len(config.labels))
        self._wishes = samples.wishes(config, params.kid_samples, params.seed, "measured", often)
        self._network: FeatureNetwork | None = None
        self._real: Tensor | None = None
        self.curve: list[Point] = []
        self.best: Point | None = None
        self.looked: tuple[int, int] | None = None
        """In the measurement that is under way, pictures looked at and to be looked at."""
        self.reporting = False
        """Whether that is the last one, of the finished model."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """The feature network, as a recipe names it."""
        path = find("vgg16", self._inputs.weights)
        return {"network": {"name": "vgg16", "sha256": verify(path)}} if path else {}

    def measure(self, maker: nn.Module, step: int, pulse: Callable[[], None]) -> tuple[Point, bool]:
        """KID of the maker after ``step`` steps, and whether it is the best so far.

        Noise is no best, however near: only what was taught, by this run or before it began.
        """
        made, real = len(self._wishes.z), len(self._chosen) if self._real is None else 0
        self.looked = 0, made + real
        points = self._points(self._made(maker), looking.SIDE, pulse)
        found = Point(step, *sets.kid(self._real_points(pulse), points, self._params.seed))
        self.looked = None
        self.curve.append(found)
        nearer = self.best is None or found.value < self.best.value
        better = nearer and self._taught(found)
        if better:
            self.best = found
        return found, better

    @property
    def score(self) -> float | None:
        """Minus the distance last measured: higher is nearer. None before anything was taught."""
        last = self.curve[-1] if self.curve else None
        return -last.value if last and self._taught(last) else None

    def notices(self) -> Sequence[Phase]:
        """What to do where nothing that was measured since the beginning is nearer to the set."""
        ended = bool(self.curve) and self.curve[-1].step == self._params.steps
        if len(self.curve) <= (1 if ended else PATIENCE):
            return ()
        first, *since = (point.value for point in self.curve)
        if first > min(since):
            return ()
        values = {"first": f"{first:.3g}", "since": f"{min(since):.3g}"}
        return (
            Phase(NO_NEARER_THAN_NOISE if self._params.init_from is None else NO_NEARER, values),
        )

    def report(self, maker: nn.Module, pulse: Callable[[], None]) -> Report:
        """All that is measured of a finished model; ``maker`` holds its weights. Copies are looked
        for among all pictures of the set, also mirrored where training mirrored them."""
        unseen = 2 * len(self._wishes.z) + (len(self._chosen) if self._real is None else 0)
        ways = (False, True) if self._params.mirror else (False,)
        self.looked, self.reporting = (0, unseen + len(ways) * len(self._pictures)), True
        made, real = self._points(self._made(maker), looking.SIDE, pulse), self._real_points(pulse)
        copies = sets.memorised(
            self._points(self._made(maker), looking.COPY_SIDE, pulse),
            *(self._points(self._all(way), looking.COPY_SIDE, pulse) for way in ways),
        )
        self.looked, self.reporting = None, False
        return Report(made, real, copies, self._entropy(made, real), len(self._pictures))

    def pairs(self, maker: nn.Module, report: Report, most: int) -> tuple[Pixels, Pixels]:
        """The ``most`` made pictures nearest to a training picture, nearest first, and those."""
        order = report.copies.ratios.argsort(stable=True)[:most]
        made = torch.cat(list(samples.made(maker, self._wishes.of(order))))
        near = self._pictures.images[report.copies.nearest[order].numpy()]
        return samples.as_bytes(made), near

    def state(self) -> dict[str, Any]:
        """The curve and the best point, as JSON."""
        best = None if self.best is None else list(self.best)
        return {"curve": [list(point) for point in self.curve], "best": best}

    def restore(self, facts: dict[str, Any]) -> None:
        """Take over :meth:`state`."""
        self.curve = [Point(*point) for point in facts["curve"]]
        best = None if facts["best"] is None else Point(*facts["best"])
        self.best = best if best and self._taught(best) else None

    def _taught(self, point: Point) -> bool:
        return point.step > 0 or self._params.init_from is not None

    def _made(self, maker: nn.Module) -> Iterator[Pixels]:
        return map(samples.as_bytes, samples.made(maker, self._wishes))

    def _compared(self) -> Iterator[Pixels]:
        for begin in range(0, len(self._chosen), sets.BATCH):
            yield self._pictures.images[self._chosen[begin : begin + sets.BATCH]]

    def _all(self, mirrored: bool) -> Iterator[Pixels]:
        for begin in range(0, len(self._pictures), sets.BATCH):
            part = self._pictures.images[begin : begin + sets.BATCH]
            yield part[:, :, ::-1] if mirrored else part

    def _real_points(self, pulse: Callable[[], None]) -> Tensor:
        if self._real is None:
            self._real = self._points(self._compared(), looking.SIDE, pulse)
        return self._real

    def _points(self, parts: Iterable[Pixels], side: int, pulse: Callable[[], None]) -> Tensor:
        if self._network is None:
            try:
                self._network = sets.load_network(self._inputs.weights, self._device)
            except WeightsError as failure:
                raise InputError("/kid_every", str(failure)) from failure
        return torch.cat([self._embedded(part, side, pulse) for part in parts])

    def _embedded(self, part: Pixels, side: int, pulse: Callable[[], None]) -> Tensor:
        assert self._network is not None
        points = sets.embed(self._network, part, pulse, side)
        if self.looked is not None:
            self.looked = self.looked[0] + len(part), self.looked[1]
            pulse()
        return points

    def _entropy(self, made: Tensor, real: Tensor) -> float | None:
        """Mean entropy of what style the made pictures are of, over log K; None without labels."""
        if self._pictures.labels is None or len(self._config.labels) < 2:
            return None
        labels = torch.from_numpy(self._pictures.labels[self._chosen])
        return Stylist(real, labels, len(self._config.labels)).entropy(made)


class Report(NamedTuple):
    """Measures of one model: points of made and real pictures, the copies among the made ones, the
    share of the largest possible style entropy, and among how many pictures of the set copies were
    looked for."""

    made: Tensor
    real: Tensor
    copies: sets.Memorised
    entropy: float | None
    looked_through: int

    def figures(self) -> dict[str, Any]:
        """The figures as JSON; ``innovation`` is None for a set without labels."""
        precision, recall = sets.precision_recall(self.real, self.made, K)
        share = self.copies.share
        parts = None
        if self.entropy is not None:
            parts = {
                "style_entropy": self.entropy,
                "precision": precision,
                "not_memorised": 1 - share,
                "product": self.entropy * precision * (1 - share),
            }
        return {
            "made": len(self.made),
            "compared": len(self.real),
            "looked_through_for_copies": self.looked_through,
            "precision": precision,
            "recall": recall,
            "diversity": sets.diversity(self.made),
            "diversity_of_the_set": sets.diversity(self.real),
            "memorised": share,
            "innovation": parts,
        }
