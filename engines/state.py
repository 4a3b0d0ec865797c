"""Engine state as one file: tensors as safetensors, everything else as JSON in its header.

No pickle anywhere: a state file can come from another machine or a backup.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialized

from engines.kind import Params


class StateError(Exception):
    """A state file is unreadable, or belongs to another kind, version or configuration."""


@dataclass(frozen=True)
class State:
    """``step`` steps are done; ``tensors`` by dotted name; ``facts`` is JSON."""

    step: int
    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any]


def same_params(state: State, params: Params) -> None:
    """Refuse a state of other parameters; :class:`StateError` names the first that differs.

    ``state.facts["params"]`` must hold the dump of the parameters it was made with. A parameter
    that a later version brought is at its default there, which means: as before.
    """
    ours, theirs = params.model_dump(mode="json"), state.facts.get("params")
    if not isinstance(theirs, dict):
        raise StateError("the state does not say with which parameters it was made")
    fields = type(params).model_fields
    usual = {name: each.get_default(call_default_factory=True) for name, each in fields.items()}
    for name in sorted({*ours, *theirs}):
        known = theirs.get(name, usual.get(name))
        if ours.get(name) != known:
            raise StateError(f"{name} is {ours.get(name)!r} here and {known!r} in the state")


def generator(seed: int, stream: str, step: int, device: str = "cpu") -> torch.Generator:
    """A generator that depends on (seed, stream, step) alone, so no generator is ever saved."""
    digest = hashlib.sha256(f"{seed}/{stream}/{step}".encode()).digest()
    # manual_seed takes 64 bits; the sign bit is left out, some backends refuse it.
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def save(state: State, path: Path) -> None:
    """Write ``state`` so that ``path`` is either absent, the old file or the whole new one.

    Raises OSError with its number when it cannot be written; nothing of it stays then.
    """
    header = json.dumps({"step": state.step, "facts": state.facts}, allow_nan=False)
    tensors = {
        name: tensor.detach().to("cpu").contiguous() for name, tensor in state.tensors.items()
    }
    draft = path.with_name(path.name + ".part")
    # Written here: the library's own writer hides the number that tells a full disk.
    content = serialized(tensors, metadata={"atelier": header})
    try:
        draft.write_bytes(content)
        sync(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    sync(path.parent)


def load(path: Path) -> State:
    """Read a state file; :class:`StateError` when it is damaged."""
    try:
        with safe_open(path, framework="pt", device="cpu") as opened:
            header = json.loads((opened.metadata() or {})["atelier"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        return State(header["step"], tensors, header["facts"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as damage:
        raise StateError(f"{path.name} cannot be read: {damage}") from damage


def sync(path: Path) -> None:
    """fsync a file or folder, so that a crash of the machine keeps it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
