"""What checking a set of pictures costs, and what a batch costs out of the prepared array."""

from __future__ import annotations

import resource
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import torch

from bench.rows import Row
from engines.datasets import samples
from engines.datasets.examination import Checked, examine, of_archive
from engines.datasets.prepared import Prepared, prepared
from engines.datasets.unpacking import Archive

PER_STYLE, SIDE = 40, 256
BATCHES = {64: 32, 256: 8}
DRAWS = 200
MOST_BYTES = 10**9


def measure() -> list[Row]:
    """All figures of this file, on freshly drawn sample art."""
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        return list(_measured(Path(folder)))


def _measured(folder: Path) -> Iterator[Row]:
    upload = folder / "upload.zip"
    art = samples.write_folder(folder / "art", PER_STYLE, SIDE, seed=0)
    with zipfile.ZipFile(upload, "w") as archive:
        for path in art:
            archive.write(path, path.relative_to(folder / "art"))
    checked, cost = _checked(upload, folder / "work")
    yield Row(f"check of a picture of {SIDE} px, all processes", 1000 * cost / len(art), "ms cpu")
    for resolution, batch in BATCHES.items():
        found = prepared(checked.pack, resolution, folder / "cache", "ab" * 32)
        name = f"batch of {batch} at {resolution} px out of the prepared array"
        yield Row(name, 1000 * _batch(found, batch), "ms cpu")


def _checked(upload: Path, work: Path) -> tuple[Checked, float]:
    work.mkdir()
    before = _processor_seconds()
    archive = Archive(upload, MOST_BYTES, MOST_BYTES)
    checked = examine([], of_archive(archive), work, lambda _done, _total: None)
    archive.close()
    return checked, _processor_seconds() - before


def _batch(found: Prepared, size: int) -> float:
    """Processor seconds of a batch: picked at random, turned into floats from -1 to 1."""
    draws = np.random.default_rng(0)
    costs = []
    for _ in range(DRAWS):
        chosen = draws.integers(0, len(found), size)
        began = time.thread_time()
        pixels = torch.from_numpy(found.images[chosen]).permute(0, 3, 1, 2)
        pixels.float().mul_(1 / 127.5).sub_(1)
        costs.append(time.thread_time() - began)
    return median(costs)


def _processor_seconds() -> float:
    """Of this process and of its children that have ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)
