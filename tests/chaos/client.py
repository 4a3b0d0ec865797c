"""The client: commissions jobs over HTTP, changes its mind, and logs every answer."""

from __future__ import annotations

import json
import os
import random
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from atelier.client import ENDED, Job, Studio

PATIENCE_SECONDS = 120.0
CANCELED, PAUSED = 0.1, 0.1
BREATH_SECONDS = 0.2


@dataclass(frozen=True)
class Load:
    """What is commissioned: ``long_share`` of the jobs make ``long`` steps, the others ``short``,
    each with one of ``seeds`` seeds, and ``at_work`` of them wait or run at a time."""

    short: int = 10
    long: int = 120
    long_share: float = 0.25
    seeds: int = 4
    at_work: int = 6

    @property
    def variants(self) -> list[tuple[int, int]]:
        """Every run there may be, as steps and seed."""
        lengths = [self.short] * (self.long_share < 1) + [self.long] * (self.long_share > 0)
        return [(steps, seed) for steps in lengths for seed in range(self.seeds)]


class Client(threading.Thread):
    """Keeps a few jobs waiting, at least ``jobs`` in all, until told that it is enough.

    Some it cancels, some it pauses and resumes.
    """

    def __init__(
        self, studio: Studio, pictures: tuple[Path, Path], log: Path, seed: int, load: Load
    ) -> None:
        super().__init__(name="client")
        self._studio, self._load = studio, load
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
                if self._at_work() < self._load.at_work:
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
        page = self._studio.jobs(
            limit=self._load.at_work, status="queued,running,pausing,canceling"
        )
        return len(page["results"])

    def _commission(self) -> None:
        load = self._load
        steps = load.long if self._random.random() < load.long_share else load.short
        variant = (steps, self._random.randrange(load.seeds))
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
