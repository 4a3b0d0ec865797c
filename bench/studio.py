"""What the studio adds to an engine, and how soon a job begins; bare Celery and PostgreSQL beside.

A real studio is started; jobs go through its API like anybody's.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from statistics import median

from sqlalchemy import select, text

from atelier.answers import Job
from atelier.client import Studio
from atelier.local import Stack, free_port
from atelier.tokens import keep_token
from bench.rows import Row
from jobs.database import Database, connect
from jobs.models import Slot
from jobs.queue import make_app
from jobs.settings import Settings

SAMPLES = Path(__file__).parents[1] / "atelier" / "samples"
PHOTO = SAMPLES / "photos" / "cat.jpg"
PAINTING = SAMPLES / "paintings" / "van-gogh-cafe-terrace-at-night.jpg"
# Single pairs differ by several per cent on a machine that others share: many short ones tell more.
LOOP_SIZE, LOOP_STEPS, LOOP_PAIRS = 256, 40, 9
# Who asks how far it is, and the web that answers, take the same cores: seldom, then.
LOOP_LOOK = 3.0
STARTS = 9
TRIPS = 200


def measure() -> list[Row]:
    """All figures of this file, from one running studio."""
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        Path(folder).chmod(0o711)  # open to the database's own user, so that all goes with it
        settings = Settings.read(
            {
                "ATELIER_DATA": str(Path(folder, "var")),
                "PORT": str(free_port("127.0.0.1", 18_500)),
                "ATELIER_SLOTS": "cpu:1",
            }
        )
        with Stack(settings) as stack:
            stack.wait_ready()
            with closing(StudioBench(stack)) as bench:
                return [*bench.starts(), *bench.overhead(), *bench.ceilings()]


class StudioBench:
    """Figures of one running studio."""

    def __init__(self, stack: Stack) -> None:
        self._settings = stack.settings
        self._database: Database = connect(stack.settings, connections=2)
        token = keep_token(stack.settings)
        self._client = Studio(stack.address, token)
        self._photo = self._client.upload(PHOTO)["id"]
        self._painting = self._client.upload(PAINTING)["id"]

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def starts(self) -> list[Row]:
        """Seconds from the submit to the end of the first step, with a ready standby."""
        waits = []
        for _ in range(STARTS):
            self._await_standby()
            job = self._run(size=64, steps=1)
            asked = datetime.fromisoformat(job["created_at"])
            waits.append((self._logged(job["id"], "first step done")[0] - asked).total_seconds())
        return [
            Row(f"submit to first step done, median of {STARTS}", median(waits), "s", "<= 1"),
            Row("the slowest of them", max(waits), "s"),
        ]

    def overhead(self) -> list[Row]:
        """Time of a job's steps over that of the bare loop, in turn; who is first changes."""
        bare: list[float] = []
        jobs: list[float] = []
        loops = [(bare, self._bare_loop), (jobs, self._job_loop)]
        for _ in range(LOOP_PAIRS):
            for times, loop in loops:
                times.append(loop())
            loops.reverse()
        ratios = [ours / theirs - 1 for ours, theirs in zip(jobs, bare, strict=True)]
        what = f"{LOOP_STEPS} steps at {LOOP_SIZE} px"
        return [
            Row(f"bare engine loop, {what}, median", median(bare), "s"),
            Row(f"the same as a job, median of {LOOP_PAIRS}", median(jobs), "s"),
            Row("what the runner adds, median of pairs", 100 * median(ratios), "%", "<= 2"),
        ]

    def ceilings(self) -> list[Row]:
        """One trip through bare Celery's broker, and one bare commit, on this machine."""
        app = make_app(self._settings)
        with app.connection_for_write() as broker:
            queue = broker.SimpleQueue("bench")

            def trip() -> None:
                queue.put({"x": 1})
                queue.get(timeout=10).ack()

            message = _median_seconds(trip)
            queue.close()
        with self._database.engine.connect() as server:
            # No temporary table: its commits are not written through to the disk.
            server.execute(text("CREATE TABLE bench (x integer)"))
            server.commit()

            def commit() -> None:
                server.execute(text("INSERT INTO bench VALUES (1)"))
                server.commit()

            row = _median_seconds(commit)
            server.execute(text("DROP TABLE bench"))
            server.commit()
        return [
            Row("bare broker: message there and back, median", 1000 * message, "ms"),
            Row("bare PostgreSQL: insert and commit, median", 1000 * row, "ms"),
        ]

    def _run(self, size: int, steps: int, look: float = 0.5) -> Job:
        params = {"content": self._photo, "styles": [self._painting]}
        sizes = {"size": size, "start_size": size, "iterations": steps}
        job = self._client.submit("style_transfer", {**params, **sizes})
        while job["status"] not in ("succeeded", "failed", "canceled"):
            time.sleep(look)
            job = self._client.job(job["id"])
        if job["status"] != "succeeded":
            raise RuntimeError(f"job {job['id']} {job['status']}: {job['error']}")
        return job

    def _job_loop(self) -> float:
        self._await_standby()
        job = self._run(size=LOOP_SIZE, steps=LOOP_STEPS, look=LOOP_LOOK)
        return float(self._logged(job["id"], r"other steps took ([\d.]+) s")[1])

    def _bare_loop(self) -> float:
        arguments = [PHOTO, PAINTING, LOOP_SIZE, LOOP_STEPS, self._settings.cpu_threads]
        command = [sys.executable, "-m", "bench.loop", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(done.stdout)

    def _logged(self, job_id: str, pattern: str) -> tuple[datetime, str]:
        """When the runner logged a line, and the line's figure."""
        lines = (self._settings.logs / "jobs" / f"{job_id}.log").read_text().splitlines()
        for line in lines:
            if found := re.search(pattern, line):
                return datetime.fromisoformat(line.split()[0]), found[found.re.groups]
        raise LookupError(f"{pattern!r} is not in the log of job {job_id}")

    def _await_standby(self) -> None:
        while True:
            with self._database.begin() as session:
                if session.execute(select(Slot.name).where(Slot.standby)).first():
                    return
            time.sleep(0.2)


def _median_seconds(act: Callable[[], None]) -> float:
    times = []
    for _ in range(TRIPS):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return median(times)
