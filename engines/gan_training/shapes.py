"""Which tensors the networks of a model have, by name and shape. No torch here.

The networks themselves are in :mod:`engines.gan_training.dcgan` and ``light``; a test holds this
list against them for every kind of config, so that an upload can be checked without torch.
"""

from __future__ import annotations

from engines.gan_training.config import ModelConfig

Shapes = dict[str, tuple[int, ...]]
STYLE_LENGTH = 32
LIGHT_WIDTHS = {4: 8.0, 8: 8.0, 16: 4.0, 32: 2.0, 64: 2.0, 128: 1.0, 256: 0.5, 512: 0.25}
LIGHT_EXCITED = 16


def generator_shapes(config: ModelConfig) -> Shapes:
    """The tensors of the generator that ``config`` describes."""
    shapes = (
        _dcgan_generator(config) if config.architecture == "dcgan" else _light_generator(config)
    )
    if config.conditional:
        shapes["style.vectors.weight"] = (len(config.labels), STYLE_LENGTH)
    return shapes


def discriminator_shapes(config: ModelConfig) -> Shapes:
    """The tensors of the discriminator that ``config`` describes."""
    dcgan = config.architecture == "dcgan"
    shapes = _dcgan_discriminator(config) if dcgan else _light_discriminator(config)
    last, labels = _judging(config, 4), len(config.labels)
    shapes |= _convolution("heads.verdict", last, 1, 4)
    if config.conditional:
        shapes["heads.vectors.weight"] = (labels, last)
    if config.styles:  # left by earlier versions
        shapes |= {"heads.style.weight": (labels, 16 * last), "heads.style.bias": (labels,)}
    return shapes


def _dcgan_generator(config: ModelConfig) -> Shapes:
    wide = _judging(config, 4)
    shapes = {**_begin(config, wide), **_norm("layers.0", wide)}
    side, at = 4, 2
    while (side := side * 2) < config.resolution:
        before, wide = wide, _judging(config, side)
        shapes[f"layers.{at}.weight"] = (wide, before, 3, 3)
        shapes |= _norm(f"layers.{at + 1}", wide)
        at += 3
    return {**shapes, f"layers.{at}.weight": (3, config.width, 3, 3), f"layers.{at}.bias": (3,)}


def _dcgan_discriminator(config: ModelConfig) -> Shapes:
    shapes: Shapes = {}
    side, before, at = config.resolution, 3, 0
    while (side := side // 2) >= 4:
        wide = _judging(config, side)
        shapes |= _convolution(f"blocks.{at}.0", before, wide, 4)
        before, at = wide, at + 1
    return shapes


def _light_generator(config: ModelConfig) -> Shapes:
    first = 2 * _making(config, 4)
    shapes = {**_begin(config, first), **_norm("gate.0", first)}
    side = 4
    while (side := side * 2) <= config.resolution:
        wide = _making(config, side)
        shapes[f"blocks.{side}.0.weight"] = (2 * wide, _making(config, side // 2), 3, 3)
        shapes |= _norm(f"blocks.{side}.1", 2 * wide)
        if side // LIGHT_EXCITED >= 4:
            small = _making(config, side // LIGHT_EXCITED)
            shapes[f"excited.{side}.layers.1.weight"] = (wide, small, 4, 4)
            shapes[f"excited.{side}.layers.3.weight"] = (wide, wide, 1, 1)
    return {**shapes, **_convolution("picture", _making(config, config.resolution), 3, 3)}


def _light_discriminator(config: ModelConfig) -> Shapes:
    side, before = config.resolution // 2, config.width
    shapes, at = _spectral("blocks.0.0", 3, before, 4), 1
    while (side := side // 2) >= 4:
        wide, block = _judging(config, side), f"blocks.{at}"
        shapes |= _spectral(f"{block}.convolved.0", before, wide, 4)
        shapes |= _spectral(f"{block}.convolved.2", wide, wide, 3)
        shapes |= _spectral(f"{block}.averaged.1", before, wide, 1)
        before, at = wide, at + 1
    drawn = min(config.resolution, 64)
    for side in (8, 16):
        shapes |= _decoder(f"decoders.{side}", _judging(config, side), drawn)
    return shapes


def _decoder(name: str, wide: int, side: int) -> Shapes:
    shapes: Shapes = {}
    layers = (side // 8).bit_length() - 1
    for layer in range(layers):
        narrow = max(8, wide // 2)
        shapes[f"{name}.{3 * layer}.weight"] = (2 * narrow, wide, 3, 3)
        shapes |= _norm(f"{name}.{3 * layer + 1}", 2 * narrow)
        wide = narrow
    return {**shapes, **_convolution(f"{name}.{3 * layers}", wide, 3, 3)}


def _begin(config: ModelConfig, first: int) -> Shapes:
    return {"begin.weight": (16 * first, config.latent + STYLE_LENGTH * config.conditional)}


def _judging(config: ModelConfig, side: int) -> int:
    """Channels of dcgan's maps, and of every discriminator's."""
    return config.width * min(8, config.resolution // (2 * side))


def _making(config: ModelConfig, side: int) -> int:
    return max(4, int(config.width * LIGHT_WIDTHS[side]))


def _convolution(name: str, inputs: int, outputs: int, kernel: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs, kernel, kernel), f"{name}.bias": (outputs,)}


def _spectral(name: str, inputs: int, outputs: int, kernel: int) -> Shapes:
    return {**_convolution(name, inputs, outputs, kernel), f"{name}.u": (outputs,)}


def _norm(name: str, channels: int) -> Shapes:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {**{f"{name}.{part}": (channels,) for part in parts}, f"{name}.num_batches_tracked": ()}
