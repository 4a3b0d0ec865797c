"""Whether the kernel has killed for want of memory."""

from __future__ import annotations

from pathlib import Path

# Of this container where there is one, else of the whole machine.
COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))


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
