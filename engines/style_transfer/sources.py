"""The photo and the paintings of a job, at any size, in the colours they are worked with."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from PIL import Image
from torch import Tensor

from engines import pictures
from engines.engine import InputError, Inputs
from engines.kind import N_
from engines.style_transfer import colour
from engines.style_transfer.kind import StyleTransferParams
from engines.vision.statistics import Moments, mixed, moments
from engines.vision.tensors import as_tensor

NARROWEST = 16
"""Short side in pixels below which the deepest layer sees nothing at all."""

PALETTE_SIDE = 256
"""Long side at which colours are counted: a larger copy tells no more."""


class Sources:
    """Opens the job's pictures; :class:`InputError` names the one that cannot be used."""

    def __init__(self, params: StyleTransferParams, inputs: Inputs, device: torch.device) -> None:
        self.keep_colours, self.device = params.preserve_colours, device
        self.style_scale = params.style_scale
        self.shares = params.weights or [1.0] * len(params.styles)
        self._photo = inputs.picture(params.content, "/content")
        self._paintings = [
            inputs.picture(style, f"/styles/{position}")
            for position, style in enumerate(params.styles)
        ]
        self._photo_colours = _colours(self._photo)
        self._palette = mixed([_colours(painting) for painting in self._paintings], self.shares)

    def photo(self, size: int) -> Tensor:
        """The photo, ``size`` px on the long side, (1, 3, H, W) in [0, 1].

        It has the paintings' colours, unless its own are to be kept.
        """
        photo = as_tensor(pictures.fit_long_side(self._photo, size))
        return self._placed(photo if self.keep_colours else colour.matched(photo, self._palette))

    def paintings(self, size: int) -> Iterator[Tensor]:
        """Each painting, at ``style_scale`` times ``size``, (1, 3, H, W) in [0, 1].

        They have the photo's colours where those are to be kept (Gatys et al. 2017).
        """
        for picture in self._paintings:
            least = round(NARROWEST * max(picture.size) / min(picture.size))
            side = max(least, round(size * self.style_scale))
            painting = as_tensor(pictures.fit_long_side(picture, side))
            if self.keep_colours:
                painting = colour.matched(painting, self._photo_colours)
            yield self._placed(painting)

    def refuse_narrow_photo(self, size: int) -> None:
        """:class:`InputError` where the photo at ``size`` px is too narrow to be looked at."""
        if min(pictures.fit_long_side(self._photo, size).size) < NARROWEST:
            message = N_("The photo is too narrow: its first sketch would be a mere stripe.")
            hint = N_("Crop it to a fuller shape, or choose a larger first sketch.")
            raise InputError("/content", message, hint)

    def _placed(self, picture: Tensor) -> Tensor:
        return picture.to(self.device).contiguous(memory_format=torch.channels_last)


def _colours(picture: Image.Image) -> Moments:
    return moments(as_tensor(pictures.fit_long_side(picture, PALETTE_SIDE)).double())
