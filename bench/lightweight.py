"""A training step of `light` against one of `lightweight-gan` from PyPI (the FastGAN ideas too).

``python -m bench.lightweight [ROUNDS]``. It is no dependency of ours: put it into an
environment of its own, and that environment's folder of programs on the path::

    python -m venv /tmp/theirs && /tmp/theirs/bin/pip install lightweight-gan
    PATH=$PATH:/tmp/theirs/bin make bench

Where there is none, no figure is made and stderr says so. Both train at 64 px with hinge loss, no
augmentation, and a gradient penalty at every fourth step, on pictures that lie in memory, in turn
and with as many threads; theirs with its own networks, ours with `width` as the preset "fine" has
it. The networks differ in size, so the parameters stand beside the speed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median

import torch

from bench.gan_training import untroubled, write_set
from bench.rows import Row, markdown, seconds

RESOLUTION, WIDTH, BATCH = 64, 64, 8
PENALTY_EVERY = 4
ROUNDS = 3
PROGRAM = "lightweight_gan"
STEPS = Path(__file__).with_name("lightweight_steps.py")


def measure(rounds: int = ROUNDS) -> list[Row]:
    """Medians over ``rounds`` of four steps of each, in turn; nothing where theirs is not there."""
    found = shutil.which(PROGRAM)
    if found is None:
        print(f"left out: no {PROGRAM} on the path, see bench/lightweight.py", file=sys.stderr)
        return []
    try:
        with tempfile.TemporaryDirectory() as folder, _theirs(found, Path(folder)) as theirs:
            return _compared(Path(folder) / "set.zip", theirs, rounds)
    except _GoneError:
        print(f"left out: {found} cannot be run here, as it says above", file=sys.stderr)
        return []


def _compared(pack: Path, theirs: _Theirs, rounds: int) -> list[Row]:
    write_set(pack)
    ours, times = _Ours(pack), []
    for turn in range(rounds + 1):
        pair = seconds(ours.steps), theirs.steps()
        if turn:  # the first of each only warms up
            times.append(pair)
    fast, slow = (BATCH * PENALTY_EVERY / median(each) for each in zip(*times, strict=True))
    size = f"{RESOLUTION} px, batch {BATCH}"
    return [
        Row(f"GAN: light at {size}, {ours.millions:.1f} M parameters", fast, "images/s"),
        Row(f"GAN: lightweight-gan, {theirs.millions:.1f} M parameters", slow, "images/s"),
        Row("GAN: ours / lightweight-gan, per image step", fast / slow, "ratio"),
    ]


class _GoneError(Exception):
    """Its process has ended."""


class _Ours:
    """Four steps of `light`, the penalty in one of them."""

    def __init__(self, pack: Path) -> None:
        self._engine = untroubled(
            pack,
            architecture="light",
            resolution=RESOLUTION,
            width=WIDTH,
            batch=BATCH,
            loss="hinge",
            r1=10,
            r1_interval=PENALTY_EVERY,
        )
        pair = self._engine.pair
        self.millions = (
            sum(
                parameter.numel()
                for network in (pair.maker, pair.judge)
                for parameter in network.parameters()
            )
            / 1e6
        )

    def steps(self) -> None:
        """Learn from four batches."""
        for _ in range(PENALTY_EVERY):
            self._engine.step()


class _Theirs:
    """The same of `lightweight-gan`, in a process of its environment."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.millions = self._told()

    def steps(self) -> float:
        """Seconds that its four steps took."""
        assert self._process.stdin is not None
        print("go", file=self._process.stdin, flush=True)
        return self._told()

    def _told(self) -> float:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise _GoneError
        return float(line)


@contextmanager
def _theirs(program: str, folder: Path) -> Iterator[_Theirs]:
    python = Path(program).with_name("python")
    sizes = map(str, (RESOLUTION, BATCH, PENALTY_EVERY, torch.get_num_threads()))
    command = [str(python), "-P", "-W", "ignore", str(STEPS), str(folder), *sizes]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=folder) as process:
        yield _Theirs(process)
        assert process.stdin is not None
        process.stdin.close()


def main() -> None:
    """Print the figures as JSON, then as a markdown table."""
    rows = measure(*(int(rounds) for rounds in sys.argv[1:2]))
    print(json.dumps([asdict(row) for row in rows], indent=1))
    print(markdown(rows))


if __name__ == "__main__":
    main()
