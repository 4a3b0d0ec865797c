"""What looking at pictures takes: the shape of the feature networks, and the sides at which sets
are compared. No torch here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

BLOCKS: dict[str, tuple[int, ...]] = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Convolutions in each block; a pooling stands between blocks."""

CHANNELS = (64, 128, 256, 512, 512)
"""Channels of each block's maps."""

SIDE = 64
"""Pixels on a side at which pictures are looked at: 1,000 take 23 s on one core at 64, 99 s at 128
(fp32, AVX-512)."""

COPY_SIDE = 32
"""The side at which copies are looked for: at 64 the features dwell on the finest texture, and a
copy that training has softened, or with noise of 3 %, lies as far off as a new picture."""


def arithmetic(network: str, last: str, pixels: float) -> float:
    """Operations (a product or an addition) of one pass over a picture of so many ``pixels``, up to
    the tap ``last``: its 3x3 convolutions. The pooling and its blur are not counted (0.3 %)."""
    total = 0.0
    for tap, channels, before, of_picture in _convolutions(network):
        total += 2 * 9 * before * channels * pixels * of_picture
        if tap == last:
            break
    return total


def compared(taps: Iterable[str], pixels: float) -> float:
    """Operations that gather the second moments of a picture's maps at ``taps``."""
    blocks = (int(tap.partition("_")[0]) - 1 for tap in taps)
    return sum(2 * CHANNELS[block] ** 2 * pixels * 4.0**-block for block in blocks)


def _convolutions(network: str) -> Iterator[tuple[str, int, int, float]]:
    """Each one's tap, channels out and in, and its positions as a share of the picture's pixels."""
    before = 3
    for block, convolutions in enumerate(BLOCKS[network]):
        for position in range(convolutions):
            yield f"{block + 1}_{position + 1}", CHANNELS[block], before, 4.0**-block
            before = CHANNELS[block]
