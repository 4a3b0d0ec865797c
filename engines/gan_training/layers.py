"""The parts that the networks are made of."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from engines.gan_training import matrices, mixtures
from engines.gan_training.matrices import Window

# Rows: the four taps of the stretched kernel; columns: the taps of the 3-tap kernel in each.
_STRETCH = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))
_STRETCHED = Window(side=4, stride=2, padding=1)


class Convolution(nn.Conv2d):
    """A convolution of square maps, in the form in which it is fastest where they lie."""

    @property
    def window(self) -> Window:
        """Its kernel's way over a map."""
        return Window(self.kernel_size[0], self.stride[0], int(self.padding[0]))

    def forward(self, features: Tensor) -> Tensor:
        """(N, inputs, H, H) to (N, outputs, h, h)."""
        return self._with(self.weight, features)

    def _with(self, kernel: Tensor, features: Tensor) -> Tensor:
        if self.window == matrices.HALVING and matrices.few(features, self.in_channels):
            return matrices.by_fours(features, kernel, self.bias)
        side = self.window.outputs(features.shape[-1])
        if not matrices.pays(features, side):
            made: Tensor = self._conv_forward(features, kernel, self.bias)
            return made
        patches = matrices.gathered(features, self.window)
        # The kernels lie channels_last, tap by tap, as the patches do: no copy.
        taps = kernel.permute(0, 2, 3, 1).reshape(self.out_channels, -1)
        return matrices.product(patches, taps, self.bias, side)


class GrownConvolution(nn.Module):
    """Nearest-neighbour enlargement by two, then a 3x3 convolution, as one operation.

    Enlarging and convolving is the transposed convolution whose 4x4 kernel sums the 3x3
    kernel's taps; it is the same function, with 4 products for each output instead of 9, and
    cannot make the checkerboards of a free transposed kernel.
    (N, inputs, H, W) to (N, outputs, 2H, 2W).
    """

    stretch: Tensor

    def __init__(self, inputs: int, outputs: int, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None
        self.register_buffer("stretch", torch.tensor(_STRETCH), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """The enlarged and convolved features."""
        if matrices.pays(features, features.shape[-1]):
            return self._small(features)
        kernel = torch.einsum("ma,nb,oiab->iomn", self.stretch, self.stretch, self.weight)
        if not matrices.few(features, len(self.weight)):
            return functional.conv_transpose2d(features, kernel, self.bias, stride=2, padding=1)
        grown = matrices.grown_by_fours(features, kernel.transpose(0, 1))
        return grown if self.bias is None else grown + self.bias[:, None, None]

    def _small(self, features: Tensor) -> Tensor:
        n, inputs, side, _ = features.shape
        outputs = len(self.weight)
        stretch = torch.kron(self.stretch, self.stretch)
        # (3 * 3, outputs * inputs) to (4 * 4 * outputs, inputs): the channels stay together.
        taps = stretch @ self.weight.permute(2, 3, 0, 1).reshape(9, outputs * inputs)
        positions = features.permute(0, 2, 3, 1).reshape(-1, inputs)
        patches = positions @ taps.view(-1, inputs).t()
        shape = torch.Size((n, outputs, 2 * side, 2 * side))
        grown = matrices.scattered(patches, shape, _STRETCHED)
        return grown if self.bias is None else grown + self.bias[:, None, None]


class Gate(nn.Module):
    """Half of the channels let through as far as the other half opens (GLU, Dauphin et al. 2017):
    (N, 2 C, H, W) to (N, C, H, W)."""

    def forward(self, features: Tensor) -> Tensor:
        """The first half times the sigmoid of the second."""
        if features.device.type != "cpu":
            return functional.glu(features, dim=1)
        made: Tensor = _Gated.apply(features)
        return made


class _Gated(torch.autograd.Function):
    """On processors the gradient of PyTorch's own is always contiguous: writing it there, and a
    batch norm that reads it beside channels_last maps, took a quarter of a step."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        ctx.save_for_backward(features)
        return functional.glu(features, dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> Tensor:
        (features,) = ctx.saved_tensors
        let, gate = features.chunk(2, dim=1)
        made = torch.empty_like(features)
        of_let, of_gate = made.chunk(2, dim=1)
        # In place, as the maps are the largest that there are.
        torch.sigmoid(gate, out=of_gate)
        torch.mul(slopes, of_gate, out=of_let)
        of_gate.neg_().add_(1).mul_(of_let).mul_(let)
        return made


class SpectralConvolution(Convolution):
    """A convolution whose kernel is divided by its largest singular value (Miyato et al. 2018).

    One power iteration for each training pass; its vector ``u`` is part of the saved weights, and
    is to be settled (:meth:`settle`) where those are new.
    """

    SETTLING = 15
    """Iterations for new weights, as PyTorch's own: the value was up to 38 % too small without."""

    u: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding)
        self.register_buffer("u", torch.empty(outputs))

    def forward(self, features: Tensor) -> Tensor:
        """The convolution with the normalised kernel."""
        return self._with(self.weight / self._scale(), features)

    @torch.no_grad()
    def settle(self) -> None:
        """Bring ``u`` near to the kernel's singular vector."""
        for _ in range(self.SETTLING):
            self.u.copy_(self._iterated()[0])

    def _scale(self) -> Tensor:
        with torch.no_grad():
            u, v = self._iterated()
            if self.training:
                self.u.copy_(u)
        return u @ (self.weight.flatten(1) @ v)

    def _iterated(self) -> tuple[Tensor, Tensor]:
        matrix = self.weight.flatten(1)
        v = functional.normalize(matrix.T @ self.u, dim=0)
        return functional.normalize(matrix @ v, dim=0), v


class _AveragedToFour(nn.Module):
    """(N, C, S, S) to (N, C, 4, 4); S is a power of two. Adaptive pooling is the same, but its
    backward pass is not deterministic on a GPU."""

    def forward(self, features: Tensor) -> Tensor:
        return functional.avg_pool2d(features, features.shape[-1] // 4)


class SkipExcitation(nn.Module):
    """Scales the channels of a large map by what a small one shows (FastGAN, Liu et al. 2021).

    Small (N, small, h, w) and large (N, large, H, W) give (N, large, H, W).
    """

    def __init__(self, small: int, large: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _AveragedToFour(),
            Convolution(small, large, 4, bias=False),
            nn.SiLU(),
            nn.Conv2d(large, large, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, small: Tensor, large: Tensor) -> Tensor:
        """The large map with its channels scaled."""
        scaled: Tensor = large * self.layers(small)
        return scaled


class StyleInput(nn.Module):
    """Puts a learned vector for each label behind the latent vector; without labels, nothing.

    Above 0 its ``dial`` mixes the vectors (:mod:`engines.gan_training.mixtures`).
    """

    LENGTH = 32

    tastes: Tensor

    def __init__(self, labels: int, latent: int) -> None:
        super().__init__()
        self.labels, self.dial = labels, 0.0
        self.vectors = nn.Embedding(labels, self.LENGTH) if labels else None
        self.register_buffer("tastes", mixtures.tastes(latent, labels), persistent=False)

    def forward(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """z (N, latent), labels (N,) int64, to (N, latent + 32) or z itself."""
        if self.vectors is None:
            return z
        if labels is None:
            raise ValueError("this generator takes labels")
        vectors = self.vectors(labels)
        if self.dial:
            mixed = mixtures.mixture(z, labels, self.tastes, self.dial)
            vectors = mixed @ self.vectors.weight
        return torch.cat([z, vectors], dim=1)


class Head(nn.Module):
    """What a discriminator says of its last map (N, C, 4, 4): real or not.

    With ``labels`` (a conditional model) the verdict is also of the picture with its label, by
    the projection of Miyato and Koyama 2018.
    """

    def __init__(self, channels: int, labels: int) -> None:
        super().__init__()
        self.verdict = Convolution(channels, 1, 4)
        self.vectors = nn.Embedding(labels, channels) if labels else None

    def forward(self, features: Tensor, labels: Tensor | None) -> Tensor:
        """Verdicts (N,) without a sigmoid."""
        verdict: Tensor = self.verdict(features).flatten()
        if self.vectors is not None:
            if labels is None:
                raise ValueError("this discriminator takes labels")
            verdict = verdict + (self.vectors(labels) * features.mean((2, 3))).sum(1)
        return verdict
