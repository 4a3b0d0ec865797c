"""Measures between sets of pictures, on the packaged feature network.

None of these figures is a FID, whose network is another one: compare them only with figures of
the same network (its sha256 stands beside every figure), and say how many pictures they are of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engines.state import generator
from engines.vision import network as networks
from engines.vision.looking import SIDE
from engines.vision.network import FeatureNetwork

Pictures: TypeAlias = "Tensor | np.ndarray[Any, np.dtype[Any]]"
"""(n, 3, H, W) floats in [0, 1], or (n, H, W, 3) bytes; a memory-mapped array is read by batch."""

TAPS = ("1_2", "2_2", "3_3", "4_3", "5_3")
BATCH = 32
ROWS = 1024
SUBSETS = 200
FEWEST = 4
"""Pictures in each set below which there is no interval."""

MEMORISED = 0.3
SAME = 0.05
"""Training pictures nearer to each other than this share of the usual are one picture twice."""

TWINS = 16
"""So many of the nearest are looked through for one that is not the same picture again."""

INDISTINCT = 1e-3
"""Of a point's length: neighbours count as no nearer. Else, in a set that is one picture again and
again, rounding would be what a copy of it is compared with."""


class Interval(NamedTuple):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


class PrecisionRecall(NamedTuple):
    """Both in [0, 1]: the share of made pictures that could be real, and the reverse."""

    precision: float
    recall: float


@dataclass(frozen=True)
class Memorised:
    """For each made picture: ``nearest`` (m,) is the index of the training picture nearest to it,
    ``ratios`` (m,) how near it is (see :func:`memorised`), ``flagged`` (m,) whether too near."""

    nearest: Tensor
    ratios: Tensor
    flagged: Tensor

    @property
    def share(self) -> float:
        """Share of the made pictures that are flagged."""
        return float(self.flagged.double().mean())


def load_network(weights: Path, device: torch.device) -> FeatureNetwork:
    """The packaged VGG-16 up to the last tap; :class:`engines.vision.weights.WeightsError`."""
    return networks.load("vgg16", weights, device, last=TAPS[-1])


@torch.no_grad()
def embed(
    network: FeatureNetwork,
    pictures: Pictures,
    pulse: Callable[[], None] = lambda: None,
    side: int = SIDE,
) -> Tensor:
    """One point per picture, (n, d) float32 on the CPU.

    Pictures are resized to ``side`` px with antialiasing; more shows finer detail, and figures of
    different sides do not compare. Each tap's channels are normalised
    to unit length at every position, as in LPIPS (Zhang et al. 2018), and averaged over positions;
    scaled so that x.y / d is the mean over the taps of these vectors' inner products, in [0, 1].
    ValueError where there is no picture.
    """
    if len(pictures) == 0:
        raise ValueError("no picture to look at")
    found = []
    for batch in _batches(pictures, side, network.mean.device):
        features = network(batch, TAPS)
        pooled = [functional.normalize(features[tap], dim=1).mean((2, 3)) for tap in TAPS]
        point = torch.cat(pooled, 1)
        found.append((point * (point.shape[1] / len(TAPS)) ** 0.5).cpu())
        pulse()
    return torch.cat(found)


def kid(real: Tensor, made: Tensor, seed: int, subsets: int = SUBSETS) -> Interval:
    """The kernel distance of two sets of points, (n, d) and (m, d), with a 95 % interval.

    The unbiased squared maximum mean discrepancy under the kernel (x.y / d + 1)^3 (Binkowski et
    al. 2018): around 0, so also below it, for two samples of one distribution. The interval
    spans the estimates from ``subsets`` random halves of each set: they have the whole's mean,
    and its variance (halves without replacement; Politis, Romano, Wolf 1999). Deterministic by
    ``seed``. ValueError with fewer than :data:`FEWEST` points in a set.
    """
    if min(len(real), len(made)) < FEWEST:
        raise ValueError(f"kid needs {FEWEST} pictures in each set: {len(real)} and {len(made)}")
    real, made = real.double(), made.double()
    kernels = (_kernel(real, real), _kernel(made, made), _kernel(real, made))
    draws = generator(seed, "kid", 0)
    halves = [_halves(len(points), subsets, draws) for points in (real, made)]
    value = _discrepancy(kernels, *(torch.ones(1, len(p)).double() for p in (real, made)))
    estimates = _discrepancy(kernels, *halves)
    low, high = estimates.quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    return Interval(float(value), low, high)


def precision_recall(real: Tensor, made: Tensor, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall (Kynkaanniemi et al. 2019) of (n, d) and (m, d) points.

    A point belongs to a set where it lies within the distance of one of the set's points to its
    own ``k``-th neighbour. ValueError where a set has not more than ``k`` points.
    """
    if min(len(real), len(made)) <= k:
        raise ValueError(f"each set needs more than {k} pictures: {len(real)} and {len(made)}")
    return PrecisionRecall(_share_within(made, real, k), _share_within(real, made, k))


def nearest(made: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """For each of (m, d) the Euclidean distance to the nearest of (n, d), and its index: (m,)
    float64 and (m,) int64."""
    found = [distances.min(1) for _, distances in _distances(made, real)]
    return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])


def memorised(made: Tensor, real: Tensor, mirrored: Tensor | None = None) -> Memorised:
    """Which of the (m, d) made points are copies of one of the (n, d) training points; both
    embedded at :data:`.looking.COPY_SIDE`. ``mirrored`` are those of the training pictures' mirror
    images, where training showed them too: a copy of one is a copy of its picture.

    The ratio is a made picture's distance to its nearest training picture over the distance of
    that one to its own nearest other: about 1 for new works of the same hand, 0 for a copy,
    flagged below :data:`MEMORISED`. Pictures that stand twice in the training set
    (:data:`SAME`) do not count as each other's neighbours. ValueError with fewer than 2 real.
    """
    if len(real) < 2:
        raise ValueError("one training picture has no neighbour to compare with")
    distances, indices = nearest(made, real)
    if mirrored is not None:
        others, otherwise = nearest(made, mirrored)
        indices = torch.where(others < distances, otherwise, indices)
        distances = torch.minimum(distances, others)
    ratios = distances / _neighbour_distances(real)[indices]
    return Memorised(indices, ratios, ratios < MEMORISED)


def diversity(made: Tensor) -> float:
    """Mean Euclidean distance between two of the (m, d) points: 0 where all are the same. Compare
    it with that of the training set. ValueError with fewer than 2."""
    if len(made) < 2:
        raise ValueError("one picture has no diversity")
    total = sum(float(distances.sum()) for _, distances in _distances(made, made))
    return total / (len(made) * (len(made) - 1))


def _batches(pictures: Pictures, side: int, device: torch.device) -> Iterator[Tensor]:
    """(at most BATCH, 3, side, side) floats in [0, 1], on ``device``."""
    for first in range(0, len(pictures), BATCH):
        part = pictures[first : first + BATCH]
        # a copy: torch warns of arrays that cannot be written, and a mapped file cannot
        batch = torch.from_numpy(np.array(part)) if isinstance(part, np.ndarray) else part
        if batch.dtype == torch.uint8:
            batch = batch.permute(0, 3, 1, 2).to(device).float() / 255
        batch = batch.to(device, torch.float32)
        if batch.shape[-2:] != (side, side):
            batch = functional.interpolate(
                batch, (side, side), mode="bilinear", antialias=True, align_corners=False
            )
        yield batch.contiguous(memory_format=torch.channels_last)


def _kernel(first: Tensor, second: Tensor) -> Tensor:
    return (first @ second.T / first.shape[1] + 1) ** 3


def _halves(count: int, subsets: int, draws: torch.Generator) -> Tensor:
    """(subsets, count) of ones and zeros, half of each row ones."""
    order = torch.rand(subsets, count, generator=draws).argsort(1)
    return torch.zeros(subsets, count).double().scatter_(1, order[:, : (count + 1) // 2], 1.0)


def _discrepancy(kernels: tuple[Tensor, Tensor, Tensor], real: Tensor, made: Tensor) -> Tensor:
    """(b,) estimates for the members that the rows of ones in (b, n) and (b, m) choose."""
    within_real, within_made, across = kernels
    both = ((real @ across) * made).sum(1) / (real.sum(1) * made.sum(1))
    return _mean_pair(within_real, real) + _mean_pair(within_made, made) - 2 * both


def _mean_pair(kernel: Tensor, members: Tensor) -> Tensor:
    """The mean of the kernel over ordered pairs of two different members."""
    pairs = ((members @ kernel) * members).sum(1) - members @ kernel.diagonal()
    count = members.sum(1)
    return pairs / (count * (count - 1))


def _share_within(points: Tensor, crowd: Tensor, k: int) -> float:
    """Share of ``points`` that lie within some ball of ``crowd``."""
    radii = torch.cat(
        [distances.kthvalue(k + 1, dim=1).values for _, distances in _distances(crowd, crowd)]
    )  # k + 1: the nearest of all is the point itself
    within = [(distances <= radii).any(1) for _, distances in _distances(points, crowd)]
    return float(torch.cat(within).double().mean())


def _neighbour_distances(real: Tensor) -> Tensor:
    """(n,) the distance of each to the nearest other that is not the same picture again."""
    near, apart = [], []
    for block in _distances(real, real):
        others = _to_others(*block)
        near.append(others.topk(min(TWINS, len(real) - 1), largest=False).values)
        apart.append(others.median(1).values)
    nearest_others, usual = torch.cat(near), torch.cat(apart).median()
    # What is usual among neighbours is seen once twins are left out, by what is usual among all:
    # where most pictures have a twin the nearest are twins.
    for _ in range(2):
        twins = nearest_others < SAME * usual
        own = nearest_others.masked_fill(twins, torch.inf).min(1).values
        known = own[own.isfinite()]
        usual = known.median() if len(known) else usual
    length = real.double().norm(dim=1).mean()
    return torch.where(own.isinf(), usual, own).clamp_min(INDISTINCT * length)


def _to_others(first: int, distances: Tensor) -> Tensor:
    """``distances`` of the rows from ``first`` on, with those of each point to itself infinite."""
    rows = torch.arange(len(distances))
    distances[rows, rows + first] = torch.inf
    return distances


def _distances(rows: Tensor, columns: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Euclidean distances, float64, a block of rows at a time with the index of its first row.

    Through products in float64: exact to 1e-7 of a point's length, about what two float32
    passes of one picture differ by.
    """
    columns = columns.double()
    lengths = columns.square().sum(1)
    for first in range(0, len(rows), ROWS):
        block = rows[first : first + ROWS].double()
        squares = block.square().sum(1, keepdim=True) + lengths - 2 * block @ columns.T
        yield first, squares.clamp_min(0).sqrt()
