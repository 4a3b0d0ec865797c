"""Which pictures look nearly the same. No torch here.

A small perceptual hash of our own: whether grey grows to the right and downwards between the cells
of a 9 x 9 reduction (the difference hash, after N. Krawetz, "Kind of Like That", 2013, in both
directions), with flat places told apart from slopes so that noise on plain paper decides nothing.
Beside it stand the average colours of 4 x 4 fields, as shapes may agree where colours do not, and
32 x 32 greys, whose correlation tells fine patterns apart that the hash averages away.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import correlation, pstdev

from PIL import Image

CELLS = 8
FIELDS = 4
# A step between cells below this, of 255, is flat.
SLOPE = 6
# Bits of 256 and mean levels of 255 that a copy may differ by. Measured on the sample art and the
# sample photos: copies scaled to a half or saved as coarse JPEG and WebP differ in at most 8 bits
# and 2.3 levels, different works of one style in at least 27 bits.
NEAR_BITS, NEAR_COLOUR = 16, 6.0
BANDS = NEAR_BITS + 4
GREYS = 32
# Measured on the same: copies correlate by 0.998 or more, fine stripes that the hash takes for the
# same by less than 0.1. What varies by less than this many levels of 255 is the same plain ground.
NEAR_GREYS, PLAIN = 0.95, 3.0
BITS = 4 * CELLS * CELLS


@dataclass(frozen=True)
class Likeness:
    """What of a picture is compared: 256 bits of slopes, 48 levels of colour, 1024 of grey."""

    slopes: int
    colours: bytes
    greys: bytes

    def text(self) -> str:
        """As text, for the way between processes."""
        return f"{self.slopes:x}:{self.colours.hex()}:{self.greys.hex()}"

    @classmethod
    def of_text(cls, text: str) -> Likeness:
        """The way back."""
        slopes, colours, greys = text.split(":")
        return cls(int(slopes, 16), bytes.fromhex(colours), bytes.fromhex(greys))

    def near(self, other: Likeness) -> bool:
        """Whether the two look nearly the same."""
        if (self.slopes ^ other.slopes).bit_count() > NEAR_BITS:
            return False
        apart = sum(abs(a - b) for a, b in zip(self.colours, other.colours, strict=True))
        return apart <= NEAR_COLOUR * len(self.colours) and _agree(self.greys, other.greys)


def likeness(picture: Image.Image) -> Likeness:
    """The likeness of an RGB picture, whatever its size."""
    small = picture.resize((CELLS + 1, CELLS + 1), Image.Resampling.LANCZOS)
    grey = small.convert("L").tobytes()
    rows = [grey[start : start + CELLS + 1] for start in range(0, len(grey), CELLS + 1)]
    slopes = 0
    for y in range(CELLS):
        for x in range(CELLS):
            for after in (rows[y][x + 1], rows[y + 1][x]):
                step = after - rows[y][x]
                slopes = slopes << 2 | (step > SLOPE) << 1 | (step < -SLOPE)
    fields = picture.resize((FIELDS, FIELDS), Image.Resampling.LANCZOS)
    greys = picture.resize((GREYS, GREYS), Image.Resampling.LANCZOS).convert("L")
    return Likeness(slopes, fields.tobytes(), greys.tobytes())


def pairs(likenesses: Sequence[Likeness]) -> list[tuple[int, int]]:
    """Positions of pictures that look nearly the same, each paired with the first it resembles.

    Two hashes that differ in at most 16 bits agree wholly in at least four of 20 bands of bits, so
    only those that share a band are compared.
    """
    buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
    found: list[tuple[int, int]] = []
    for position, each in enumerate(likenesses):
        bands = list(_bands(each.slopes))
        candidates = {other for band in bands for other in buckets[band]}
        first = min((o for o in candidates if each.near(likenesses[o])), default=None)
        if first is not None:
            found.append((first, position))
            continue  # it stands for nothing new: whatever resembles it resembles the first
        for band in bands:
            buckets[band].append(position)
    return found


def _bands(slopes: int) -> Iterator[tuple[int, int]]:
    for band in range(BANDS):
        start, stop = band * BITS // BANDS, (band + 1) * BITS // BANDS
        yield band, slopes >> start & (1 << stop - start) - 1


def _agree(first: bytes, second: bytes) -> bool:
    spreads = pstdev(first), pstdev(second)
    if max(spreads) < PLAIN:
        return True
    return min(spreads) > 0 and correlation(first, second) >= NEAR_GREYS
