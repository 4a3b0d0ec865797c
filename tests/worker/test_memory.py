"""Running out of memory is said in words, with the size that did fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engines.engine import WOULD_FIT, Inputs
from engines.style_transfer.engine import StyleTransfer
from engines.style_transfer.kind import StyleTransferParams
from worker import failures, memory

PHOTO, PAINTING = (
    "0" * 8 + "-0000" * 3 + "-" + "0" * 11 + "1",
    "0" * 8 + "-0000" * 3 + "-" + "0" * 12,
)


@pytest.mark.parametrize(
    "failure",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("could not create a primitive"),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_the_size_that_fitted_is_named(failure: Exception) -> None:
    told = failures.told(failure, ("size", 256))
    assert told["reason"] == "out_of_memory"
    assert told["error"]["pointer"] == "/size"
    assert WOULD_FIT % told["error"]["values"] == (
        "It did not fit into memory. Up to size = 256 it did: run it with that."
    )


@pytest.mark.parametrize("code", failures.MACHINE_ERRORS)
def test_an_error_of_the_machine_is_told_as_its_own(code: int) -> None:
    """Not as one that would come again anywhere."""
    assert failures.told(OSError(code, "as it is"), None)["reason"] == "worker_lost"


def test_nothing_is_claimed_to_fit_before_anything_has(photo: Path, painting: Path) -> None:
    params = StyleTransferParams(
        content=PHOTO, styles=[PAINTING], size=128, start_size=64, iterations=2
    )
    inputs = Inputs({PHOTO: photo, PAINTING: painting}, photo.parent)
    engine = StyleTransfer(params, inputs, torch.device("cpu"))
    assert engine.fitted is None
    for _ in range(engine.total_steps):
        engine.step()
    assert engine.fitted == ("size", 91)  # the scales were 64, 91 and 128 px


def test_the_kernels_count_of_kills_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = tmp_path / "memory.events"
    counter.write_text("low 0\noom 4\noom_kill 3\n")
    monkeypatch.setattr(memory, "COUNTERS", (tmp_path / "absent", counter))
    assert memory.oom_kills() == 3
