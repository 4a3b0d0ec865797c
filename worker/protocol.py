"""What supervisor and runner say to each other: JSON lines on two pipes.

Supervisor to runner: ``start`` once, or ``measure``; then ``lease``, ``snapshot`` and ``stop``.
Runner to supervisor: the messages of :class:`Say`. Paths lie in the attempt's scratch folder.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import IO, Any


class Do(StrEnum):
    """What the supervisor tells the runner."""

    START = "start"
    MEASURE = "measure"
    LEASE = "lease"
    SNAPSHOT = "snapshot"
    STOP = "stop"


class Say(StrEnum):
    """What the runner tells the supervisor."""

    READY = "ready"
    RATE = "rate"
    ALIVE = "alive"
    HOLDING = "holding"
    RESUMED = "resumed"
    PROGRESS = "progress"
    METRICS = "metrics"
    FRAME = "frame"
    PREVIEW = "preview"
    CHECKPOINT = "checkpoint"
    SNAPSHOT = "snapshot"
    FITTED = "fitted"
    OUTPUT = "output"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


class Stop(StrEnum):
    """Why a runner shall stop; all but ``cancel`` leave a checkpoint behind."""

    DEADLINE = "deadline"
    PAUSE = "pause"
    CANCEL = "cancel"
    YIELD = "yield"


@dataclass(frozen=True)
class SavedFile:
    """A checkpoint brought to the scratch folder."""

    path: str
    step: int
    threads: int


@dataclass(frozen=True)
class Assignment:
    """All that a runner needs to know of its job; no credentials are among it.

    ``step_until`` is when, on the boot clock, no step may begin any more without a later word.
    ``smaller`` is :attr:`engines.engine.Inputs.smaller`.
    """

    job_id: str
    fence: int
    slot: str
    kind: str
    params: dict[str, Any]
    inputs: dict[str, str]
    input_hashes: dict[str, str]
    checkpoints: list[SavedFile]
    folder: str
    lock: str
    log: str
    log_format: str
    weights: str
    cache: str
    traces: str
    threads: int
    step_until: float
    smaller: int = 0

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Assignment:
        """Back from :meth:`to_json`."""
        saved = [SavedFile(**entry) for entry in told["checkpoints"]]
        return cls(**{**told, "checkpoints": saved})


class Sender:
    """Writes messages, one JSON object a line; safe to share between threads."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe, self._lock = pipe, threading.Lock()

    def send(self, what: str, **values: Any) -> None:
        """Send one message. Raises OSError when nobody reads any more."""
        line = json.dumps({"is": what, **values}, allow_nan=False).encode() + b"\n"
        with self._lock:
            self._pipe.write(line)
            self._pipe.flush()

    def close(self) -> None:
        """Close the pipe. Raises OSError when something unsent was lost."""
        with self._lock:
            self._pipe.close()


def messages(pipe: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Messages from a pipe until it closes; a line cut off by a death is left out."""
    for line in pipe:
        if line.endswith(b"\n"):
            yield json.loads(line)


def boot_clock() -> float:
    """Seconds since boot, suspension included: one clock for every process of a machine."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
