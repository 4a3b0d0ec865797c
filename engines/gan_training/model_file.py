"""A trained model as one file: weights as safetensors, the config as JSON in its header.

No pickle: a model may come from anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialized
from torch import Tensor

from engines.gan_training.config import METADATA, ModelConfig, ModelError, parse_config
from engines.models import ModelFacts
from engines.state import sync

__all__ = ["LoadedModel", "ModelConfig", "ModelError", "load_model", "save_model"]

GENERATOR, DISCRIMINATOR = "generator.", "discriminator."


@dataclass(frozen=True)
class LoadedModel:
    """A model file's content; the weights are on the CPU, by their names in the networks.

    ``generator`` is the averaged one that makes pictures; ``discriminator`` is None where the
    file has none, so that it can be sampled but not trained on.
    """

    config: ModelConfig
    generator: dict[str, Tensor]
    discriminator: dict[str, Tensor] | None

    @property
    def facts(self) -> ModelFacts:
        """What it is, as its header says it where nothing is loaded."""
        numbers = sum(value.numel() for value in self.generator.values())
        return ModelFacts(self.config, numbers, self.discriminator is not None)


def save_model(
    path: Path,
    config: ModelConfig,
    generator: Mapping[str, Tensor],
    discriminator: Mapping[str, Tensor] | None,
) -> None:
    """Write a model file, wholly or not at all. OSError when it cannot be written."""
    tensors = {GENERATOR + name: value for name, value in generator.items()}
    tensors |= {DISCRIMINATOR + name: value for name, value in (discriminator or {}).items()}
    stored = {name: value.detach().to("cpu").contiguous() for name, value in tensors.items()}
    draft = path.with_name(path.name + ".part")
    try:
        draft.write_bytes(serialized(stored, metadata={METADATA: config.to_json()}))
        sync(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def load_model(path: Path) -> LoadedModel:
    """Read a model file; :class:`ModelError` when it is damaged or none of ours.

    That the weights fit their config is said by ``load_state_dict`` of the built network;
    :func:`engines.gan_training.networks.load_into` puts that into words.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as opened:
            text = (opened.metadata() or {})[METADATA]
            stored = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except KeyError:
        raise ModelError(f"{path.name} is no model file of this studio") from None
    except (OSError, SafetensorError, ValueError) as damage:
        raise ModelError(f"{path.name} is damaged or no model file: {damage}") from damage
    parts = [_part(stored, prefix) for prefix in (GENERATOR, DISCRIMINATOR)]
    if not parts[0]:
        raise ModelError(f"{path.name} holds no generator")
    return LoadedModel(parse_config(text), parts[0], parts[1] or None)


def _part(stored: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in stored.items()
        if name.startswith(prefix)
    }
