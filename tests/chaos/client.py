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

from atelier.answers import Job
from atelier.client import ENDED, Studio

PATIENCE_SECONDS = 120.0
CANCELED, PAUSED = 0.1, 0.1
STYLE, TRAINING = "style_transfer", "gan_training"
TRAINING_STEPS = 2
"""Steps of such a training that take as long as one of such a style transfer, about."""
BREATH_SECONDS = 0.2


@dataclass(frozen=True)
class Variant:
    """A run there may be: the same variant ends with the same bits, whoever commissions it."""

    kind: str
    steps: int
    seed: int


@dataclass(frozen=True)
class Load:
    """What is commissioned: ``long_share`` of the jobs make ``long`` steps, the others ``short``,
    each with one of ``seeds`` seeds, and ``at_work`` of them wait or run at a time.
    ``training_share`` of them train a small model for as long, in steps of another length."""

    short: int = 10
    long: int = 120
    long_share: float = 0.25
    seeds: int = 4
    at_work: int = 6
    training_share: float = 0.0

    @property
    def variants(self) -> list[Variant]:
        """Every run there may be."""
        lengths = [self.short] * (self.long_share < 1) + [self.long] * (self.long_share > 0)
        kinds = [STYLE] + [TRAINING] * (self.training_share > 0)
        return [
            Variant(kind, steps, seed)
            for kind in kinds
            for steps in lengths
            for seed in range(self.seeds)
        ]

    def drawn(self, draws: random.Random) -> Variant:
        """One of them."""
        steps = self.long if draws.random() < self.long_share else self.short
        seed = draws.randrange(self.seeds)
        training = self.training_share > 0 and draws.random() < self.training_share
        return Variant(TRAINING if training else STYLE, steps, seed)


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
        if load.training_share > 0:
            self._set = self._sample_set()
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.jobs = 0
        self.enough = threading.Event()
        self._breath = threading.Event()
        self.variant_of: dict[str, Variant] = {}
        self.failure: Exception | None = None

    def submit(self, variant: Variant, key: str | None = None) -> Job:
        """Commission it."""
        return self._studio.submit(variant.kind, self._params(variant), key=key)

    def _params(self, variant: Variant) -> dict[str, Any]:
        if variant.kind == TRAINING:
            steps = TRAINING_STEPS * variant.steps
            often = {"samples_every": steps, "kid_every": steps, "kid_samples": 8}
            sizes = {"resolution": 32, "width": 4, "batch": 4, "steps": steps}
            return {"dataset": self._set, **sizes, **often, "seed": variant.seed}
        sizes = {"size": 64, "start_size": 64, "iterations": variant.steps}
        return {**self._inputs, **sizes, "seed": variant.seed}

    def _sample_set(self) -> str:
        """Abstract art that the studio draws."""
        made = self._studio.sample_dataset(per_style=4, size=64)
        *_, checked = self._studio.watch_dataset(made["id"])
        assert checked["status"] == "ready", checked
        return checked["id"]

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
        variant = self._load.drawn(self._random)
        key = str(UUID(int=self._random.getrandbits(128)))
        job = self.submit(variant, key)
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
