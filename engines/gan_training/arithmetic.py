"""How much arithmetic networks and their training take, from the table of shapes. No torch here.

Counted are the products and additions of convolutions and matrices, two for each pair. What moves
numbers or treats each by itself (norms, activations, augmentation, optimisers) is in :data:`BESIDE`
and :data:`SLOWER`. The pictures of the timeline (0.5 % where they are drawn every 100 steps) and of
previews are left out. Frozen blocks count as if they learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, prod
from typing import Any

from engines.gan_training.config import LATENT, ModelConfig
from engines.gan_training.shapes import discriminator_shapes, generator_shapes
from engines.kind import SetFacts
from engines.vision import looking

MOST_REAL = 1000
"""Real pictures that are compared with, at most: drawn once for a run."""

GROWN = 4
"""Taps of an enlarging convolution that meet each pixel: see
:class:`engines.gan_training.layers.GrownConvolution`."""

BESIDE = 1e9
"""Operations that take as long as what every step does besides, whatever its networks and batch.
On one core that did 69 GFLOP/s in steps of the draft preset, a step at 32 px (width 16, batch 16)
took 22 ms, its 0.4 GFLOP 5 of them."""

SLOWER = {"dcgan": 1.0, "light": 1.7}
"""How much longer a step's operations take, by the networks: the light ones have more norms and
gates. On that core they did 32 GFLOP/s (64 px, width 16, batch 8), and a quarter more since."""

PENALTY = 6
"""Passes of the judge over a real picture that a gradient penalty takes."""


def making(config: ModelConfig) -> float:
    """Operations that make one picture."""
    side, total = 4, 0.0
    for name, shape in generator_shapes(config).items():
        if name == "begin.weight" or (len(shape) == 4 and name.startswith("excited.")):
            total += 2 * prod(shape)
        elif name == "picture.weight":
            total += 2 * prod(shape) * side**2
        elif len(shape) == 4:
            side *= 2
            total += 2 * GROWN * prod(shape[:2]) * side**2
    return total


def judging(config: ModelConfig) -> float:
    """Operations that judge one picture."""
    side, total = config.resolution, 0.0
    for name, shape in discriminator_shapes(config).items():
        if name.startswith("blocks.") and len(shape) == 4:
            # Of a block only the first kernel, the one with four taps, is on its way down.
            side //= 2 if shape[-1] == 4 else 1
            total += 2 * prod(shape) * side**2
        elif name == "heads.verdict.weight":
            total += 2 * prod(shape)
    return total


def redrawing(config: ModelConfig) -> float:
    """Operations that redraw one picture from its maps, where a judge must."""
    return sum(_of_decoder(config, f"decoders.{side}.") for side in (8, 16))


def _of_decoder(config: ModelConfig, prefix: str) -> float:
    """It begins at 8 px, with a quarter of larger maps."""
    side, total = 8, 0.0
    for name, shape in discriminator_shapes(config).items():
        if not name.startswith(prefix) or len(shape) != 4:
            continue
        if shape[0] == 3:
            total += 2 * prod(shape) * side**2
        else:
            side *= 2
            total += 2 * GROWN * prod(shape[:2]) * side**2
    return total


def training(ours: Mapping[str, Any], theirs: SetFacts | None) -> float:
    """Operations of a whole training with the parameters ``ours`` on a set, of which nothing need
    be known: its steps, the measurements, and the last one with its search for copies."""
    labels = theirs.labels if theirs else 0
    config = ModelConfig(
        architecture=ours["architecture"],
        resolution=ours["resolution"],
        latent=LATENT[ours["architecture"]],
        width=ours["width"],
        labels=("",) * labels,
        conditional=ours["conditional"],
    )
    step = ours["batch"] * _of_a_picture(config, ours) * SLOWER[config.architecture]
    steps: float = ours["steps"] * (BESIDE + step)
    return steps + _measuring(config, ours, theirs.pictures if theirs else MOST_REAL)


def _of_a_picture(config: ModelConfig, ours: Mapping[str, Any]) -> float:
    """Of a step, for each picture of its batch: the maker there and twice back (to its weights and
    to its maps), the judge the same with a real and a made one."""
    judge = judging(config)
    total = 3 * making(config) + 3 * 2 * judge + 3 * redrawing(config)
    if ours["r1"]:
        # There and back, and each of both back once more.
        total += PENALTY * judge / ours["r1_interval"]
    return total


def _measuring(config: ModelConfig, ours: Mapping[str, Any], pictures: int) -> float:
    """Of every measurement: pictures are made and looked at; of the set some once, all of them in
    the search for copies, also mirrored."""
    looked, closely = (
        looking.arithmetic("vgg16", "5_3", side**2) for side in (looking.SIDE, looking.COPY_SIDE)
    )
    made, measured = ours["kid_samples"], 1 + ceil(ours["steps"] / ours["kid_every"])
    ways = 2 if ours["mirror"] else 1
    report = made * (2 * making(config) + looked + closely) + ways * pictures * closely
    real = min(pictures, MOST_REAL) * looked
    total: float = measured * made * (making(config) + looked) + real + report
    return total
