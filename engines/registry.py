"""The kinds of job, one line each. No torch here."""

from __future__ import annotations

from engines.gan_sampling.kind import GAN_SAMPLING
from engines.gan_training.kind import GAN_TRAINING
from engines.kind import Kind
from engines.style_transfer.kind import STYLE_TRANSFER

KINDS: dict[str, Kind] = {kind.name: kind for kind in (STYLE_TRANSFER, GAN_TRAINING, GAN_SAMPLING)}
