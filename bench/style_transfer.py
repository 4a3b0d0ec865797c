"""How much of the machine's arithmetic a style transfer puts to use.

``python -m bench.style_transfer [SIZE]`` times whole steps of the engine (features, statistics,
optimiser, average: everything) and, in between, matrix products (:mod:`engines.product`). The
figure is the ratio of both rates, counting for the engine its convolutions alone: 2 x kernel x
positions forward, and as much again backward to the input. The blur of the pooling, the
statistics and the optimiser count as time, never as arithmetic.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from bench.rows import Row, markdown
from engines import product
from engines.engine import Inputs
from engines.product import Product
from engines.style_transfer.engine import StyleTransfer
from engines.style_transfer.kind import StyleTransferParams
from worker import heap

SAMPLES = Path(__file__).parents[1] / "atelier" / "samples"
PHOTO = "00000000-0000-0000-0000-000000000001"
PAINTING = "00000000-0000-0000-0000-000000000002"
FILES = {
    PHOTO: SAMPLES / "photos" / "astronaut.jpg",
    PAINTING: SAMPLES / "paintings" / "van-gogh-cafe-terrace-at-night.jpg",
}
ROUNDS = 7


def measure(size: int = 384, rounds: int = ROUNDS) -> list[Row]:
    """Medians over ``rounds`` of a step at ``size`` x ``size`` px and of matrix products, in turn,
    with the memory that a runner has."""
    heap.keep()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    engine = _engine(size, device)
    arithmetic = _arithmetic_of_a_step(engine)
    multiply = Product(device)
    steps, products = [], []
    for turn in range(rounds + 1):
        step, multiplied = _seconds(engine.step, device), _seconds(multiply, device)
        if turn:  # the first of each only warms up
            steps.append(step)
            products.append(multiplied)
    engine_rate = arithmetic / median(steps) / 1e9
    matrix_rate = multiply.arithmetic / median(products) / 1e9
    return [
        Row(f"step at {size} px", median(steps), "s"),
        Row("convolution arithmetic of a step", arithmetic / 1e9, "GFLOP"),
        Row("convolution rate of whole steps", engine_rate, "GFLOP/s"),
        Row(product.NAME, matrix_rate, "GFLOP/s"),
        Row("convolution rate / SGEMM rate", engine_rate / matrix_rate, "ratio", ">= 0.6"),
    ]


def _engine(size: int, device: torch.device) -> StyleTransfer:
    """A job that works on its only scale from its first step on."""
    params = StyleTransferParams(
        content=PHOTO, styles=[PAINTING], size=size, start_size=size, iterations=1000
    )
    return StyleTransfer(params, Inputs(FILES, SAMPLES), device)


def _arithmetic_of_a_step(engine: StyleTransfer) -> int:
    """Floating-point operations of the network's convolutions, there and back, in one step."""
    for _ in range(8):  # every view has been seen: no step computes the photo's features again
        engine.step()
    done: list[int] = []

    def count(layer: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        done.append(2 * layer.weight.numel() * output.shape[-2] * output.shape[-1])

    layers = [layer for layer in engine.network.modules() if isinstance(layer, nn.Conv2d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    engine.step()
    for hook in hooks:
        hook.remove()
    return 2 * sum(done)


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def main() -> None:
    """Print the figures as JSON, then as a markdown table."""
    rows = measure(*(int(size) for size in sys.argv[1:2]))
    print(json.dumps([asdict(row) for row in rows], indent=1))
    print(markdown(rows))


if __name__ == "__main__":
    main()
