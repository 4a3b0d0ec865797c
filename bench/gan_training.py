"""What a training step costs, against a textbook loop and against the machine.

``python -m bench.gan_training [ROUNDS]`` trains `dcgan` at 64 px, batch 64, with nothing that the
textbook's loop lacks (no augmentation, no penalty), but with all that a step of ours does besides:
the batch, the average, the norm of the gradients, the curves. The textbook's loop is PyTorch's
DCGAN tutorial with the same networks written plainly: enlarge, then convolve; judge the real
pictures, judge the made ones, step, judge the made ones again, step.
"""

from __future__ import annotations

import copy
import itertools
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from bench.rows import Row, markdown, seconds
from engines import state
from engines.datasets import samples
from engines.datasets.pack import Member, write
from engines.engine import Inputs
from engines.gan_training.engine import GanTraining
from engines.gan_training.kind import GanTrainingParams
from engines.gan_training.layers import Convolution, GrownConvolution
from engines.product import Product
from worker import heap
from worker.pace import Pace

SET = "00000000-0000-0000-0000-000000000001"
RESOLUTION, WIDTH, BATCH = 64, 64, 64
ROUNDS = 7
PICTURES = 16
CHECKPOINTS = 5
LONG = 2000


def measure(rounds: int = ROUNDS) -> list[Row]:
    """Medians over ``rounds`` of our step, the textbook's and matrix products, in turn, with the
    memory that a runner has."""
    heap.keep()
    with tempfile.TemporaryDirectory() as folder:
        pack = Path(folder) / "set.zip"
        write_set(pack)
        return [*_steps(pack, rounds), *_checkpoints(pack, Path(folder)), *_memory(pack)]


class Textbook:
    """PyTorch's DCGAN tutorial, with our networks, loss and rates."""

    def __init__(self, engine: GanTraining) -> None:
        self._maker, self._judge = _plain(engine.pair.maker), _plain(engine.pair.judge)
        self._latent = engine.config.latent
        rate, betas = engine.params.maker_rate, (engine.params.beta1, engine.params.beta2)
        self._of_judge = torch.optim.Adam(self._judge.parameters(), lr=rate, betas=betas)
        self._of_maker = torch.optim.Adam(self._maker.parameters(), lr=rate, betas=betas)
        self._images = torch.from_numpy(engine.pictures.images[:].copy())

    def step(self) -> None:
        """One pass of the tutorial's inner loop."""
        chosen = torch.randint(len(self._images), (BATCH,))
        real = self._images[chosen].permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1
        self._judge.zero_grad()
        loss = (self._judge(real).verdict - 1).square().mean()
        torch.autograd.backward(loss)
        noise = torch.randn(BATCH, self._latent)
        made = self._maker(noise)
        loss = self._judge(made.detach()).verdict.square().mean()
        torch.autograd.backward(loss)
        self._of_judge.step()
        self._maker.zero_grad()
        loss = (self._judge(made).verdict - 0.5).square().mean()
        torch.autograd.backward(loss)
        self._of_maker.step()
        loss.item()


class _Enlarged(nn.Module):
    """The plain way of :class:`GrownConvolution`."""

    def __init__(self, layer: GrownConvolution) -> None:
        super().__init__()
        self.weight = nn.Parameter(layer.weight.detach().clone().contiguous())
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().clone())

    def forward(self, features: Tensor) -> Tensor:
        enlarged = functional.interpolate(features, scale_factor=2, mode="nearest")
        return functional.conv2d(enlarged, self.weight, self.bias, padding=1)


def _plain(network: nn.Module) -> nn.Module:
    """A copy of PyTorch's own layers, in its default layout; enlargements stand by themselves."""
    copied = copy.deepcopy(network)
    for parameter in copied.parameters():
        parameter.data = parameter.data.contiguous()
        parameter.grad = None
    for part in copied.modules():
        for name, layer in part.named_children():
            if isinstance(layer, GrownConvolution):
                setattr(part, name, _Enlarged(layer))
            elif isinstance(layer, Convolution):
                setattr(part, name, _of_pytorch(layer))
    return copied


def _of_pytorch(layer: Convolution) -> nn.Conv2d:
    window, bias = layer.window, layer.bias is not None
    plain = nn.Conv2d(layer.in_channels, layer.out_channels, *window, bias=bias)
    plain.load_state_dict(layer.state_dict())
    return plain


def _steps(pack: Path, rounds: int) -> list[Row]:
    engine = untroubled(pack, batch=BATCH, width=WIDTH, resolution=RESOLUTION)
    engine.step()  # measures the set once, which no later step does
    textbook, multiply = Textbook(engine), Product(torch.device("cpu"))
    with FlopCounterMode(display=False) as counted:
        engine.step()
    arithmetic = counted.get_total_flops()
    works: list[Callable[[], object]] = [engine.step, textbook.step, multiply]
    found: list[list[float]] = [[] for _ in works]
    for turn, (place, work) in itertools.product(range(rounds + 1), enumerate(works)):
        took = seconds(work)
        if turn:  # the first of each only warms up
            found[place].append(took)
    ours, theirs, product = map(median, found)
    waited = median(_loading(engine) for _ in range(rounds))
    rate, matrix_rate = arithmetic / ours, multiply.arithmetic / product
    return [
        Row(f"GAN: dcgan at {RESOLUTION} px, batch {BATCH}", BATCH / ours, "images/s"),
        Row("GAN: the textbook's loop, same networks", BATCH / theirs, "images/s"),
        Row("GAN: ours / textbook", theirs / ours, "ratio", ">= 1.5"),
        Row("GAN: convolution rate / SGEMM rate", rate / matrix_rate, "ratio", ">= 0.6"),
        Row("GAN: share of a step spent waiting for pictures", waited / ours, "share", "<= 0.03"),
    ]


def _loading(engine: GanTraining) -> float:
    """Seconds that a step waits for its batch, which was fetched while the last one ran."""
    waited = seconds(lambda: engine._loader.batch(engine._step))
    engine.step()
    return waited


def _checkpoints(pack: Path, folder: Path) -> list[Row]:
    """Share of a long run that checkpoints take: a checkpoint's cost, and how long the runner then
    waits for the next."""
    engine = untroubled(pack, batch=BATCH, width=WIDTH, resolution=RESOLUTION)
    engine.step()
    shares = []
    for _ in range(CHECKPOINTS):
        pace = Pace.of_checkpoints()
        with pace.measured():
            cost = seconds(lambda: state.save(engine.state(), folder / "state"))
        shares.append(cost / (cost + pace.wait()))
    share = median(shares)
    return [Row("GAN: share of a run spent on checkpoints", share, "share", "<= 0.02")]


def _memory(pack: Path) -> list[Row]:
    """What the memory of a small run grows by, from step 200 to step 2,000."""
    engine = untroubled(pack, batch=4, width=4, resolution=32)
    for _ in range(200):
        engine.step()
    before = _resident()
    for _ in range(LONG - 200):
        engine.step()
    grown = (_resident() - before) / 1024**2
    return [Row(f"GAN: memory grown from step 200 to {LONG}", grown, "MiB", "flat")]


def untroubled(pack: Path, **params: Any) -> GanTraining:
    """A training on ``pack`` that has nothing to do beside its steps, on the CPU."""
    known = GanTrainingParams(
        dataset=SET,
        steps=100_000,
        kid_every=100_000,
        kid_samples=8,
        samples_every=100_000,
        augmentation="none",
        **params,
    )
    return GanTraining(known, Inputs({SET: pack}, pack.parent), torch.device("cpu"))


def write_set(path: Path) -> None:
    """Sample art at the bench's size, as a pack."""
    members, contents = [], []
    for style, index in itertools.product(samples.STYLES, range(PICTURES)):
        content = BytesIO()
        samples.draw(style, index, 0, RESOLUTION).save(content, "PNG")
        members.append(Member(f"{style}-{index}", None, "image/png", RESOLUTION, RESOLUTION))
        contents.append(content.getvalue())
    write(path, (), members, contents.__getitem__)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main() -> None:
    """Print the figures as JSON, then as a markdown table."""
    rows = measure(*(int(rounds) for rounds in sys.argv[1:2]))
    print(json.dumps([asdict(row) for row in rows], indent=1))
    print(markdown(rows))


if __name__ == "__main__":
    main()
