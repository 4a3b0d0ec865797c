"""Memory that ran out: whether the kernel has killed for it, and how to need less."""

from __future__ import annotations

import ctypes
from pathlib import Path

# Of this container where there is one, else of the whole machine.
COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))
# Of mallopt(3), as <malloc.h> of the GNU C library defines them.
M_MMAP_THRESHOLD, LARGE_BYTES = -3, 1024 * 1024


def give_back_at_once() -> None:
    """From now on every large block of this process returns to the system when it is freed.

    Left alone, the allocator keeps blocks of up to 32 MiB for later, and tiles of several shapes
    leave holes that none of them fits into: a third of a run's memory. Pages that are new every
    time cost a fifth of its speed.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def oom_kills() -> int:
    """How many processes the kernel has killed so far because memory ran out."""
    for counter in COUNTERS:
        try:
            lines = counter.read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0
