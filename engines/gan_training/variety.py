"""A pull that keeps made pictures as different from each other as those of the set are.

A maker that is given labels soon makes one picture for each: the label says all that the judge
asks for (Shahbazi et al. 2022). Mode seeking (Mao et al. 2019) pushes pictures of different latents
apart without end, which drives them to black and white; this one stops where two pictures of a
label differ as much as two of the set's, as :func:`engines.gan_training.guard.spread` sees them.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engines.datasets.prepared import Prepared
from engines.gan_training.data import Batch
from engines.gan_training.guard import small, spread

MANY = 256
"""From twice so many pictures on only some are looked at, at least so many."""

AT_A_TIME = 16


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
    seen = small(made).flatten(1)
    squares = (seen[first] - seen[second]).square().mean(1)
    ratios = (squares + SAME**2).sqrt() / torch.where(known, differ, 1.0)
    ratio = torch.where(known, ratios, 0.0).sum() / known.sum().clamp_min(1)
    return torch.where(known.any(), (1 - ratio).relu(), 0.0)


def looked_at(pictures: Prepared, chosen: NDArray[np.int64]) -> tuple[Tensor, NDArray[np.int64]]:
    """Some pictures of the set, of those at the positions ``chosen``: (N, 3, 16, 16) in [-1, 1],
    and where they stand. As they are in it, a set's would fill the memory at 512 px."""
    few = chosen[:: max(1, len(chosen) // MANY)]
    parts = [
        Batch(torch.from_numpy(np.array(pictures.images[some])), None)
        for some in np.split(few, range(AT_A_TIME, len(few), AT_A_TIME))
    ]
    return torch.cat([small(part.scaled(torch.device("cpu"))) for part in parts]), few


def _spread(pictures: Prepared, chosen: NDArray[np.int64]) -> float:
    return spread(looked_at(pictures, chosen)[0]) if len(chosen) > 1 else 0.0
