"""Pictures as tensors, and back."""

from __future__ import annotations

import numpy
import torch
from PIL import Image
from torch import Tensor


def as_tensor(picture: Image.Image) -> Tensor:
    """An RGB picture as (1, 3, H, W) float32 in [0, 1], channels_last."""
    values = torch.from_numpy(numpy.array(picture.convert("RGB")))
    return values.permute(2, 0, 1)[None].float().div_(255)


def as_picture(picture: Tensor) -> Image.Image:
    """(1, 3, H, W) in [0, 1] as an RGB picture of 8 bits, rounded to nearest."""
    values = picture[0].detach().clamp(0, 1).mul(255).round().to("cpu", torch.uint8)
    return Image.fromarray(values.permute(1, 2, 0).contiguous().numpy())
