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
AT_WORK = 6
BREATH_SECONDS = 0.2


class Client(threading.Thread):
    """Keeps a few jobs waiting, at least ``jobs`` in all, until told that it is enough.

    Some it cancels, some it pauses and resumes.
    """

    def __init__(self, studio: Studio, pictures: tuple[Path, Path], log: Path, seed: int) -> None:
        super().__init__(name="client")
        self._studio = studio
        self._random = random.Random(seed)
        content, style = (studio.upload(path)["id"] for path in pictures)
        self._inputs = {"content": content, "styles": [style]}
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.jobs = 0
        self.enough = threading.Event()
        self._breath = threading.Event()
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
            while len(self.variant_of) < self.jobs or not self.enough.is_set():
                if self._at_work() < AT_WORK:
                    self._commission()
                else:
                    self._breath.wait(BREATH_SECONDS)
        except Exception as failed:
            self.failure = failed

    def wait_for_all(self, seconds_each: float) -> None:
        """Return when every job has ended, or when one takes longer than any attack excuses."""
        for job_id in self.variant_of:
            self._wait(job_id, seconds_each)

    def _at_work(self) -> int:
        page = self._studio.jobs(limit=AT_WORK, status="queued,running,pausing,canceling")
        return len(page["results"])

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
            self._note("pause", self._studio.pause(other))
            self._note("resume", self._studio.resume(other))

    def _note(self, what: str, job: Job) -> None:
        entry = {"job": job["id"], "what": what, "status": job["status"]}
        os.write(self._log, json.dumps(entry).encode() + b"\n")
        os.fsync(self._log)

    def _wait(self, job_id: str, seconds: float) -> None:
        for _ in range(int(seconds / BREATH_SECONDS)):
            job = self._studio.job(job_id)
            if job["status"] in ENDED:
                return
            # A pause that took effect after its resume was asked for rests until asked again.
            if job["status"] == "paused":
                self._note("resume", self._studio.resume(job_id))
            self._breath.wait(BREATH_SECONDS)
