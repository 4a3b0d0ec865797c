"""Sampling a trained generator: pictures, sheets of them, and films that pass through them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from engines import film, pictures
from engines.engine import Engine, InputError, Inputs, Metrics, Output, Phase, refuse_misfits
from engines.gan_sampling.kind import GAN_SAMPLING, GanSamplingParams, file_name, way_text
from engines.gan_sampling.latents import between, latent
from engines.gan_sampling.sheet import sheet
from engines.gan_training.config import ModelConfig, ModelError
from engines.gan_training.model_file import load_model
from engines.gan_training.networks import build_generator, load_into, set_dial
from engines.kind import N_, Known, Params
from engines.state import State, StateError, same_params

BATCH = 8
PREVIEW_SIDE = 1024
DRAWING = N_("drawing picture {number} of {count}")
FILMING = N_("drawing frame {number} of {count}")
ANOTHER = N_("Choose another model.")


class GanSampling(Engine):
    """One step draws the next few pictures or frames."""

    def __init__(self, params: Params, inputs: Inputs, device: torch.device) -> None:
        super().__init__(params, inputs, device)
        if not isinstance(params, GanSamplingParams):
            raise TypeError(f"{GAN_SAMPLING.name} takes GanSamplingParams")
        self.params, self.device = params, device
        self.config, self._generator = _loaded(params, inputs, device)
        self._labels = _labels(params, self.config)
        self._film = params.mode == "film"
        self._count = params.drawn
        self.total_steps = -(-self._count // BATCH)
        self._piece = max(1, BATCH >> inputs.smaller)
        self._step = 0
        self._ways = [params.way(position) for position in range(params.pictures)]
        side = self.config.resolution
        kept = 1 if self._film else self._count
        self._pictures = torch.full((kept, side, side, 3), 127, dtype=torch.uint8)
        self._frames: list[bytes] = []

    @property
    def phase(self) -> Phase:
        """Which picture is being drawn."""
        number = min(self._step * BATCH + 1, self._count)
        return Phase(FILMING if self._film else DRAWING, {"number": number, "count": self._count})

    @property
    def facts(self) -> Mapping[str, Any]:
        """What drew: the shape of the model; its hash is among the recipe's inputs."""
        known = self.config
        return {"model": {"architecture": known.architecture, "resolution": known.resolution}}

    @torch.inference_mode()
    def step(self) -> Metrics:
        """Draw the next pictures. The figure is their variety: the mean deviation of a level from
        its place's mean over them, 0 where all are alike, at most half of full brightness; one
        alone has none."""
        first = self._step * BATCH
        numbers = range(first, min(first + BATCH, self._count))
        drawn = []
        for begin in range(0, len(numbers), self._piece):
            drawn.append(self._drawn(numbers[begin : begin + self._piece]))
            self.pulse()
        together = torch.cat(drawn)
        self._keep(numbers, together)
        self._step += 1
        if len(numbers) < 2:
            return {}
        return {"variety": float(together.float().std(0, correction=0).mean() / 255)}

    def preview(self) -> Image.Image:
        """The sheet as far as it is drawn; of a film its newest frame."""
        if self._film:
            return Image.fromarray(self._pictures[0].numpy())
        drawn = sheet(self._pictures, self.params.columns)
        return pictures.fit_long_side(drawn, PREVIEW_SIDE) if max(drawn.size) > 1024 else drawn

    def outputs(self) -> Iterable[Output]:
        """The film, the sheet, or each picture under the name of its way."""
        if self._film:
            side = self.config.resolution
            made = film.Film(self._frames, (side, side), self.params.frame_rate)
            return [Output("result", "film.webp", made, film.MEDIA_TYPE)]
        if self.params.mode == "grid":
            return [Output("result", "grid.png", sheet(self._pictures, self.params.columns))]
        return (self._single(position) for position in range(self._count))

    def state(self) -> State:
        """What is drawn so far; everything else follows from the parameters."""
        tensors = {"pictures": self._pictures.clone()}
        if self._film:
            lengths = [len(frame) for frame in self._frames]
            content = bytearray(b"".join(self._frames) or b"\0")
            tensors["frames"] = torch.frombuffer(content, dtype=torch.uint8).clone()
            tensors["lengths"] = torch.tensor(lengths, dtype=torch.int64)
        return State(self._step, tensors, {"params": self.params.model_dump(mode="json")})

    def load_state(self, state: State) -> None:
        """Go on with the pictures of the same job."""
        same_params(state, self.params)
        drawn = state.tensors.get("pictures")
        if drawn is None or drawn.shape != self._pictures.shape or drawn.dtype != torch.uint8:
            raise StateError("the tensor pictures is missing or of another shape")
        if not 0 <= state.step <= self.total_steps:
            raise StateError(f"step {state.step} does not belong to this job")
        if self._film:
            self._frames = _frames(state, min(state.step * BATCH, self._count))
        self._pictures, self._step = drawn.clone(), state.step

    def _drawn(self, numbers: range) -> Tensor:
        """The pictures or frames of these numbers, (n, R, R, 3) bytes on the CPU."""
        z = torch.stack([self._latent(number) for number in numbers]) * self.params.truncation
        given = [z.to(self.device)]
        if self._labels:
            positions = [self._labels[n % len(self._labels)] for n in numbers]
            given.append(torch.tensor(positions, device=self.device))
        made = self._generator(*given)
        if not torch.isfinite(made).all():
            raise InputError("/model", N_("What the model makes is not all numbers."), ANOTHER)
        return _as_bytes(made)

    def _keep(self, numbers: range, drawn: Tensor) -> None:
        if not self._film:
            self._pictures[numbers[0] : numbers[-1] + 1] = drawn
            return
        self._pictures[0] = drawn[-1]
        for frame in drawn:
            self._frames.append(film.encode_frame(Image.fromarray(frame.numpy())))

    def _latent(self, number: int) -> Tensor:
        if not self._film:
            return latent(self._ways[number], self.config.latent)
        leg, frame = divmod(number, self.params.frames)
        ends = (self._ways[leg], self._ways[(leg + 1) % len(self._ways)])
        vectors = [latent(way, self.config.latent) for way in ends]
        return between(vectors[0], vectors[1], frame / self.params.frames)

    def _single(self, position: int) -> Output:
        way = self._ways[position]
        picture = Image.fromarray(self._pictures[position].numpy())
        return Output("result", file_name(way), picture, facts={"sample": way_text(way)})


def _loaded(
    params: GanSamplingParams, inputs: Inputs, device: torch.device
) -> tuple[ModelConfig, torch.nn.Module]:
    """The model's config and its generator, ready to draw; :class:`InputError` where it cannot be
    read, or does not fit."""
    hint = N_("Choose a model that was trained in a studio like this one.")
    try:
        model = load_model(inputs.files[params.model])
        generator = build_generator(model.config)
        load_into(generator, model.generator, "generator")
    except ModelError as unfit:
        raise InputError("/model", str(unfit), hint) from unfit
    except KeyError:
        message = N_("The model is not among the inputs of this job.")
        raise InputError("/model", message) from None
    refuse_misfits(params, Known(models={params.model: model.facts}))
    if params.innovation is not None:
        set_dial(generator, params.innovation)
    return model.config, generator.to(device).eval().requires_grad_(False)


def _labels(params: GanSamplingParams, config: ModelConfig) -> list[int]:
    """The labels that pictures take in turn, by number; empty for a model without."""
    if not config.conditional:
        return []
    if params.label:
        return [config.labels.index(params.label)]
    many = len(config.labels)
    if params.near or params.mode == "film":
        return [params.turn % many]
    return list(range(many))


def _frames(state: State, count: int) -> list[bytes]:
    lengths, content = state.tensors.get("lengths"), state.tensors.get("frames")
    if lengths is None or content is None or len(lengths) != count:
        raise StateError("the tensor frames or lengths is missing or of another shape")
    if int(lengths.sum()) != (len(content) if count else 0):
        raise StateError("the frames are not as long as their lengths say")
    parts = torch.split(content, lengths.tolist()) if count else ()
    return [part.numpy().tobytes() for part in parts]


def _as_bytes(drawn: Tensor) -> Tensor:
    """(n, 3, R, R) in [-1, 1] as (n, R, R, 3) bytes on the CPU, rounded to nearest."""
    levels = drawn.float().add(1).mul(127.5).round().clamp(0, 255)
    return levels.to("cpu", torch.uint8).permute(0, 2, 3, 1).contiguous()
