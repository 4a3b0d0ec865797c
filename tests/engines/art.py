"""Sets of sample art as packs, for tests: drawn when asked for, gone with the process."""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from engines.datasets import samples
from engines.datasets.pack import Member, write

_folder = tempfile.TemporaryDirectory(prefix="atelier-art-")
atexit.register(_folder.cleanup)


@lru_cache
def pack(
    per_style: int,
    size: int = 32,
    seed: int = 0,
    styles: Sequence[str] = samples.STYLES,
    labelled: bool = True,
) -> Path:
    """A pack of ``per_style`` pictures of each of ``styles``, ``size`` px square."""
    members, contents = [], []
    for position, style in enumerate(styles):
        for index in range(per_style):
            label = position if labelled else None
            name = f"{style}-{index}.png"
            content = BytesIO()
            samples.draw(style, index, seed, size).save(content, "PNG")
            members.append(Member(name, label, "image/png", size, size))
            contents.append(content.getvalue())
    kind = f"{per_style}-{size}-{seed}-{'-'.join(styles)}-{labelled}"
    path = Path(_folder.name) / f"{kind}.zip"
    write(path, styles if labelled else (), members, contents.__getitem__)
    return path
