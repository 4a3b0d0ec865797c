"""Bounds of a child process: its memory, its processor time, and its life. No torch here."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from typing import NoReturn

PR_SET_PDEATHSIG = 1
# With this status a child ends whose disk fails it: no fault of what it was given.
DISK_FAILS = os.EX_IOERR


class BrokenError(Exception):
    """A child could not do its work, and what it was given is not to blame."""


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when the thread that started it ends.

    Exits at once when ``parent`` is already gone: the request would then never be honoured.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(1)


def end_for_disk(failed: OSError) -> NoReturn:
    """End this process because the disk fails it, and say how; paths stay untold."""
    sys.stderr.write(f"the disk fails: {failed.strerror}\n")
    sys.exit(DISK_FAILS)


def limit_memory(most: int) -> None:
    """Let this process map at most ``most`` bytes, and leave no core when it dies."""
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_seconds(more: float) -> None:
    """Let this process compute ``more`` seconds from now on; the kernel kills it beyond that."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + more) + 1, hard))
