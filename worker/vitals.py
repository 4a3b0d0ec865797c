"""What a slot measures of itself, so that an administrator sees how it does.

A dict with, where known: ``load`` (of the machine, one minute), ``cpu`` (share of all cores in
use, 0 to 1), ``memory`` and ``memory_total`` (bytes of the machine); of the job that runs:
``step``, ``total``, ``steps_per_second``, ``job_cpu`` (cores in use), ``job_memory`` (resident
bytes of the run and what it has started); of a GPU: ``gpu`` (share of time in use), ``gpu_memory``,
``gpu_memory_total`` (bytes), ``temperature`` (degrees Celsius), ``power`` (watts). A figure that
the machine does not tell is left out. Sources: proc(5), NVML.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from worker.slots import SlotSpec

PROC = Path("/proc")
LEAST_SECONDS = 4.0
# Steps per second are those of the last so many seconds.
RATE_SECONDS = 30.0
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Vitals:
    """Measures one slot. Every call must come from the slot's thread."""

    def __init__(self, slot: SlotSpec, least_seconds: float = LEAST_SECONDS) -> None:
        self._device = None if slot.resource == "cpu" else slot.device
        self._least, self._due_at = least_seconds, 0.0
        self._busy: tuple[int, int] | None = None
        self._runner: int | None = None
        self._spent: tuple[float, float] | None = None
        self._steps: deque[tuple[float, int]] = deque()
        self._total = 0

    def begin(self, runner: int) -> Callable[[int, int], None]:
        """A job begins in the process ``runner``; returns what to tell each step to."""
        self.end()
        self._runner = runner
        return self.stepped

    def end(self) -> None:
        """Nothing runs any more."""
        self._runner = self._spent = None
        self._steps.clear()
        self._due_at = 0.0

    def stepped(self, step: int, total: int) -> None:
        """``step`` steps of ``total`` are done."""
        now = time.monotonic()
        self._total = total
        self._steps.append((now, step))
        while len(self._steps) > 2 and now - self._steps[1][0] > RATE_SECONDS:
            self._steps.popleft()

    def due(self) -> dict[str, Any] | None:
        """What is measured now; None when the last time was only seconds ago."""
        now = time.monotonic()
        if now < self._due_at:
            return None
        self._due_at = now + self._least
        told: dict[str, Any] = {}
        for measure in (self._machine, self._job, lambda: gpu(self._device)):
            # A machine that does not tell, or has no file to spare now, serves all the same.
            with contextlib.suppress(OSError, ValueError):
                told.update(measure())
        return {name: value for name, value in told.items() if value is not None}

    def _machine(self) -> dict[str, Any]:
        told: dict[str, Any] = {"load": round(os.getloadavg()[0], 2)}
        fields = (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]
        user, nice, system, idle, wait, *rest = map(int, fields)
        now = (user + nice + system + sum(rest), idle + wait)
        if self._busy is not None:
            busy, rested = now[0] - self._busy[0], now[1] - self._busy[1]
            told["cpu"] = round(busy / (busy + rested), 3) if busy + rested > 0 else None
        self._busy = now
        lines = (line.split() for line in (PROC / "meminfo").read_text().splitlines())
        known = {line[0]: 1024 * int(line[1]) for line in lines if len(line) > 1}
        told["memory_total"] = known.get("MemTotal:")
        if "MemAvailable:" in known and "MemTotal:" in known:
            told["memory"] = known["MemTotal:"] - known["MemAvailable:"]
        return told

    def _job(self) -> dict[str, Any]:
        if self._runner is None:
            return {}
        seconds, memory = tree(self._runner)
        now = time.monotonic()
        told: dict[str, Any] = {"job_memory": memory}
        if self._spent is not None and now > self._spent[0]:
            told["job_cpu"] = round(max(0.0, seconds - self._spent[1]) / (now - self._spent[0]), 2)
        self._spent = (now, seconds)
        if self._steps:
            (since, first), (until, last) = self._steps[0], self._steps[-1]
            told["step"], told["total"] = last, self._total
            if until > since and last > first:
                told["steps_per_second"] = round((last - first) / (until - since), 3)
        return told


def tree(pid: int) -> tuple[float, int]:
    """CPU seconds spent and resident bytes of a process and all it has started, as far as
    they can be looked at."""
    seconds, memory, left = 0.0, 0, [pid]
    while left:
        place = PROC / str(left.pop())
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The name in parentheses may hold anything, so fields are counted behind it.
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            seconds += (int(fields[11]) + int(fields[12])) / TICKS
            memory += int((place / "statm").read_text().split()[1]) * PAGE_BYTES
            for thread in (place / "task").iterdir():
                with contextlib.suppress(OSError):
                    left += map(int, (thread / "children").read_text().split())
    return seconds, memory


def gpu(uuid: str | None) -> dict[str, Any]:
    """What NVML tells of a GPU; nothing without one, or without a driver."""
    if uuid is None:
        return {}
    import pynvml

    told: dict[str, Any] = {}
    try:
        pynvml.nvmlInit()  # counted by the library: again is cheap
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
    except pynvml.NVMLError:
        return told
    with contextlib.suppress(pynvml.NVMLError):
        told["gpu"] = pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
    with contextlib.suppress(pynvml.NVMLError):
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        told["gpu_memory"], told["gpu_memory_total"] = int(memory.used), int(memory.total)
    with contextlib.suppress(pynvml.NVMLError):
        sensor = pynvml.NVML_TEMPERATURE_GPU
        told["temperature"] = pynvml.nvmlDeviceGetTemperature(handle, sensor)
    with contextlib.suppress(pynvml.NVMLError):
        told["power"] = round(pynvml.nvmlDeviceGetPowerUsage(handle) / 1000)
    return told
