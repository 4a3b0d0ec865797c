"""Model files that tests make themselves: small networks with drawn weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engines.gan_training.model_file import ModelConfig, save_model
from engines.gan_training.networks import build_discriminator, build_generator, draw_weights
from engines.state import generator

TINY: dict[str, Any] = {"architecture": "dcgan", "resolution": 32, "latent": 16, "width": 4}
STYLES = ("dots", "waves", "ink")


def write_model(
    path: Path, seed: int = 0, discriminator: bool = False, loud: float = 8.0, **changes: Any
) -> Path:
    """A model of ``seed``; kernels are ``loud`` times the usual, so that samples differ."""
    config = ModelConfig(**{**TINY, **changes})
    made = build_generator(config)
    draw_weights(made, generator(seed, "model", 0))
    weights = {
        name: value * loud if value.ndim > 1 else value for name, value in made.state_dict().items()
    }
    judge = None
    if discriminator:
        network = build_discriminator(config)
        draw_weights(network, generator(seed, "judge", 0))
        judge = network.state_dict()
    save_model(path, config, weights, judge)
    return path
