"""A pull that keeps made pictures as different from each other as those of the set are.

A maker that is given labels soon makes one picture for each: the label says all that the judge
asks for (Shahbazi et al. 2022). Mode seeking (Mao et al. 2019) pushes pictures of different latents
apart without end, which drives them to black and white; this one stops where two pictures of a
label differ as much as two of the set's, seen at 16 px as :func:`engines.gan_training.guard.spread`
sees them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engines.datasets.prepared import Prepared
from engines.gan_training.guard import spread

SEEN = 16
"""Side in px at which pictures are compared."""

MOST = 256
"""Pictures of a label that its usual difference is taken from, at most."""

SAME = 1e-4
"""The smallest difference, of colours in [-1, 1], that has a direction."""


def usual(pictures: Prepared, conditional: bool) -> Tensor:
    """(K,) how much two pictures of each label differ, root mean square; 0 for a label of one.

    Without ``conditional`` all pictures are of one label.
    """
    labels = pictures.labels
    if not conditional or labels is None:
        return torch.tensor([_spread(pictures, np.arange(len(pictures)))])
    chosen = [np.flatnonzero(labels == label) for label in range(len(pictures.label_names))]
    return torch.tensor([_spread(pictures, few) for few in chosen])


def shortfall(made: Tensor, labels: Tensor | None, usual: Tensor) -> Tensor:
    """By what share the made pictures (N, 3, S, S) of a label differ less than is ``usual``; (),
    0 where they differ as much or more. Each is compared with the next of its label (N,)."""
    if labels is None:
        labels = torch.zeros(len(made), dtype=torch.int64, device=made.device)
    order = labels.argsort(stable=True)
    first, second = order[:-1], order[1:]
    differ = usual[labels[first]]
    known = (labels[first] == labels[second]) & (differ > 0)
    small = functional.avg_pool2d(made, made.shape[-1] // SEEN).flatten(1)
    squares = (small[first] - small[second]).square().mean(1)
    ratios = (squares + SAME**2).sqrt() / torch.where(known, differ, 1.0)
    ratio = torch.where(known, ratios, 0.0).sum() / known.sum().clamp_min(1)
    return torch.where(known.any(), (1 - ratio).relu(), 0.0)


def _spread(pictures: Prepared, chosen: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    few = chosen[:: max(1, len(chosen) // MOST)]
    if len(few) < 2:
        return 0.0
    seen = torch.from_numpy(np.array(pictures.images[few])).permute(0, 3, 1, 2)
    return spread(seen.float() * (2 / 255) - 1)
