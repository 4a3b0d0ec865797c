"""How fast a trained model draws, and what a film costs beside the drawing.

``python -m bench.gan_sampling`` samples ``dcgan`` and ``light`` networks of drawn weights (drawing
costs the same whatever they have learned) at 64 px on one thread, in seconds of the processor, and
encodes the frames.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch
from PIL import Image

from bench.rows import Row, markdown
from engines import film
from engines.engine import Inputs
from engines.gan_sampling.engine import GanSampling
from engines.gan_sampling.kind import GanSamplingParams
from engines.gan_training.config import ARCHITECTURES, ModelConfig
from engines.gan_training.model_file import save_model
from engines.gan_training.networks import build_generator, draw_weights
from engines.state import generator

MODEL = "00000000-0000-0000-0000-000000000001"
SIDE, COUNT = 64, 128


def measure() -> list[Row]:
    """Samples per second of one core, and milliseconds to encode a frame."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows = [row for architecture in ARCHITECTURES for row in _of(architecture)]
    torch.set_num_threads(threads)
    return rows


def _of(architecture: str) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        engine = _engine(architecture, Path(folder, "model"))
        engine.step()  # the first warms up
        began = time.process_time()
        for _ in range(engine.total_steps - 1):
            engine.step()
        spent = time.process_time() - began
    pictures = engine.state().tensors["pictures"]
    frames = [Image.fromarray(picture.numpy()) for picture in pictures]
    began = time.process_time()
    film.Film([film.encode_frame(frame) for frame in frames], (SIDE, SIDE), 24).encoded({})
    encoding = 1000 * (time.process_time() - began) / len(frames)
    drawn = COUNT * (engine.total_steps - 1) / engine.total_steps
    return [
        Row(f"{architecture}: samples at {SIDE} px, one core", drawn / spent, "1/s"),
        Row(f"{architecture}: encoding a film's frame at {SIDE} px", encoding, "ms"),
    ]


def _engine(architecture: str, path: Path) -> GanSampling:
    config = ModelConfig(architecture, SIDE, latent=128, width=32)  # type: ignore[arg-type]
    network = build_generator(config)
    draw_weights(network, generator(0, "bench", 0))
    save_model(path, config, network.state_dict(), None)
    params = GanSamplingParams(model=MODEL, mode="grid", count=COUNT)
    return GanSampling(params, Inputs({MODEL: path}, path.parent), torch.device("cpu"))


if __name__ == "__main__":
    print(markdown(measure()))
