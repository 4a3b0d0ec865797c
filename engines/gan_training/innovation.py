"""The dial from imitation to innovation: towards pictures that no style of the set claims alone.

Creative Adversarial Networks (Elgammal et al. 2017) add the ambiguity of the judge's style head to
the maker's loss. By itself it is met with patterns that only this head cannot place: the head
called such pictures undecided (0.87 of the largest entropy), a classifier apart was sure of them
(0.10) and the judge of none. Hence: the dial comes up when the set has been learned
(:func:`risen`); a share of the real pictures is then blended with others (:func:`blended`), so that
the judge takes pictures between styles for real, and its head knows how much of each they hold; and
the ambiguity pulls as the dial says, in lengths of the verdict's own gradient
(:func:`engines.gan_training.losses.as_long_as`), which a judge that is sure outweighs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engines.gan_training.kind import GanTrainingParams
from engines.state import State, StateError

LEARNED, RISEN = 0.5, 0.75
"""Shares of the steps: so long the dial stays at 0, and by then it has come up to where it was
set. Styles must be known before they can be left."""

PULL = 0.25
"""Length of the pull at the dial 1, of the gradient of a made picture's verdict."""

RULE = 2
"""Of how the dial works; a state of a run with another one is not gone on from."""


def risen(step: int, steps: int) -> float:
    """The share of the dial that counts at ``step`` of ``steps``, in [0, 1]; 1 at the last."""
    if step >= steps - 1:
        return 1.0
    return min(max((step / steps - LEARNED) / (RISEN - LEARNED), 0.0), 1.0)


def settled(params: GanTrainingParams, step: int) -> bool:
    """Whether a model after ``step`` steps was last taught with all of the dial."""
    return not params.innovation or risen(step - 1, params.steps) == 1


def shares(dial: float) -> tuple[float, float]:
    """Shares of the real pictures that get a first and a second piece of others: none at 0, a half
    and a quarter at 1, all from 2 on."""
    first = min(dial / 2, 1.0)
    return first, first**2


def boxes(n: int, side: int, share: float, draws: torch.Generator) -> Tensor:
    """(n, 4) top, bottom, left, right of squares of any area and place in pictures of ``side`` px;
    empty for all but a ``share`` of them, in [0, 1]."""
    chosen, areas, *place = torch.rand(4, n, generator=draws)
    long = torch.where(chosen < share, (areas.sqrt() * side).round(), 0.0).long()
    top, left = ((side - long + 1) * torch.stack(place)).long()
    return torch.stack([top, top + long, left, left + long], 1)


def blended(pictures: Tensor, styles: Tensor, box: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (N, 3, S, S) with a ``box`` of the one before each, and their styles (N, K) by area.

    CutMix (Yun et al. 2019).
    """
    along = torch.arange(pictures.shape[-1], device=box.device)
    rows = (along >= box[:, :1]) & (along < box[:, 1:2])
    columns = (along >= box[:, 2:3]) & (along < box[:, 3:])
    inside = rows[:, :, None] & columns[:, None, :]
    found = torch.where(inside[:, None], pictures.roll(1, 0), pictures)
    area = inside.float().mean((1, 2))[:, None]
    return found, styles.lerp(styles.roll(1, 0), area)


def same_rule(state: State, params: GanTrainingParams) -> None:
    """:class:`StateError` where the run that left ``state`` had a dial that works otherwise."""
    if params.innovation and state.facts.get("innovation") != RULE:
        raise StateError(
            f"innovation {params.innovation:g} meant something else in the version that left the"
            " state"
        )
