"""A picture in tiles that see enough of their surroundings to be exact.

A convolutional network's activations at a place depend on a bounded part of the picture. A tile
that carries that much more on each side than its core, its halo, has in its core the very
activations of the whole picture; the halo's are thrown away. No torch here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

GRID = 16
"""Pixels to a point of the fifth block: tiles begin on this grid, or pooling would shift."""

HALO = 80
"""Pixels that the first convolution of the fifth block sees beyond its own 16: at most 73 in the
VGG-16 with blurred pooling, 70 in the VGG-19 with 2x2 maxima; on the grid."""

Span = tuple[int, int]


@dataclass(frozen=True)
class Tile:
    """Rows and columns, each as (first, end) in pixels: the ``core`` and with its halo ``seen``."""

    core: tuple[Span, Span]
    seen: tuple[Span, Span]

    def of_picture(self) -> tuple[slice, slice]:
        """Where it lies in the picture, halo included."""
        return slice(*self.seen[0]), slice(*self.seen[1])

    def within(self, height: int, width: int, shrink: int) -> tuple[slice, slice]:
        """Where its core lies in its own activations of ``height`` x ``width`` points, of which
        each is ``shrink`` pixels wide; a tile at the picture's end takes what is left there."""
        rows = _points(self.core[0], self.seen[0], height, shrink)
        return rows, _points(self.core[1], self.seen[1], width, shrink)


def split(height: int, width: int, side: int) -> list[Tile]:
    """Tiles whose cores cover the picture once, about ``side`` pixels high and wide at most."""
    rows, columns = list(_spans(height, side)), list(_spans(width, side))
    return [Tile((row[0], column[0]), (row[1], column[1])) for row in rows for column in columns]


def _spans(length: int, side: int) -> Iterator[tuple[Span, Span]]:
    many = max(1, -(-length // max(side, GRID)))
    cuts = [GRID * round(length * cut / many / GRID) for cut in range(many)] + [length]
    for first, end in pairwise(cuts):
        yield (first, end), (max(0, first - HALO), min(length, end + HALO))


def _points(core: Span, seen: Span, length: int, shrink: int) -> slice:
    first = (core[0] - seen[0]) // shrink
    return slice(first, length if core[1] == seen[1] else (core[1] - seen[0]) // shrink)
