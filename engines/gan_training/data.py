"""The order in which a training sees its pictures, and the thread that fetches them ahead."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from engines.datasets.prepared import Prepared
from engines.state import generator


@dataclass(frozen=True)
class Batch:
    """Pictures uint8 (N, R, R, 3) and their labels (N,) int64, or None."""

    pictures: Tensor
    labels: Tensor | None

    def scaled(self, device: torch.device) -> Tensor:
        """The pictures as (N, 3, R, R) in [-1, 1], channels_last, on ``device``."""
        moved = self.pictures.to(device, non_blocking=True).permute(0, 3, 1, 2)
        return moved.float().mul_(2 / 255).sub_(1)


class Loader:
    """Batches by step alone: batch k is the same whoever asks for it, and after any stop.

    The pictures pass in epochs, each in an order of its own that follows from (seed, epoch); a
    batch may reach from one into the next. The batch after the one asked for is fetched by a
    thread meanwhile.
    """

    def __init__(self, prepared: Prepared, batch: int, mirror: bool, seed: int) -> None:
        self._prepared, self._batch, self._mirror, self._seed = prepared, batch, mirror, seed
        self._orders: dict[int, Tensor] = {}
        self._thread: ThreadPoolExecutor | None = None
        self._ahead: tuple[int, Future[Batch]] | None = None

    def batch(self, step: int) -> Batch:
        """The batch of ``step``."""
        # Made here and not before: a thread would not outlive the fork of a runner.
        thread = self._thread = self._thread or ThreadPoolExecutor(1, "loader")
        found = self._ahead[1].result() if self._ahead and self._ahead[0] == step else None
        found = found or thread.submit(self._fetched, step).result()
        self._ahead = (step + 1, thread.submit(self._fetched, step + 1))
        return found

    def _fetched(self, step: int) -> Batch:
        chosen = self._chosen(step)
        pictures = torch.from_numpy(self._prepared.images[chosen.numpy()])
        if self._mirror:
            draws = generator(self._seed, "mirror", step)
            mirrored = torch.rand(len(chosen), generator=draws) < 0.5
            pictures[mirrored] = pictures[mirrored].flip(2)
        labels = self._prepared.labels
        return Batch(pictures, None if labels is None else torch.from_numpy(labels[chosen.numpy()]))

    def _chosen(self, step: int) -> Tensor:
        count, first = len(self._prepared), step * self._batch
        parts, position = [], first
        while position < first + self._batch:
            epoch, inside = divmod(position, count)
            taken = min(count - inside, first + self._batch - position)
            parts.append(self._order(epoch)[inside : inside + taken])
            position += taken
        return torch.cat(parts)

    def _order(self, epoch: int) -> Tensor:
        if epoch not in self._orders:
            draws = generator(self._seed, "order", epoch)
            kept = {known: self._orders[known] for known in (epoch - 1,) if known in self._orders}
            self._orders = {**kept, epoch: torch.randperm(len(self._prepared), generator=draws)}
        return self._orders[epoch]
