"""One step's gradients: one pass of the maker, one of the judge over real and made together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engines.gan_training import augment, variety
from engines.gan_training.config import ModelConfig
from engines.gan_training.data import Batch
from engines.gan_training.judgement import Judgement
from engines.gan_training.kind import GanTrainingParams
from engines.gan_training.light import redrawing_loss
from engines.gan_training.losses import as_long_as, loss_of, slopes
from engines.gan_training.pair import Pair
from engines.state import generator

FIGURES = ("loss_maker", "loss_judge", "real", "made", "sign", "r1", "redrawing")
"""What a lesson measures, in the order of its tensor: mean losses; mean verdicts; the mean sign of
real verdicts against the boundary (ADA, Karras et al. 2020); the R1 penalty and the decoders'
loss, 0 where there is none."""


@dataclass
class _Piece:
    """A part of the batch that is held in memory at once."""

    real: Tensor
    z: Tensor
    labels: Tensor | None
    made_labels: Tensor | None
    changes: augment.Changes | None


class Lesson:
    """Adds up the gradients of a step in ``pieces`` (micro-batches) of the batch.

    ``usual`` is how much the set's pictures differ (:func:`variety.usual`). In several pieces the
    maker's batch norm and the differences of made pictures stay within a piece, spectral norms
    take a step of their iteration for each piece, and sums run in another order; everything else
    is as with one.
    """

    def __init__(
        self, params: GanTrainingParams, config: ModelConfig, usual: Tensor, pieces: int
    ) -> None:
        self._params, self._config, self._usual = params, config, usual
        self._size = max(1, params.batch // pieces)
        self._loss = loss_of(params)

    def whole(self, batch: int) -> Lesson:
        """The same for batches of so many pictures, in one piece."""
        params = self._params.model_copy(update={"batch": batch})
        return Lesson(params, self._config, self._usual, 1)

    def gradients(self, pair: Pair, batch: Batch, step: int, p: float) -> Tensor:
        """Leave the step's gradients in the networks; :data:`FIGURES` as a tensor.

        ``p`` is ADA's probability.
        """
        device = next(pair.maker.parameters()).device
        corner = int(torch.randint(4, (), generator=self._draws("corner", step)))
        figures = torch.zeros(len(FIGURES), device=device)
        for piece in self._pieces(batch, step, p, device):
            with torch.enable_grad():
                figures += self._taught(pair, piece, corner, device)
                if self._params.r1 and step % self._params.r1_interval == 0:
                    figures[5] += self._penalty(pair, piece)
        return figures

    def _pieces(self, batch: Batch, step: int, p: float, device: torch.device) -> list[_Piece]:
        """The batch with all that is drawn for it; draws do not depend on the pieces."""
        n = len(batch.pictures)
        z = torch.randn(n, self._config.latent, generator=self._draws("latents", step))
        made_labels = None
        if batch.labels is not None:
            # Labels of made pictures as often as in the set: those of the batch, shuffled.
            order = torch.randperm(n, generator=self._draws("labels", step))
            made_labels = batch.labels[order].to(device)
        changes = augment.draw(self._params, p, 2 * n, self._draws("augmentation", step))
        labels = None if batch.labels is None else batch.labels.to(device)
        real, z = batch.scaled(device), z.to(device)
        return [
            _Piece(
                real[begin:end],
                z[begin:end],
                None if labels is None else labels[begin:end],
                None if made_labels is None else made_labels[begin:end],
                None if changes is None else _both(changes, begin, end, n).to(device),
            )
            for begin, end in _cut(n, self._size)
        ]

    def _taught(self, pair: Pair, piece: _Piece, corner: int, device: torch.device) -> Tensor:
        conditional, n, total = self._params.conditional, len(piece.real), self._params.batch
        with _precision(device, self._params.deterministic):
            made = pair.maker(piece.z, piece.made_labels if conditional else None)
            leaf = made.detach().float().requires_grad_()
            seen = torch.cat([piece.real, leaf])
            if piece.changes is not None:
                seen = augment.apply(piece.changes, seen)
            labels = None
            if conditional and piece.labels is not None and piece.made_labels is not None:
                labels = torch.cat([piece.labels, piece.made_labels])
            said = pair.judge(seen, labels)
            redrawn = pair.judge.redrawn(_of_real(said, n), corner)  # type: ignore[operator]
        found = slopes(self._loss, said.verdict, total)
        extra = redrawing_loss(redrawn, seen[:n].detach(), corner) * (n / total)
        losses = [extra] if extra.requires_grad else []
        torch.autograd.backward(
            [said.verdict, *losses],
            [found.judge.to(said.verdict.dtype), *(None for _ in losses)],
        )
        assert leaf.grad is not None
        gradient = leaf.grad * found.ratio[:, None, None, None]
        if self._params.variety:
            of_verdict = leaf.grad / found.judge[n:, None, None, None] / total
            gradient += self._params.variety * self._apart(made, piece, of_verdict)
        made.backward(gradient.to(made.dtype))
        real, of_made = said.verdict.detach().float().chunk(2)
        signs = self._loss.signs(real)
        sums = (
            torch.stack([real.sum(), of_made.sum(), signs.sum(), torch.zeros_like(real[0])]) / total
        )
        told = torch.stack([found.maker_loss, found.judge_loss])
        return torch.cat([told, sums, extra.detach()[None]])

    def _apart(self, made: Tensor, piece: _Piece, of_verdict: Tensor) -> Tensor:
        """The gradient that parts made pictures which are more alike than those of the set."""
        leaf = made.detach().float().requires_grad_()
        labels = piece.made_labels if self._params.conditional else None
        missing = variety.shortfall(leaf, labels, self._usual.to(leaf.device))
        (wished,) = torch.autograd.grad(missing, leaf)
        return missing.detach() * as_long_as(wished, of_verdict)

    def _penalty(self, pair: Pair, piece: _Piece) -> Tensor:
        """R1 (Mescheder et al. 2018) at the real pictures, computed seldom (Karras et al. 2020)."""
        params, n = self._params, len(piece.real)
        real = piece.real.detach().clone().requires_grad_()
        seen = real if piece.changes is None else augment.apply(piece.changes.part(0, n), real)
        verdict = pair.judge(seen, piece.labels if params.conditional else None).verdict
        (slope,) = torch.autograd.grad(verdict.sum(), real, create_graph=True)
        penalty = slope.square().sum() / params.batch
        torch.autograd.backward(penalty * (params.r1 / 2 * params.r1_interval))
        return penalty.detach()

    def _draws(self, stream: str, step: int) -> torch.Generator:
        return generator(self._params.seed, stream, step)


def _cut(n: int, size: int) -> list[tuple[int, int]]:
    return [(begin, min(begin + size, n)) for begin in range(0, n, size)]


def _both(changes: augment.Changes, begin: int, end: int, n: int) -> augment.Changes:
    """The changes of a piece's real pictures, then of its made ones."""
    if (begin, end) == (0, n):
        return changes
    return augment.joined(changes.part(begin, end), changes.part(n + begin, n + end))


def _of_real(said: Judgement, n: int) -> Judgement:
    maps = {side: features[:n] for side, features in said.maps.items()}
    return Judgement(said.verdict[:n], maps)


def _precision(device: torch.device, deterministic: bool) -> torch.autocast:
    """bfloat16 on graphics cards that have it, unless they must be exact; else float32."""
    wanted = device.type == "cuda" and not deterministic
    # Before Ampere (2020) it is only emulated, which is slower than float32.
    able = wanted and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=able)
