"""How a run's failure is told."""

from __future__ import annotations

import errno
import traceback
from typing import Any

from engines.engine import WOULD_FIT, InputError

MEMORY_WORDS = (
    "not enough memory",
    "can't allocate memory",
    "CUDA error: out of memory",
    "STATUS_ALLOC_FAILED",
    # oneDNN names no cause; seen of shapes that work wherever there is more memory.
    "could not create a primitive",
)
# Of a disk that takes nothing any more, or of a machine without a file to spare.
MACHINE_ERRORS = (errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ESTALE)
DEVICE_WORDS = ("CUDA error", "CUDA driver error", "cuDNN error")


def told(failure: BaseException, fitted: tuple[str, int] | None) -> dict[str, Any]:
    """How a failure is told: a reason of the table, words for the artist, the cause for the log."""
    cause = "".join(traceback.format_exception(failure))
    if isinstance(failure, InputError):
        names = ("pointer", "message", "hint", "values")
        error = {name: getattr(failure, name) for name in names}
        return {"reason": "bad_input", "error": error, "cause": cause}
    if _is_out_of_memory(failure):
        return {"reason": "out_of_memory", "error": what_fits(fitted), "cause": cause}
    if _is_device_error(failure):
        return {"reason": "device_error", "error": None, "cause": cause}
    if is_full(failure):
        return {"reason": "disk_full", "error": None, "cause": cause}
    if isinstance(failure, OSError) and failure.errno in MACHINE_ERRORS:
        return {"reason": "worker_lost", "error": None, "cause": cause}
    return {"reason": "internal_error", "error": None, "cause": cause}


def is_full(failure: BaseException | None) -> bool:
    """Whether it tells that a disk, or a share of it, is full."""
    return isinstance(failure, OSError) and failure.errno in (errno.ENOSPC, errno.EDQUOT)


def what_fits(fitted: tuple[str, int] | None) -> dict[str, Any] | None:
    """The size with which the run had stayed within memory, in words for the artist."""
    if fitted is None:
        return None
    name, value = fitted
    values = {"name": name, "value": value}
    return {"pointer": f"/{name}", "message": WOULD_FIT, "values": values, "hint": ""}


def _is_out_of_memory(failure: BaseException) -> bool:
    import torch

    if isinstance(failure, (MemoryError, torch.OutOfMemoryError)):
        return True
    if isinstance(failure, OSError):
        return failure.errno == errno.ENOMEM
    # The allocators of the processor and of libraries raise plain RuntimeErrors; only texts tell.
    told = str(failure)
    return isinstance(failure, RuntimeError) and any(words in told for words in MEMORY_WORDS)


def _is_device_error(failure: BaseException) -> bool:
    import torch

    if isinstance(failure, torch.AcceleratorError):
        return True
    # The libraries above the driver raise plain RuntimeErrors; only their texts tell.
    return isinstance(failure, RuntimeError) and str(failure).startswith(DEVICE_WORDS)
