"""Steps of `lightweight-gan`, run by the interpreter that has it: see lightweight.py.

It insists on a graphics card. Its own step runs here on the processor all the same: what moves
tensors there leaves them where they are, and its module sees a ``torch.device`` that is the CPU.
``FOLDER RESOLUTION BATCH STEPS THREADS``; prints its parameters in millions, then for each line
that it reads the seconds that STEPS steps took.
"""

from __future__ import annotations

import importlib
import itertools
import sys
import time
from typing import Any

import torch


class _OnTheProcessor:
    """``torch`` but for its devices."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def device(self, *_given: object) -> torch.device:
        """Never a graphics card."""
        return torch.device("cpu")


def trainer(folder: str, resolution: int, batch: int) -> Any:
    """Its trainer with its own networks and defaults, fed from memory."""
    torch.Tensor.cuda = lambda tensor, *_: tensor  # type: ignore[method-assign]
    torch.nn.Module.cuda = lambda module, *_: module  # type: ignore[method-assign]
    asked = torch.cuda.is_available
    torch.cuda.is_available = lambda: True  # asked once, as the module is loaded
    theirs = importlib.import_module("lightweight_gan.lightweight_gan")
    torch.cuda.is_available = asked
    theirs.torch = _OnTheProcessor()  # type: ignore[attr-defined]
    made = theirs.Trainer(
        base_dir=folder, image_size=resolution, batch_size=batch, aug_prob=0.0, use_aim=False
    )
    made.loader = itertools.repeat(torch.rand(batch, 3, resolution, resolution))
    made.init_GAN()
    made.steps = 1  # at step 0 it would save and show
    return made


def main() -> None:
    """Step whenever a line is read."""
    folder, *numbers = sys.argv[1:]
    resolution, batch, steps, threads = map(int, numbers)
    torch.set_num_threads(threads)
    made = trainer(folder, resolution, batch)
    networks = (made.GAN.G, made.GAN.D)
    count = sum(parameter.numel() for network in networks for parameter in network.parameters())
    print(count / 1e6, flush=True)
    for _line in sys.stdin:
        start = time.perf_counter()
        for _ in range(steps):
            # As its own loop does: of one batch, the penalty's graph must not be kept.
            made.loader = itertools.repeat(torch.rand(batch, 3, resolution, resolution))
            made.train()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
