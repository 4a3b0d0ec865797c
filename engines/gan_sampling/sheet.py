"""Pictures side by side on one sheet."""

from __future__ import annotations

from math import ceil, sqrt

import torch
from PIL import Image
from torch import Tensor


def sheet(pictures: Tensor, columns: int = 0) -> Image.Image:
    """(n, S, S, 3) bytes row by row; 0 ``columns`` makes the sheet about square.

    Places that stay empty are white.
    """
    count, side = pictures.shape[:2]
    across = min(columns or ceil(sqrt(count)), count)
    down = ceil(count / across)
    laid = torch.full((down * across, side, side, 3), 255, dtype=torch.uint8)
    laid[:count] = pictures
    rows = laid.view(down, across, side, side, 3).permute(0, 2, 1, 3, 4)
    return Image.fromarray(rows.reshape(down * side, across * side, 3).numpy())
