"""The client: commissions jobs over HTTP, changes its mind, and logs every answer."""

from __future__ import annotations

import json
import os
import random
import threading
from pathlib import Path
from typing import Any
from uuid import UUID

from atelier.client import ENDED, Job, Studio

PATIENCE_SECONDS = 120.0
SHORT, LONG = 10, 120
VARIANTS = 4
CANCELED, PAUSED = 0.1, 0.1


class Client(threading.Thread):
    """Commissions ``jobs`` jobs; some it cancels, some it pauses and resumes."""

    def __init__(self, studio: Studio, pictures: tuple[Path, Path], log: Path, seed: int) -> None:
        super().__init__(name="client")
        self._studio = studio
        self._random = random.Random(seed)
        content, style = (studio.upload(path)["id"] for path in pictures)
        self._inputs = {"content": content, "styles": [style]}
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.jobs = 0
        self.variant_of: dict[str, tuple[int, int]] = {}
        self.failure: Exception | None = None

    def params(self, variant: tuple[int, int]) -> dict[str, Any]:
        """A small run: how many steps, and which seed."""
        steps, seed = variant
        sizes = {"size": 64, "start_size": 64, "iterations": steps}
        return {**self._inputs, **sizes, "seed": seed}

    def run(self) -> None:
        """Ask for everything; answers are logged before anything else is asked."""
        try:
            for _ in range(self.jobs):
                self._commission()
        except Exception as failed:
            self.failure = failed

    def wait_for_all(self, seconds_each: float) -> None:
        """Return when every job has ended, or when one takes longer than any attack excuses."""
        for job_id in self.variant_of:
            self._wait(job_id, seconds_each)

    def _commission(self) -> None:
        steps = LONG if self._random.random() < 0.25 else SHORT
        variant = (steps, self._random.randrange(VARIANTS))
        key = str(UUID(int=self._random.getrandbits(128)))
        job = self._studio.submit("style_transfer", self.params(variant), key=key)
        self.variant_of[job["id"]] = variant
        self._note("submit", job)
        chance = self._random.random()
        other = self._random.choice(list(self.variant_of))
        if chance < CANCELED:
            self._note("cancel", self._studio.cancel(other))
        elif chance < CANCELED + PAUSED:
            self._note("pause", self._act(other, "/pause"))
            self._note("resume", self._act(other, "/resume"))

    def _act(self, job_id: str, action: str) -> Job:
        return self._studio._act(job_id, action)

    def _note(self, what: str, job: Job) -> None:
        entry = {"job": job["id"], "what": what, "status": job["status"]}
        os.write(self._log, json.dumps(entry).encode() + b"\n")
        os.fsync(self._log)

    def _wait(self, job_id: str, seconds: float) -> None:
        turns = threading.Event()
        for _ in range(int(seconds / 0.2)):
            job = self._studio.job(job_id)
            if job["status"] in ENDED:
                return
            # A pause that took effect after its resume was asked for rests until asked again.
            if job["status"] == "paused":
                self._note("resume", self._act(job_id, "/resume"))
            turns.wait(0.2)
