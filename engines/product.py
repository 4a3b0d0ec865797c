"""What a machine itself can do: the rate of a matrix product in fp32."""

from __future__ import annotations

import math
import time

import torch

SIDE, REPEATED = 2048, 12
NAME = f"SGEMM rate, {SIDE} x {SIDE}"

SECONDS = 0.25
"""How long :func:`rate` looks."""


class Product:
    """Products of square matrices, so many at once that they take about as long as a step: a
    machine that others share, or that heats up, is faster for a moment than it stays."""

    def __init__(self, device: torch.device, repeated: int = REPEATED) -> None:
        self._device, self._repeated = device, repeated
        self._matrix = torch.randn(SIDE, SIDE, device=device)
        self._result = torch.empty_like(self._matrix)

    @property
    def arithmetic(self) -> int:
        """Floating-point operations of a call."""
        return int(self._repeated * 2 * SIDE**3)

    def __call__(self) -> None:
        for _ in range(self._repeated):
            torch.mm(self._matrix, self._matrix, out=self._result)
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def rate(device: torch.device) -> float:
    """Floating-point operations a second of the fastest such product, of those that are done at a
    glance: what else a machine does as a studio starts on it soon ends."""
    multiply = Product(device, repeated=1)
    multiply()  # the first warms up
    until, fastest = time.perf_counter() + SECONDS, math.inf
    while (began := time.perf_counter()) < until or math.isinf(fastest):
        multiply()
        fastest = min(fastest, time.perf_counter() - began)
    return multiply.arithmetic / fastest
