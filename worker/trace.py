"""Which steps were begun, by whom and when: what a judge of the studio needs, and nobody else."""

from __future__ import annotations

import json
import os
from pathlib import Path

from worker.protocol import boot_clock


class Trace:
    """Appends one line for every step begun; nothing ever shortens the file."""

    def __init__(self, folder: str, job_id: str, fence: int, slot: str) -> None:
        """``folder`` empty: trace nothing."""
        self._about = {"job": job_id, "fence": fence, "slot": slot, "pid": os.getpid()}
        self._file = -1
        if folder:
            path = Path(folder, f"{job_id}.jsonl")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def begin(self, step: int) -> None:
        """Say that ``step`` begins now, on the boot clock."""
        if self._file >= 0:
            line = json.dumps({**self._about, "step": step, "at": boot_clock()})
            os.write(self._file, line.encode() + b"\n")
