"""Run as a process: load a state, finish the tiny job, save what came out.

``python -m tests.engines.resume KIND STATE FINAL_STATE OUTPUT_FOLDER THREADS``
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from engines import pictures, state
from engines.engine import Engine
from engines.film import Film
from tests.engines import tiny


def save_outputs(engine: Engine, folder: Path) -> None:
    """Every output under its own name; pictures as PNG."""
    folder.mkdir(exist_ok=True)
    for output in engine.outputs():
        if isinstance(output.content, Path):
            (folder / output.name).write_bytes(output.content.read_bytes())
        elif isinstance(output.content, Film):
            (folder / output.name).write_bytes(output.content.encoded(dict(output.facts)))
        else:
            (folder / output.name).write_bytes(pictures.encode_png(output.content))


def main(kind: str, start: str, final: str, folder: str, threads: str) -> None:
    torch.set_num_threads(int(threads))
    engine = tiny.engine(kind)
    engine.load_state(state.load(Path(start)))
    tiny.run_to(engine, engine.total_steps)
    state.save(engine.state(), Path(final))
    save_outputs(engine, Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
