"""The same attack on bare Celery: ``python -m tests.chaos.bare`` prints both beside each other.

The attacker, its seed, the broker and the judge are the same; the faults are those that bare
Celery has parts for. Its broker even keeps a log on disk, which the studio's does not need.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from atelier import processes
from atelier.children import Program
from atelier.local import Stack
from jobs.settings import Settings
from tests.chaos import bare_tasks, records
from tests.chaos.attacker import Attacker
from tests.chaos.battle import LONGEST_LOSS_SECONDS, TRACES, fight, settings_in
from tests.chaos.client import Load
from tests.chaos.judge import broken_promises
from tests.chaos.switches import ROOT

FAULTS = (
    "worker killed",
    "worker terminated",
    "worker stopped for two leases",
    "fork server killed",
    "redis killed",
    "redis emptied",
    "redis hung",
)
"""To bare Celery a fork server is a process of its pool."""

WORKERS = 2
BREATH_SECONDS = 0.2
# What the judge says, and what that means for whoever commissioned the job.
KINDS = {
    "never ended": "lost, though acknowledged",
    "ended": "ended more than once",
    "under fence": "run twice at the same time",
}


class BareStack(Stack):
    """A broker that keeps a log, and two Celery workers of one process each."""

    def __init__(self, settings: Settings, folder: Path, visibility_seconds: float) -> None:
        super().__init__(settings, services=("valkey",))
        self._folder, self._visibility = folder, visibility_seconds

    def _start(self, program: Program) -> None:
        if program.name == "valkey":
            argv = list(program.argv)
            argv[argv.index("--appendonly") + 1] = "yes"
            program = replace(program, argv=argv)
        super()._start(program)

    def _programs(self) -> Iterator[Program]:
        for number in range(WORKERS):
            name = f"worker:bare{number}"
            argv = processes.python_module(
                "celery",
                *("-A", "tests.chaos.bare_tasks", "worker"),
                *("--pool=prefork", "--concurrency=1", "-n", f"bare{number}@bare"),
            )
            program = self._ours(name, argv, stop_seconds=10.0)
            more = {
                "PYTHONPATH": str(ROOT),
                bare_tasks.BROKER: self.settings.redis_url,
                bare_tasks.FOLDER: str(self._folder),
                bare_tasks.VISIBILITY: str(self._visibility),
            }
            yield replace(program, environment={**program.environment, **more})


class BareClient(threading.Thread):
    """Submits until told that it is enough; a submit counts once the broker has taken it."""

    def __init__(self, stack: Stack, visibility: float, folder: Path, jobs: int, seed: int) -> None:
        super().__init__(name="bare-client")
        self._app = bare_tasks.make_app(stack.settings.redis_url, visibility)
        self._folder, self._random, self._load = folder, random.Random(seed), Load()
        self.jobs = jobs
        self.acknowledged: list[str] = []
        self.enough = threading.Event()
        self._breath = threading.Event()

    def run(self) -> None:
        """As many at work as the studio's client keeps."""
        while len(self.acknowledged) < self.jobs or not self.enough.is_set():
            if len(self.acknowledged) - len(set(done(self._folder))) >= self._load.at_work:
                self._breath.wait(BREATH_SECONDS)
                if not self.enough.is_set() or len(self.acknowledged) >= self.jobs:
                    continue
            self._submit()

    def _submit(self) -> None:
        load = self._load
        job = str(UUID(int=self._random.getrandbits(128)))
        steps = load.long if self._random.random() < load.long_share else load.short
        try:
            self._app.send_task("bare.run", (job, steps), task_id=job, retry=False)
        except Exception:  # kombu raises what its transport raises: then it was not acknowledged
            self._breath.wait(BREATH_SECONDS)
        else:
            self.acknowledged.append(job)


def done(folder: Path) -> list[str]:
    """Jobs that said that they are done, as often as they said it."""
    path = folder / "done"
    return path.read_text().split() if path.exists() else []


def fight_bare(jobs: int, faults: int, seed: int, lease: float) -> dict[str, int]:
    """How many jobs were acknowledged, and how many of them met which end."""
    visibility = 2 * lease
    with tempfile.TemporaryDirectory(prefix="atelier-bare-") as made:
        folder = Path(made)
        with BareStack(settings_in(folder, lease), folder, visibility) as stack:
            client = BareClient(stack, visibility, folder, jobs, seed)
            attacker = Attacker(stack, None, seed, folder / "disk-full", FAULTS)
            client.start()
            attacker.attack(faults)
            client.enough.set()
            while client.is_alive():
                stack.turn(BREATH_SECONDS)
            _wait_while_anything_happens(stack, folder, client, 3 * visibility)
        return _judged(folder, client.acknowledged, attacker)


def _wait_while_anything_happens(
    stack: Stack, folder: Path, client: BareClient, patience: float
) -> None:
    """Until all have ended, or nothing was begun for as long as a redelivery may take thrice."""
    until, seen = time.monotonic() + patience, -1
    while time.monotonic() < until and set(client.acknowledged) - set(done(folder)):
        stack.turn(BREATH_SECONDS)
        begun = sum(path.stat().st_size for path in (folder / TRACES).glob("*"))
        if begun != seen:
            until, seen = time.monotonic() + patience, begun


def _judged(folder: Path, acknowledged: list[str], attacker: Attacker) -> dict[str, int]:
    steps = list(_numbered(records.begun(folder / TRACES)))
    ends = Counter(done(folder))
    jobs = {job: _stored(job, steps, ends[job]) for job in acknowledged}
    answers = [records.Answer(job, "submit", "queued") for job in acknowledged]
    # It redelivers by the clock as well, which no fault of ours is counted for.
    excused = dict.fromkeys(attacker.excuses, len(steps))
    broken = broken_promises(steps, answers, jobs, {}, LONGEST_LOSS_SECONDS, excused)
    counts = {"acknowledged": len(acknowledged), "faults": len(attacker.done)}
    return {**counts, **_counted(broken)}


def _counted(broken: list[str]) -> dict[str, int]:
    found = Counter(
        next((kind for words, kind in KINDS.items() if words in promise), "otherwise wrong")
        for promise in broken
    )
    return {kind: found[kind] for kind in (*KINDS.values(), "otherwise wrong")}


def _numbered(steps: Iterator[records.Begun]) -> Iterator[records.Begun]:
    """Bare Celery has no fences: its attempts are numbered in the order of their beginnings."""
    for job in records.by_job(steps).values():
        starts = sorted({step.fence for step in job})
        numbers = {start: number for number, start in enumerate(starts, start=1)}
        yield from (replace(step, fence=numbers[step.fence]) for step in job)


def _stored(job: str, steps: list[records.Begun], ends: int) -> records.Stored:
    attempts = len({step.fence for step in steps if step.job == job})
    moves: list[tuple[str | None, str, str | None]] = [(None, "queued", None)]
    for attempt in range(attempts):
        moves.append(("queued", "running", None))
        if attempt < attempts - ends:
            moves.append(("running", "queued", "worker_lost"))
        elif ends:
            moves.append(("running", "succeeded", None))
            if attempt < attempts - 1:
                moves.append(("succeeded", "queued", None))
    return records.Stored(job, "succeeded" if ends else "queued", tuple(moves), "done")


def table(rows: Mapping[str, Mapping[str, int]]) -> str:
    """Figures by what was attacked, as Markdown."""
    names = list(next(iter(rows.values())))
    lines = ["| figure | " + " | ".join(rows) + " |", "|---|" + "---:|" * len(rows)]
    lines += [
        f"| {name} | " + " | ".join(str(row[name]) for row in rows.values()) + " |"
        for name in names
    ]
    return "\n".join(lines)


def main() -> None:
    """Fight twice with one seed; JOBS, FAULTS, SEED and ATELIER_LEASE as for ``tests.chaos``."""
    jobs, faults, seed = (
        int(os.environ.get(name) or default)
        for name, default in (("JOBS", 60), ("FAULTS", 28), ("SEED", 1))
    )
    lease = float(os.environ.get("ATELIER_LEASE", 3))
    bare = fight_bare(jobs, faults, seed, lease)
    ours = fight(jobs, faults, seed, lease, only=FAULTS)
    counts = {"acknowledged": sum(ours.statuses.values()), "faults": sum(ours.faults.values())}
    rows = {"bare Celery": bare, "Atelier": {**counts, **_counted(ours.broken)}}
    sys.stdout.write(f"{table(rows)}\n{json.dumps(ours.broken)}\n")


if __name__ == "__main__":
    main()
