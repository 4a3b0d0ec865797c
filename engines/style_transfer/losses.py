"""What a stylised picture is judged by: the photo's shapes and the paintings' hand.

Gatys, Ecker and Bethge 2016, with the Gaussian Wasserstein distance in place of Gram matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engines.style_transfer.scales import CONTENT_TAP, RIM, STYLE_TAPS, VIEWS
from engines.vision.network import FeatureNetwork
from engines.vision.piecewise import Part, Piecewise, known
from engines.vision.statistics import (
    Gathered,
    Moments,
    Pull,
    Target,
    gram,
    gram_pull,
    mixed,
    moments,
    wasserstein,
    wasserstein_pull,
)

CONTENT_SCALE = 0.12
"""What a ``content_weight`` of 1 means against the mean of the layers' style distances."""


@dataclass(frozen=True)
class Losses:
    """Scalars; ``total`` is what is descended."""

    total: Tensor
    content: Tensor
    style: Tensor


class Objective:
    """The loss at one scale, as a function of the picture.

    ``photo`` and ``paintings`` are (1, 3, H, W) in [0, 1]; ``shares`` are positive, one for
    each painting. Each layer's distance is divided by the painting's own variance there, so
    that layers count alike whatever their unit.

    The picture is seen through :data:`.scales.VIEWS` views, in turn: mirrored at its rim and
    shifted by a few pixels drawn from ``draws``. Pooling has a grid, and a picture that is always
    laid on the same one takes on its pattern.

    With ``pieces`` the network never sees more than a tile at a time: the same losses and the same
    gradient up to rounding, in less memory and more time.
    """

    def __init__(
        self,
        network: FeatureNetwork,
        photo: Tensor,
        paintings: Sequence[Tensor],
        shares: Sequence[float],
        *,
        statistic: str,
        content_weight: float,
        draws: torch.Generator,
        pieces: Piecewise | None = None,
    ) -> None:
        self.pieces = pieces
        self.network, self.statistic = network, statistic
        self.content_weight = CONTENT_SCALE * content_weight
        self.photo = photo
        drawn = torch.randint(0, RIM + 1, (VIEWS, 2), generator=draws).tolist()
        self.views = [(across, down) for across, down in drawn]
        self.contents: dict[int, Tensor] = {}
        with torch.no_grad():
            parts = [self._moments(painting) for painting in paintings]
        exact = torch.float64 if pieces else torch.float32
        self.targets = {
            tap: Target(mixed([part[tap] for part in parts], shares), exact) for tap in STYLE_TAPS
        }

    def __call__(self, picture: Tensor, turn: int) -> Losses:
        """The losses of ``picture`` (1, 3, H, W), differentiable, seen in view number ``turn``."""
        view = turn % VIEWS
        wanted, seen = self._content(view), self._seen(picture, view)
        if self.pieces is not None:
            return self._in_pieces(self.pieces, seen, wanted)
        features = self.network(seen, (CONTENT_TAP, *STYLE_TAPS))
        # mse_loss's own gradient lies in another layout than the features, which costs a fourth
        # of a convolution.
        apart = (features[CONTENT_TAP] - wanted).square().mean()
        content = apart / _variance(wanted)
        style = torch.stack([self._apart(tap, features[tap]) for tap in STYLE_TAPS]).mean()
        return Losses(style + self.content_weight * content, content, style)

    @torch.no_grad()
    def _content(self, view: int) -> Tensor:
        """The photo's content in a view, computed when the view is first used."""
        if view not in self.contents:
            seen = self._seen(self.photo, view)
            if self.pieces is not None:
                self.contents[view] = self.pieces.features(seen, CONTENT_TAP)
            else:
                self.contents[view] = self.network(seen, (CONTENT_TAP,))[CONTENT_TAP]
        return self.contents[view]

    def _in_pieces(self, pieces: Piecewise, seen: Tensor, wanted: Tensor) -> Losses:
        """The first look gathers what the losses are, the second carries their gradient back."""
        gathered = {tap: Gathered() for tap in STYLE_TAPS}
        squares = wanted.new_zeros(())
        for part in pieces.parts(seen.detach(), (CONTENT_TAP, *STYLE_TAPS)):
            if part.tap == CONTENT_TAP:
                squares += (part.features - wanted[..., part.rows, part.columns]).square().sum()
            else:
                gathered[part.tap].add(part.features)
        pulls = {tap: self._pull(tap, gathered[tap].moments()) for tap in STYLE_TAPS}
        scales = {tap: self._scale(tap) for tap in STYLE_TAPS}
        content_scale = wanted.numel() * _variance(wanted)

        def above(part: Part) -> Tensor:
            if part.tap == CONTENT_TAP:
                apart = part.features.detach() - wanted[..., part.rows, part.columns]
                return apart.mul_(2 * self.content_weight / content_scale)
            pulled = pulls[part.tap].at(part.features.detach(), gathered[part.tap].count)
            return pulled.div_(scales[part.tap] * len(STYLE_TAPS))

        gradient = pieces.gradient(seen, (CONTENT_TAP, *STYLE_TAPS), above)
        content = squares / content_scale
        style = torch.stack([pulls[tap].distance / scales[tap] for tap in STYLE_TAPS]).mean()
        total = known(seen, style + self.content_weight * content, gradient)
        return Losses(total, content, style)

    def _pull(self, tap: str, found: Moments) -> Pull:
        target = self.targets[tap]
        if self.statistic == "gram":
            return gram_pull(found, target.second)
        return wasserstein_pull(found, target)

    def _scale(self, tap: str) -> float:
        """What a layer's distance is divided by."""
        return 1.0 if self.statistic == "gram" else max(self.targets[tap].variance, 1e-6)

    def _seen(self, picture: Tensor, view: int) -> Tensor:
        across, down = self.views[view]
        rim = (across, RIM - across, down, RIM - down)
        seen = functional.pad(picture, rim, mode="reflect")
        return seen.contiguous(memory_format=torch.channels_last)

    def _apart(self, tap: str, features: Tensor) -> Tensor:
        target = self.targets[tap]
        if self.statistic == "gram":
            return gram(features, target.second)
        return wasserstein(features, target) / self._scale(tap)

    def _moments(self, painting: Tensor) -> dict[str, Moments]:
        if self.pieces is not None:
            return self.pieces.moments(painting, STYLE_TAPS)
        found = self.network(painting, STYLE_TAPS)
        return {tap: moments(features.double()) for tap, features in found.items()}


def _variance(features: Tensor) -> Tensor:
    """Mean variance over a layer's channels: the scale of a difference in content."""
    return features.var(dim=(-2, -1), unbiased=False).mean().clamp_min(1e-6)
