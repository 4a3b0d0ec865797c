"""A set of pictures as one array of squares, made once and mapped into memory. No torch here.

Decoding and resizing cost a training more than its networks do; a memory map costs next to
nothing. The array is made in streams, a few pictures at a time, so that its size on disk does not
matter; it appears whole or not at all; and the kernel keeps of it what is read.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from engines.datasets.pack import Pack
from engines.pictures import middle_square

FOLDER = "datasets"
# Rises when the same pack would give other pixels: what was prepared before is then left alone.
PREPARATION = 1
RESOLUTIONS = range(8, 1025)
CHANNELS = 3
# A JPEG is decoded at twice the wanted size or more: the rest of the way is antialiased.
DECODED_AT = 2
AT_A_TIME = 16

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Prepared:
    """Pictures at one resolution.

    ``images`` is uint8 (n, resolution, resolution, 3), sRGB 0 to 255, C-contiguous and read-only;
    ``labels`` is int64 (n,), positions in ``label_names``, or None for a set without labels.
    """

    images: Pixels
    labels: NDArray[np.int64] | None
    label_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)


def prepared(
    pack: Path,
    resolution: int,
    cache: Path | None,
    sha256: str,
    pulse: Callable[[], None] = lambda: None,
) -> Prepared:
    """The pictures of ``pack``, each its middle square, antialiased to ``resolution`` px.

    With a ``cache`` folder they are made once per (``sha256``, resolution); without one they are
    made anew in a nameless temporary file. ``pulse`` is called every few pictures.
    Raises :class:`engines.datasets.pack.PackError` for a pack that cannot be read, ValueError for
    a resolution outside 8 to 1024, OSError when the array cannot be written.
    """
    if resolution not in RESOLUTIONS:
        limits = f"{RESOLUTIONS[0]} to {RESOLUTIONS[-1]}"
        raise ValueError(f"resolution {resolution} is outside {limits}")
    with Pack(pack) as opened:
        shape = (len(opened), resolution, resolution, CHANNELS)
        if cache is None:
            with tempfile.TemporaryFile() as nameless:
                _write(nameless, opened, resolution, pulse)
                nameless.flush()
                images = _mapped(nameless, shape)
        else:
            images = _cached(place(cache, sha256, resolution), opened, resolution, pulse)
        labels = [member.label for member in opened.members]
        known = [label for label in labels if label is not None]
        whole = bool(known) and len(known) == len(labels)
        return Prepared(
            images,
            np.array(known, dtype=np.int64) if whole else None,
            opened.labels if whole else (),
        )


def place(cache: Path, sha256: str, resolution: int) -> Path:
    """Where the array of a pack at a resolution is kept."""
    return cache / FOLDER / f"{sha256}-{resolution}-{PREPARATION}.rgb"


def _cached(path: Path, opened: Pack, resolution: int, pulse: Callable[[], None]) -> Pixels:
    shape = (len(opened), resolution, resolution, CHANNELS)
    found = _kept(path, shape)
    if found is not None:
        return found
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as draft:
        try:
            _write(draft, opened, resolution, pulse)
            draft.flush()
            os.fsync(draft.fileno())
            images = _mapped(draft, shape)
            # Two that make the same at once: either's is good.
            Path(draft.name).replace(path)
        except BaseException:
            Path(draft.name).unlink(missing_ok=True)
            raise
    return images


def _kept(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    """What is in the cache, marked as used now, so that the oldest is what nobody uses."""
    try:
        with path.open("rb") as opened:
            if os.fstat(opened.fileno()).st_size != int(np.prod(shape)):
                return None
            images = _mapped(opened, shape)
        os.utime(path)
    except OSError:
        return None
    return images


def _mapped(opened: IO[bytes], shape: tuple[int, ...]) -> Pixels:
    # The map outlives the file's name and descriptor: a sweep of the cache harms no run.
    return np.memmap(opened, dtype=np.uint8, mode="r", shape=shape)


def _write(sink: IO[bytes], opened: Pack, resolution: int, pulse: Callable[[], None]) -> None:
    def pixels(position: int) -> bytes:
        picture = opened.picture(position, at_least=DECODED_AT * resolution)
        return middle_square(picture, resolution).tobytes()

    # Pillow lets go of the interpreter while it decodes, so threads share the work.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as hands:
        for few in _few(range(len(opened))):
            for done in hands.map(pixels, few):
                sink.write(done)
            pulse()


def _few(positions: range) -> Iterator[range]:
    for start in range(0, len(positions), AT_A_TIME):
        yield positions[start : start + AT_A_TIME]
