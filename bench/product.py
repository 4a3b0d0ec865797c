"""The machine's own ceiling: the rate of a matrix product in fp32."""

from __future__ import annotations

import torch

SIDE, REPEATED = 2048, 12
NAME = f"SGEMM rate, {SIDE} x {SIDE}"


class Product:
    """Products of square matrices, so many at once that they take about as long as a step: a
    machine that others share, or that heats up, is faster for a moment than it stays."""

    arithmetic = REPEATED * 2 * SIDE**3
    """Floating-point operations of a call."""

    def __init__(self, device: torch.device) -> None:
        self._matrix = torch.randn(SIDE, SIDE, device=device)
        self._result = torch.empty_like(self._matrix)

    def __call__(self) -> None:
        for _ in range(REPEATED):
            torch.mm(self._matrix, self._matrix, out=self._result)
