"""How much arithmetic a style transfer takes. No torch here.

Counted are the products and additions of the feature network's convolutions, there and back to the
picture, and of the maps' second moments. Not counted are the pooling, the eigenvalues, the pyramid,
the optimiser and whatever else treats each number by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engines.style_transfer import scales
from engines.style_transfer.scales import CONTENT_TAP, RIM, STYLE_TAPS, VIEWS, Scale
from engines.vision import looking

USUAL = (4, 3)
"""Sides of a picture of which nothing is known, up to a factor."""

AUTOMATIC = "vgg16"
"""What ``auto`` counts as. VGG-19, where it has been added, takes 1.3 times as much."""

Sides = tuple[int, int]


def transfer(
    ours: Mapping[str, Any], photo: Sides | None, paintings: Sequence[Sides | None]
) -> float:
    """Operations of a whole job with the parameters ``ours``, from pictures of these sides."""
    network = AUTOMATIC if ours["features"] == "auto" else ours["features"]
    plan = scales.plan(ours["size"], ours["start_size"], ours["iterations"])
    return sum(_at(scale, network, ours["style_scale"], photo, paintings) for scale in plan)


def _at(
    scale: Scale,
    network: str,
    style_scale: float,
    photo: Sides | None,
    paintings: Sequence[Sides | None],
) -> float:
    """The steps of a scale; before them the paintings are looked at, and the photo in each view."""
    steps, seen = scale.end - scale.first, _pixels(photo, scale.size, RIM)
    look, moments = _look(network, seen), looking.compared(STYLE_TAPS, seen)
    total = steps * 2 * (look + moments)
    total += min(steps, VIEWS) * looking.arithmetic(network, CONTENT_TAP, seen)
    for painting in paintings:
        pixels = _pixels(painting, scale.size * style_scale)
        total += _look(network, pixels) + looking.compared(STYLE_TAPS, pixels)
    return total


def _look(network: str, pixels: float) -> float:
    return looking.arithmetic(network, STYLE_TAPS[-1], pixels)


def _pixels(sides: Sides | None, long: float, rim: int = 0) -> float:
    """Of a picture brought to ``long`` px on its long side."""
    known = sides or USUAL
    return (long + rim) * (long * min(known) / max(known) + rim)
