"""The bare engine loop: the same steps as a job in the same memory, without anything around them.

``python -m bench.loop PHOTO PAINTING SIZE STEPS THREADS`` prints the seconds that all steps
after the first took.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from engines.engine import Inputs
from engines.style_transfer.engine import StyleTransfer
from engines.style_transfer.kind import StyleTransferParams
from worker import heap

PHOTO = "00000000-0000-0000-0000-000000000001"
PAINTING = "00000000-0000-0000-0000-000000000002"


def main() -> None:
    """Run the steps and print their time."""
    photo, painting, *numbers = sys.argv[1:]
    size, steps, threads = map(int, numbers)
    torch.set_num_threads(threads)
    heap.keep()
    params = StyleTransferParams(
        content=PHOTO, styles=[PAINTING], size=size, start_size=size, iterations=steps
    )
    inputs = Inputs({PHOTO: Path(photo), PAINTING: Path(painting)}, Path(photo).parent)
    engine = StyleTransfer(params, inputs, torch.device("cpu"))
    engine.step()
    began = time.perf_counter()
    for _ in range(engine.total_steps - 1):
        engine.step()
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
