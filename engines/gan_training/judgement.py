"""What a discriminator says of pictures."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Judgement:
    """Of N pictures: ``verdict`` (N,) without a sigmoid; ``maps`` by side, from which small
    decoders redraw the pictures; empty without decoders."""

    verdict: Tensor
    maps: dict[int, Tensor]
