"""VGG feature networks, frozen: pictures in, activations after chosen ReLUs out.

Simonyan and Zisserman 2015 (the network); Zhang 2019 (anti-aliased pooling). The weights are
those of torchvision's VGG-19, or the VGG-16 packaged with shift-tolerant LPIPS.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.vision import weights
from engines.vision.looking import BLOCKS

Pooling = Literal["blur", "max", "average"]

POOLING: dict[str, Pooling] = {"vgg16": "blur", "vgg19": "max"}
"""The pooling each network was trained with."""

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


class FeatureNetwork(nn.Module):
    """A frozen VGG. ``name`` and ``sha256`` say which file its weights came from."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, name: str, sha256: str, stages: nn.ModuleDict) -> None:
        super().__init__()
        self.name, self.sha256, self.stages = name, sha256, stages
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(1, 3, 1, 1))
        self.requires_grad_(False).eval()

    def forward(self, pictures: Tensor, taps: Iterable[str]) -> dict[str, Tensor]:
        """Activations by tap name, such as ``"3_1"``: the ReLU after convolution 1 of block 3.

        ``pictures`` is (N, 3, H, W) in [0, 1], sRGB. Block b has H / 2^(b-1) rows, rounded
        down. Nothing beyond the last tap is computed.
        """
        wanted = set(taps)
        found: dict[str, Tensor] = {}
        flowing = (pictures - self.mean) / self.deviation
        for tap, stage in self.stages.items():
            flowing = stage(flowing)
            if tap in wanted:
                found[tap] = flowing
                if len(found) == len(wanted):
                    return found
        raise KeyError(f"{self.name} has no layer {sorted(wanted - set(found))}")


class BlurPool(nn.Module):
    """2x2 maximum, then a [1, 2, 1] blur that halves each side (Zhang 2019, MaxBlurPool).

    Departure from the packaged network: padded by one repeated pixel, so that a side of H
    becomes H // 2; its padding of two mirrored pixels adds a rim at every block.
    """

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor([0.25, 0.5, 0.25])
        kernel = torch.outer(line, line).expand(channels, 1, 3, 3).contiguous()
        self.register_buffer("kernel", kernel)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H // 2, W // 2)."""
        largest = _LargerNeighbour.apply(_LargerNeighbour.apply(features, 3), 2)
        padded = functional.pad(largest, (1, 1, 1, 1), mode="replicate")
        return functional.conv2d(padded, self.kernel, stride=2, groups=features.shape[1])


class _LargerNeighbour(torch.autograd.Function):
    """The larger of each value and the next along an axis: one less there.

    Twice this instead of ``max_pool2d``: backward needs one byte for each value, not eight, and
    half the passes of ``torch.maximum``. Equal neighbours follow a ReLU, both zero, through which
    no gradient goes: it does not matter which of them gets it.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, axis: int) -> Tensor:
        length = features.shape[axis] - 1
        before, after = features.narrow(axis, 0, length), features.narrow(axis, 1, length)
        ctx.axis = axis
        ctx.save_for_backward(after > before)
        return torch.maximum(before, after)

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, None]:
        (is_after,) = ctx.saved_tensors
        shape = list(is_after.shape)
        length = shape[ctx.axis]
        shape[ctx.axis] += 1
        below = torch.empty(
            shape,
            dtype=above[0].dtype,
            device=above[0].device,
            memory_format=torch.channels_last,
        )
        below.narrow(ctx.axis, 0, 1).zero_()
        torch.mul(above[0], is_after, out=below.narrow(ctx.axis, 1, length))
        below.narrow(ctx.axis, 0, length).addcmul_(above[0], is_after.logical_not())
        return below, None


def load(
    name: str, folder: Path, device: torch.device, pooling: Pooling | None = None, last: str = "5_4"
) -> FeatureNetwork:
    """The network ``name`` up to the tap ``last``; :class:`weights.WeightsError` if it is unfit.

    ``pooling`` replaces the pooling that the network was trained with.
    """
    path = weights.find(name, folder)
    if path is None:
        known = weights.KNOWN[name]
        raise weights.WeightsError(f"the weights {known.file} are not here; see {known.origin}")
    sha256 = weights.verify(path)
    kernels = _kernels(path)
    stages = _stages(BLOCKS[name], kernels, pooling or POOLING[name], last)
    network = FeatureNetwork(name, sha256, stages)
    moved = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return cast(FeatureNetwork, moved)


def _kernels(path: Path) -> list[tuple[Tensor, Tensor]]:
    """(kernel, bias) of every 3x3 convolution, in the order of the network."""
    try:
        stored: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as failure:  # torch raises many kinds for a file that is none of its own
        raise weights.WeightsError(f"{path.name} cannot be read: {failure}") from failure
    names = [name for name, value in stored.items() if value.shape[1:][1:] == (3, 3)]
    ours = [name for name in names if name.endswith(".weight")]
    return [(stored[name], stored[name.removesuffix("weight") + "bias"]) for name in ours]


def _stages(
    blocks: Sequence[int], kernels: list[tuple[Tensor, Tensor]], pooling: Pooling, last: str
) -> nn.ModuleDict:
    stages = nn.ModuleDict()
    remaining = iter(kernels)
    for block, convolutions in enumerate(blocks, start=1):
        for position in range(1, convolutions + 1):
            kernel, bias = next(remaining)
            layers: list[nn.Module] = []
            if position == 1 and block > 1:
                layers.append(_pool(pooling, kernel.shape[1]))
            layers += [_convolution(kernel, bias), nn.ReLU(inplace=True)]
            tap = f"{block}_{position}"
            stages[tap] = nn.Sequential(*layers)
            if tap == last:
                return stages
    return stages


def _pool(pooling: Pooling, channels: int) -> nn.Module:
    if pooling == "blur":
        return BlurPool(channels)
    return nn.MaxPool2d(2) if pooling == "max" else nn.AvgPool2d(2)


def _convolution(kernel: Tensor, bias: Tensor) -> nn.Conv2d:
    # Departure from the trained networks, which put zeros around every layer: those read as a
    # black frame, the paintings' statistics take it in, and the result grows a woven rim.
    with torch.device("meta"):  # no time spent on drawing weights that are replaced at once
        layer = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1, padding_mode="replicate")
    layer.weight, layer.bias = nn.Parameter(kernel), nn.Parameter(bias)
    return layer
