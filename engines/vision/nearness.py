"""How near a picture has come to a painting, and how much of the photo's structure is left.

Measured on layers and with a pooling that are not those of the optimisation, so that it cannot
simply be optimised away.
"""

from __future__ import annotations

import statistics as averages
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from engines import pictures
from engines.vision import network
from engines.vision.statistics import Target, moments, wasserstein
from engines.vision.tensors import as_tensor

LONG_SIDE = 320
TAPS = ("1_2", "2_2", "3_3", "4_3", "5_3")


@dataclass(frozen=True)
class Nearness:
    """``style``: 1 is as near as a half of the painting itself, a photo lies at 2 to 3.5.
    ``structure``: correlation of edges with the photo, 1 where they are the same."""

    style: float
    structure: float


class Measure:
    """Nearness with the packaged VGG-16 and 2x2 average pooling, at 320 px on the long side."""

    def __init__(self, folder: Path = Path()) -> None:
        self.network = network.load("vgg16", folder, torch.device("cpu"), pooling="average")

    def __call__(self, result: Image.Image, photo: Image.Image, painting: Image.Image) -> Nearness:
        """How ``result`` stands between ``photo`` and ``painting``, all of any size."""
        return Nearness(self.style(result, painting), structure(result, photo))

    @torch.no_grad()
    def style(self, result: Image.Image, painting: Image.Image) -> float:
        """Mean over layers of the distance to the painting over that of its own four halves."""
        original = _small(painting)
        whole, made = self._features(original), self._features(_small(result))
        halves = [self._features(half) for half in _halves(original)]
        ratios = []
        for tap in TAPS:
            target = Target(moments(whole[tap]), torch.float64)
            own = averages.fmean(_distance(half[tap], target) for half in halves)
            ratios.append(_distance(made[tap], target) / own)
        return averages.fmean(ratios)

    def _features(self, picture: Image.Image) -> dict[str, Tensor]:
        found = self.network(as_tensor(picture), TAPS)
        # float64: the ratio of two small distances must not hang on rounding
        return {tap: features.double() for tap, features in found.items()}


def _distance(features: Tensor, target: Target) -> float:
    return float(wasserstein(features, target).clamp_min(0).sqrt())


def structure(result: Image.Image, photo: Image.Image) -> float:
    """Correlation, in [-1, 1], of the 4x4-averaged grey gradients of both pictures."""
    size = _small(photo).size
    grey = [
        as_tensor(picture.resize(size, Image.Resampling.LANCZOS)).mean(1, keepdim=True)
        for picture in (result, photo)
    ]
    edges = torch.stack([_gradients(picture) for picture in grey])
    return float(torch.corrcoef(edges)[0, 1])


def _gradients(grey: Tensor) -> Tensor:
    parts = (grey.diff(dim=-1), grey.diff(dim=-2))
    return torch.cat([functional.avg_pool2d(part, 4).flatten() for part in parts])


def _small(picture: Image.Image) -> Image.Image:
    if max(picture.size) == LONG_SIDE:
        return picture
    return pictures.fit_long_side(picture, LONG_SIDE)


def _halves(picture: Image.Image) -> list[Image.Image]:
    width, height = picture.size
    boxes = [
        (0, 0, width, height // 2),
        (0, height // 2, width, height),
        (0, 0, width // 2, height),
        (width // 2, 0, width, height),
    ]
    return [picture.crop(box) for box in boxes]
