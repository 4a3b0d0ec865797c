"""Model files from strangers: what they are, and whether they are whole. No torch here.

A model file is safetensors (eight bytes of length, a header in JSON, numbers), with the networks'
config in the header. Only the header is read, within bounds; no number is, and nothing is run.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from engines.gan_training.config import (
    METADATA,
    ModelConfig,
    ModelError,
    is_storable,
    parse_config,
)
from engines.gan_training.shapes import Shapes, discriminator_shapes, generator_shapes

__all__ = ["ModelError", "ModelFacts", "inspect", "read_facts"]

BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "I8": 1, "U8": 1}
GENERATOR, DISCRIMINATOR = "generator.", "discriminator."
LONGEST_HEADER = 1024**2
# Multiplying the sides of one that lists a million of them would take a processor for seconds.
MOST_SIDES = 8
SHOWN_NAME = 80
SETTINGS = ("architecture", "resolution", "latent", "width", "conditional")
MOST_TOLD, LONGEST_TOLD = 20, 200


@dataclass(frozen=True)
class ModelFacts:
    """What a model is: its config, the numbers in its generator, and whether training can go on
    from it (the discriminator is in the file, too)."""

    config: ModelConfig
    parameters: int
    trainable: bool

    @property
    def settings(self) -> dict[str, Any]:
        """What a training that goes on from it has to keep, by the names of its parameters."""
        return {name: getattr(self.config, name) for name in SETTINGS}

    @property
    def origin(self) -> dict[str, Any]:
        """What its training says of it, as far as those are short plain values; a stranger's file
        may say anything."""
        told = list(self.config.origin.items())[:MOST_TOLD]
        return {name[:SHOWN_NAME]: value for name, value in told if _is_plain(name, value)}

    def as_json(self) -> dict[str, Any]:
        """The facts as plain values that :meth:`of_json` reads."""
        config = {**asdict(self.config), "labels": list(self.config.labels), "origin": self.origin}
        return {"config": config, "parameters": self.parameters, "trainable": self.trainable}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> ModelFacts:
        """The facts that :meth:`as_json` gave."""
        config = {**kept["config"], "labels": tuple(kept["config"]["labels"])}
        return cls(ModelConfig(**config), kept["parameters"], kept["trainable"])


def _is_plain(name: str, value: object) -> bool:
    if isinstance(value, str):
        fits = len(value) <= LONGEST_TOLD and is_storable(value)
    else:
        fits = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return fits and is_storable(name)


def inspect(path: Path) -> ModelFacts:
    """The facts of the file at ``path``; :class:`ModelError` says in words why it is unfit."""
    with path.open("rb") as opened:
        return read_facts(opened, path.stat().st_size)


def read_facts(source: IO[bytes], size: int) -> ModelFacts:
    """The facts of a model file of ``size`` bytes whose tensors are those that its config asks
    for, and all of it there; :class:`ModelError` says in words why it is unfit."""
    length, header = _header(source, size)
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not isinstance(metadata.get(METADATA), str):
        raise ModelError("nothing in it says which networks it holds; this studio's models do")
    config = parse_config(metadata[METADATA])
    shapes = _shapes(header, size - 8 - length)
    trainable = any(name.startswith(DISCRIMINATOR) for name in shapes)
    _refuse_unfit(shapes, config, trainable)
    made = [math.prod(shape) for name, shape in shapes.items() if name.startswith(GENERATOR)]
    return ModelFacts(config, sum(made), trainable)


def _header(source: IO[bytes], size: int) -> tuple[int, dict[str, Any]]:
    if size < 10:
        raise ModelError("it is empty or cut off")
    (length,) = struct.unpack("<Q", source.read(8))
    if length > min(LONGEST_HEADER, size - 8):
        raise ModelError("it is no safetensors file, or it is cut off")
    try:
        header = json.loads(source.read(length))
    except (ValueError, RecursionError):
        raise ModelError("it is no safetensors file, or its header is damaged") from None
    if not isinstance(header, dict):
        raise ModelError("its header is no list of tensors")
    return int(length), header


def _shapes(header: Mapping[str, Any], room: int) -> Shapes:
    """Shapes by name; the tensors must fill the ``room`` after the header, one after another."""
    shapes, spans = {}, []
    for name, told in header.items():
        try:
            begin, end = (int(offset) for offset in told["data_offsets"])
            if len(told["shape"]) > MOST_SIDES:
                raise ValueError("no tensor of ours has so many sides")
            shape = tuple(int(side) for side in told["shape"])
            width = BYTES[told["dtype"]]
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ModelError(f"its header describes {name[:SHOWN_NAME]} wrongly") from None
        if any(side < 0 for side in shape) or end - begin != width * math.prod(shape):
            raise ModelError(f"{name[:SHOWN_NAME]} is not as long as its shape says")
        shapes[name] = shape
        spans.append((begin, end))
    at = 0
    for begin, end in sorted(spans):
        if begin != at:
            raise ModelError("its tensors do not lie one after another")
        at = end
    if at != room:
        raise ModelError("it is cut off, or something follows its tensors")
    return shapes


def _refuse_unfit(shapes: Shapes, config: ModelConfig, trainable: bool) -> None:
    wanted = {GENERATOR + name: shape for name, shape in generator_shapes(config).items()}
    if trainable:
        judge = discriminator_shapes(config)
        wanted |= {DISCRIMINATOR + name: shape for name, shape in judge.items()}
    for name in sorted({*wanted, *shapes}):
        ours, theirs = wanted.get(name), shapes.get(name)
        if theirs is None:
            raise ModelError(f"{name} is missing")
        if ours is None:
            raise ModelError(f"{name[:SHOWN_NAME]} does not belong to such networks")
        if ours != theirs:
            raise ModelError(f"{name} has the shape {theirs}; such networks need {ours}")
