"""What a trained model is: enough to build its networks again. No torch here."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

Architecture = Literal["dcgan", "light"]
ARCHITECTURES: tuple[str, ...] = get_args(Architecture)
Resolution = Literal[32, 64, 128, 256, 512]
RESOLUTIONS: tuple[int, ...] = get_args(Resolution)
NARROWEST, WIDEST = 1, 256
"""Channels of the first block that a model may have and a training may be asked for: the same, so
that training goes on from every model that is taken."""
LONGEST_LATENT = 1024
FORMAT = 1
METADATA = "atelier_model"
LONGEST_HEADER = 16 * 1024**2
LATENT: Mapping[str, int] = {"dcgan": 128, "light": 256}
"""Length of z, by architecture."""

MOST_INNOVATION = 10
"""Where the dial from imitation to innovation ends."""


class ModelError(Exception):
    """The file is no model of ours, or a damaged one. Says what is wrong in words."""


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a pair of networks, and where they come from.

    ``resolution`` is the side of the square pictures in px, ``latent`` the length of z,
    ``width`` the channels of the discriminator's first block. ``labels`` names the styles the
    networks were trained on; ``conditional`` says that the generator takes a label.
    ``innovation`` is where the dial stands as long as nobody turns it
    (:mod:`engines.gan_training.mixtures`). ``styles`` says that the discriminator's file has a head
    that tells styles apart, as those of earlier versions had; it is left out. ``origin`` is JSON
    told to people (set, steps, figures); nothing is built from it.
    """

    architecture: Architecture
    resolution: int
    latent: int
    width: int
    labels: tuple[str, ...] = ()
    conditional: bool = False
    styles: bool = False
    innovation: float = 0.0
    origin: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The config as the text that a model file carries."""
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False, allow_nan=False)


def parse_config(text: str) -> ModelConfig:
    """The config in ``text``; :class:`ModelError` where it is none that we can build."""
    try:
        known = json.loads(text)
        if known.pop("format") != FORMAT:
            raise ModelError("the model was saved in a format that this version does not know")
        known["labels"] = tuple(known["labels"])
        config = ModelConfig(**known)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as damage:
        raise ModelError(f"the model's description cannot be read: {damage}") from damage
    _refuse_odd(config)
    return config


def read_config(path: Path) -> ModelConfig:
    """The config of a model file, without its weights (safetensors: a length, then JSON)."""
    try:
        with path.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > LONGEST_HEADER:
                raise ModelError(f"{path.name} is no model file")
            header = json.loads(opened.read(length))
        text = header["__metadata__"][METADATA]
    except (OSError, struct.error, ValueError, KeyError, TypeError) as damage:
        raise ModelError(f"{path.name} is no model file of this studio") from damage
    return parse_config(text)


def is_storable(value: object) -> bool:
    """Whether it is a text that a database keeps: no NUL, and no half of a character."""
    if not isinstance(value, str):
        return False
    return not any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value)


def _refuse_odd(config: ModelConfig) -> None:
    """A stranger's file must not make us build networks without bound."""
    if config.architecture not in ARCHITECTURES:
        raise ModelError(f"the model's architecture {config.architecture!r} is not known here")
    if type(config.resolution) is not int or config.resolution not in RESOLUTIONS:
        raise ModelError(f"the model's resolution {config.resolution!r} is none of {RESOLUTIONS}")
    for name, value, least, most in (
        ("latent", config.latent, 1, LONGEST_LATENT),
        ("width", config.width, NARROWEST, WIDEST),
    ):
        if type(value) is not int or not least <= value <= most:
            raise ModelError(f"the model's {name} {value!r} is not between {least} and {most}")
    for name in ("conditional", "styles"):
        if type(getattr(config, name)) is not bool:
            raise ModelError(f"the model's {name} is neither true nor false")
    _refuse_odd_labels(config)
    if not isinstance(config.origin, dict):
        raise ModelError("the model's origin is no list of what it came from")


def _refuse_odd_labels(config: ModelConfig) -> None:
    if len(config.labels) > 1000 or not all(map(is_storable, config.labels)):
        raise ModelError("the model's labels are not at most 1000 names")
    if (config.conditional or config.styles) and not config.labels:
        raise ModelError("the model needs labels and names none")
    dial = config.innovation
    if type(dial) not in (int, float) or not 0 <= dial <= MOST_INNOVATION:
        raise ModelError(f"the model's innovation {dial!r} is not between 0 and {MOST_INNOVATION}")
    if dial and not config.conditional:
        raise ModelError("the model's innovation mixes labels, and it has learned none")
