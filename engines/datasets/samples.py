"""Sample art: labelled abstract pictures drawn by rule, for demos, tests and benches. No torch.

Every picture follows from (style, index, seed) alone: the same numbers draw the same composition
at every size, and the same pixels at the same size and Pillow version. Nothing here is taken from
anybody's work, so the pictures may be used for anything.

``python -m engines.datasets.samples FOLDER PER_STYLE SIZE SEED`` writes a folder; a fifth argument
names the process that it must not outlive. It exits with
:data:`engines.bounds.DISK_FAILS` where that cannot be.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from engines import bounds
from engines.datasets import styles
from engines.datasets.styles import Hand

DRAWN: dict[str, Callable[[Hand], None]] = {
    "flow-fields": styles.flow_field,
    "colour-grids": styles.colour_grid,
    "circles-and-wedges": styles.circles_and_wedges,
    "op-art-waves": styles.op_art_waves,
    "dots": styles.dots,
    "ink": styles.ink,
    "ridges": styles.ridges,
}
STYLES: tuple[str, ...] = tuple(DRAWN)
SIZES = range(16, 2049)
# Drawn so much larger and then reduced: Pillow's own lines have no soft edge.
OVERSAMPLING = 3


def draw(style: str, index: int, seed: int, size: int) -> Image.Image:
    """Picture ``index`` of a style, RGB, ``size`` px square.

    KeyError for an unknown style, ValueError for a size outside 16 to 2048.
    """
    if size not in SIZES:
        raise ValueError(f"size {size} is outside {SIZES[0]} to {SIZES[-1]}")
    draws = np.random.Generator(np.random.PCG64([seed, STYLES.index(style), index]))
    hand = Hand(OVERSAMPLING * size, draws)
    DRAWN[style](hand)
    return hand.canvas.resize((size, size), Image.Resampling.LANCZOS, reducing_gap=None)


def write_folder(
    folder: Path, per_style: int, size: int, seed: int, chosen: Sequence[str] = STYLES
) -> list[Path]:
    """Draw ``per_style`` pictures of each style into sub-folders that are named after it.

    Returns the files, PNG. OSError when they cannot be written.
    """
    written = []
    for style in chosen:
        (folder / style).mkdir(parents=True, exist_ok=True)
        for index in range(per_style):
            path = folder / style / f"{style}-{index:04}.png"
            draw(style, index, seed, size).save(path, "PNG")
            written.append(path)
    return written


def _main(folder: str, per_style: str, size: str, seed: str, parent: str = "") -> None:
    if parent:
        bounds.die_with(int(parent))
    try:
        write_folder(Path(folder), int(per_style), int(size), int(seed))
    except OSError as failed:
        sys.stderr.write(f"{failed}\n")
        sys.exit(bounds.DISK_FAILS)


if __name__ == "__main__":
    _main(*sys.argv[1:])
