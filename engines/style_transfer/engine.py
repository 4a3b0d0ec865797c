"""Style transfer by optimisation, coarse to fine (Gatys et al. 2016; Crowson's multi-scale
variant; Laplacian coefficients as in STROTSS, Kolkin et al. 2019).

The photo, in the paintings' colours, is the start; at each scale the pyramid coefficients
descend, and the average of the iterates is what is shown, saved and enlarged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from engines import pictures
from engines.engine import Engine, InputError, Inputs, Metrics, Output, Phase
from engines.kind import N_, Params
from engines.state import State, StateError, generator, same_params
from engines.style_transfer import scales
from engines.style_transfer.canvas import Canvas
from engines.style_transfer.kind import STYLE_TRANSFER, StyleTransferParams
from engines.style_transfer.losses import Objective
from engines.style_transfer.sources import Sources
from engines.vision import network, pyramid, weights
from engines.vision.piecewise import Piecewise
from engines.vision.tensors import as_picture

PREVIEW_SIDE = 1024
NOISE = 0.02
"""Standard deviation of the noise in the start, in units of full brightness: what makes one
seed's picture differ from another's."""

DETAIL = 0.6
"""Share of the photo's own details that a larger scale brings in: at 1 the result is nearer to
the photo than to a painting, at 0 it is blurred and takes long to find its edges again."""

LARGEST_PIECE, SMALLEST_PIECE = 512, 128
"""Sides in pixels of the tiles that are worked on one by one once memory has run out."""

LAYING_IN = N_("laying in large strokes, {size} px, {scale} of {scales}")
PAINTING = N_("painting smaller strokes, {size} px, {scale} of {scales}")
FINISHING = N_("finishing the details, {size} px, {scale} of {scales}")


class StyleTransfer(Engine):
    """One step is one iteration at the current scale."""

    def __init__(self, params: Params, inputs: Inputs, device: torch.device) -> None:
        super().__init__(params, inputs, device)
        if not isinstance(params, StyleTransferParams):
            raise TypeError(f"{STYLE_TRANSFER.name} takes StyleTransferParams")
        self.params, self.inputs, self.device = params, inputs, device
        self._scales = scales.plan(params.size, params.start_size, params.iterations)
        self.total_steps = self._scales[-1].end
        self._sources = Sources(params, inputs, device)
        self._sources.refuse_narrow_photo(self._scales[0].size)
        self.network = _network(_chosen(params.features, inputs), inputs, device)
        self._step, self._scale = 0, 0
        self._objective: Objective | None = None
        self._canvas = Canvas(self._start())

    @property
    def phase(self) -> Phase:
        """How fine the strokes are that are being painted."""
        last = len(self._scales) - 1
        text = FINISHING if self._scale == last else PAINTING if self._scale else LAYING_IN
        size = self._scales[self._scale].size
        return Phase(text, {"size": size, "scale": self._scale + 1, "scales": last + 1})

    @property
    def fitted(self) -> tuple[str, int] | None:
        """The scale before the one being painted went through to its end."""
        return ("size", self._scales[self._scale - 1].size) if self._scale else None

    @property
    def facts(self) -> Mapping[str, Any]:
        """The feature network, with the sha256 of the file its weights came from."""
        return {"network": {"name": self.network.name, "sha256": self.network.sha256}}

    def share(self, step: int) -> float:
        """A step costs as much as its scale has pixels."""
        costs = [(scale.end - scale.first, scale.size**2) for scale in self._scales]
        done = sum(
            min(max(step - scale.first, 0), steps) * pixels
            for scale, (steps, pixels) in zip(self._scales, costs, strict=True)
        )
        return done / sum(steps * pixels for steps, pixels in costs)

    def frame_due(self) -> bool:
        """At the start, and where a scale is done."""
        return self._step in (0, *(scale.end for scale in self._scales))

    def step(self) -> Metrics:
        """One descent of the loss; on a new scale, first the work that opens it."""
        self._open_scale()
        if self._objective is None:
            self._objective = self._objective_here()
        leaves = self._canvas.attached()
        with torch.enable_grad():
            losses = self._objective(pyramid.join(leaves), self._step)
            gradients = torch.autograd.grad(losses.total, leaves)
        scale = self._scales[self._scale]
        self._canvas.descend(gradients, (self._step - scale.first) / (scale.end - scale.first))
        self._step += 1
        figures = {"loss": losses.total, "content": losses.content, "style": losses.style}
        return {name: float(figure.detach()) for name, figure in figures.items()}

    def preview(self) -> Image.Image:
        """The average of the iterates, RGB, at most 1024 px on the long side."""
        picture = as_picture(self._canvas.shown())
        if max(picture.size) > PREVIEW_SIDE:
            return pictures.fit_long_side(picture, PREVIEW_SIDE)
        return picture

    def outputs(self) -> Iterable[Output]:
        """The stylised picture, ``size`` px on the long side."""
        return [Output("result", "stylized.png", as_picture(self._canvas.shown()))]

    def state(self) -> State:
        """Coefficients, Adam's moments and the average; parameters and network by name."""
        facts = {
            "scale": self._scale,
            "updates": self._canvas.updates,
            "averaged": self._canvas.average.count,
            "params": self.params.model_dump(mode="json"),
            **self.facts,
        }
        return State(self._step, {k: v.clone() for k, v in self._canvas.tensors().items()}, facts)

    def load_state(self, state: State) -> None:
        """Continue from ``state``; :class:`StateError` names what does not belong to this job."""
        same_params(state, self.params)
        try:
            facts = state.facts
            self._use_network(facts["network"]["name"], facts["network"]["sha256"])
            scale, updates, averaged = (
                int(facts[name]) for name in ("scale", "updates", "averaged")
            )
        except (KeyError, TypeError, ValueError) as missing:
            raise StateError(f"the state lacks or garbles {missing}") from missing
        if not self._belongs(state.step, scale):
            raise StateError(f"step {state.step} does not belong to scale {scale} of this job")
        canvas = Canvas(self._photo(scale))
        try:
            canvas.restore(state.tensors, updates, averaged)
        except ValueError as name:
            raise StateError(f"the state's tensor {name} is missing or of another shape") from name
        self._canvas, self._step, self._scale = canvas, state.step, scale
        self._objective = None

    def _open_scale(self) -> None:
        """At a scale's first step: enlarge the canvas, and add what only this size can show."""
        due = scales.index_of(self._step, self._scales)
        if due == self._scale:
            return
        before = self._canvas.shown()
        photo = self._photo(due)
        size = (photo.shape[-2], photo.shape[-1])
        self._canvas = self._canvas.enlarged(size)
        blurred = pyramid.resized(
            pyramid.resized(photo, (before.shape[-2], before.shape[-1])), size
        )
        self._canvas.add(DETAIL * (photo - blurred))
        self._scale, self._objective = due, None
        self.pulse()

    def _objective_here(self) -> Objective:
        """Features of the photo and the paintings at this scale's size."""
        size, paintings = self._scales[self._scale].size, []
        for painting in self._sources.paintings(size):
            paintings.append(painting)
            self.pulse()
        return Objective(
            self.network,
            self._photo(self._scale),
            paintings,
            self._sources.shares,
            statistic=self.params.statistic,
            content_weight=self.params.content_weight,
            draws=generator(self.params.seed, "offsets", self._scale),
            pieces=self._pieces(size),
        )

    def _pieces(self, size: int) -> Piecewise | None:
        """Tiles of half the scale's size, and half that for every time that memory ran out again;
        small scales are seen as a whole."""
        if not self.inputs.smaller:
            return None
        side = max(min(size // 2, LARGEST_PIECE) >> (self.inputs.smaller - 1), SMALLEST_PIECE)
        return (
            Piecewise(self.network, side, lambda: self.pulse())
            if size > 2 * SMALLEST_PIECE
            else None
        )

    def _start(self) -> Tensor:
        photo = self._photo(0)
        noise = torch.randn(photo.shape, generator=generator(self.params.seed, "start", 0))
        return (photo + NOISE * noise.to(self.device)).clamp(0, 1)

    def _photo(self, scale: int) -> Tensor:
        return self._sources.photo(self._scales[scale].size)

    def _belongs(self, step: int, scale: int) -> bool:
        """A scale holds from its own first step (0) or after it, up to and with its end."""
        if not 0 <= scale < len(self._scales):
            return False
        here = self._scales[scale]
        return here.first + (scale > 0) <= step <= here.end

    def _use_network(self, name: str, sha256: str) -> None:
        """The state's own network: "auto" may mean another one by now."""
        if (self.network.name, self.network.sha256) == (name, sha256):
            return
        try:
            found = network.load(name, self.inputs.weights, self.device, last="5_1")
        except (weights.WeightsError, KeyError) as failure:
            raise StateError(f"the state's network {name} cannot be had: {failure}") from failure
        if found.sha256 != sha256:
            raise StateError(
                f"the network {name} has sha256 {found.sha256[:12]} here and {sha256[:12]}"
                " in the state"
            )
        self.network = found


def _chosen(features: str, inputs: Inputs) -> str:
    if features != "auto":
        return features
    return "vgg19" if weights.find("vgg19", inputs.weights) else "vgg16"


def _network(name: str, inputs: Inputs, device: torch.device) -> network.FeatureNetwork:
    try:
        return network.load(name, inputs.weights, device, last="5_1")
    except weights.WeightsError as failure:
        hint = N_("Choose other features, or have the weights added.")
        raise InputError("/features", str(failure), hint) from failure
