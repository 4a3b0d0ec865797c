"""A child that never outlives its parent, and dies before it when memory runs out."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
OOM_SCORE = 500


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when the thread that started it ends.

    Exits at once when ``parent`` is already gone: the request would then never be honoured.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(1)


def offer_to_oom_killer() -> None:
    """Let the kernel prefer this process over the services when memory runs out."""
    try:
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    except OSError:
        return  # a container may forbid it; the run itself does not depend on it
