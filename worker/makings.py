"""What a run has made, on its way to the worker: files in its folder, and what they are."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.engine import Engine, Output
from worker.protocol import Assignment

if TYPE_CHECKING:
    from PIL.Image import Image

PREVIEW_SIDE = 1024


def recipe(job: Assignment, engine: Engine, device: str) -> dict[str, Any]:
    """All that makes this result again: same torch, same thread count, same pixels on CPU."""
    import torch

    return {
        "kind": job.kind,
        "params": job.params,
        "inputs": job.input_hashes,
        **engine.facts,
        # Sums over smaller pieces may differ in their last bits.
        **({"smaller": job.smaller} if job.smaller else {}),
        "atelier": version("atelier"),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": device,
    }


def output(folder: Path, position: int, made: Output, made_by: dict[str, Any]) -> dict[str, Any]:
    """An output as a message tells it; its file carries ``made_by`` and what it is itself."""
    from engines.film import Film
    from engines.pictures import encode_png

    told = {"role": made.role, "name": made.name, "media_type": made.media_type}
    work = made.content
    if isinstance(work, Path):
        return {**told, "path": str(work), "width": None, "height": None}
    path = folder / f"output-{position}"
    facts = {**made_by, **made.facts}
    path.write_bytes(work.encoded(facts) if isinstance(work, Film) else encode_png(work, facts))
    width, height = work.size
    return {**told, "path": str(path), "width": width, "height": height}


def frame(folder: Path, step: int, picture: Image) -> dict[str, Any]:
    """A picture of the timeline as a message tells it."""
    from engines.pictures import encode_frame

    path = folder / f"frame-{step}.jpg"
    path.write_bytes(encode_frame(picture))
    width, height = picture.size
    return {"path": str(path), "step": step, "width": width, "height": height}


def preview(folder: Path, step: int, picture: Image) -> dict[str, Any]:
    """A picture of now as a message tells it, not larger than a page shows it."""
    from engines.pictures import encode_jpeg, fit_long_side

    if max(picture.size) > PREVIEW_SIDE:
        picture = fit_long_side(picture, PREVIEW_SIDE)
    path = folder / f"preview-{step}.jpg"
    path.write_bytes(encode_jpeg(picture))
    return {"path": str(path)}
