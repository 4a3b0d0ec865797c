"""``python -m bench``: measure everything in one run, print the table, keep it in docs/."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import torch

from bench import (
    claims,
    datasets,
    demo,
    gan_sampling,
    gan_training,
    lightweight,
    studio,
    style_transfer,
)
from bench.rows import Row, markdown

REPORT = Path(__file__).parents[1] / "docs" / "bench.md"


def main() -> None:
    """Measure, print and keep."""
    rows: list[Row] = []
    gan = (gan_sampling, gan_training, lightweight)
    for part in (style_transfer, *gan, datasets, studio, claims, demo):
        print(f"measuring {part.__name__}", file=sys.stderr, flush=True)
        rows.extend(part.measure())
    table = markdown(rows)
    print(table)
    REPORT.write_text(f"# Figures\n\n{_setting()}\n\n{table}\n")


def _setting() -> str:
    day = datetime.now(UTC).date().isoformat()
    return (
        f"Measured on {day} by `make bench` in one run: {_processor()}, {os.cpu_count()} cores,"
        f" Python {platform.python_version()}, torch {torch.__version__}. Ratios compare things"
        " measured in turn; single times say more about the machine than about the studio. The"
        " matrix product is one of 2048 x 2048 in fp32, which need not be the most that the machine"
        " can do: a convolution may run above it. Claims are timed in processes of their own, as"
        " workers are."
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
