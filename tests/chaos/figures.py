"""How soon all is well again: ``python -m tests.chaos.figures`` prints the table.

Every wait is measured from the blow to the next step begun, as the runners' own traces tell it,
or from a request to what the database says. One studio, one attack after another.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import UUID

import requests
from sqlalchemy import select

from atelier.client import ENDED, Studio
from atelier.tokens import keep_token
from bench.rows import Row, markdown
from jobs.models import Event, Slot
from tests.chaos import bare_tasks, battle
from tests.chaos.bare import BareStack, done
from tests.chaos.client import PATIENCE_SECONDS as CLIENT_SECONDS
from tests.chaos.records import Begun, begun
from tests.signals import paused, paused_family
from worker.protocol import boot_clock

LEASE, USUAL_LEASE = 6.0, 30.0
ROUNDS, KILLS, BURST = 4, 6, 4
WORKER_KILLS, CANCELS, STARTS, SUBMITS = 6, 20, 30, 50
# Longer than the pace of checkpoints: no two deaths at one of them, which would be poison.
APART_SECONDS = 3.0
LOOK_SECONDS = 0.01
PATIENCE_SECONDS = 60.0
ENDLESS = 1000


class Attack:
    """One studio with one slot, and what is done to it."""

    def __init__(self, ground: battle.Ground) -> None:
        self._stack, self._database, self._folder = ground.stack, ground.database, ground.folder
        self._token = keep_token(self._stack.settings)
        self._studio = Studio(self._stack.address, self._token, CLIENT_SECONDS)
        content, style = (self._studio.upload(path)["id"] for path in battle.PICTURES)
        self._inputs = {"content": content, "styles": [style]}

    def runner_killed(self) -> list[Row]:
        """Single kills, checkpoints between them; then several in a row."""
        alone: list[float] = []
        bursts: list[float] = []
        for _ in range(ROUNDS):
            job = self._begin()
            for _ in range(KILLS):
                self._rest(APART_SECONDS)
                alone.append(self._killed(job))
            self._rest(APART_SECONDS)
            bursts += [self._killed(job) for _ in range(BURST)]
            self._end(job)
        return [
            Row(f"runner killed to stepping, median of {len(alone)}", median(alone), "s"),
            Row("the same, p99", p99(alone), "s", "<= 3"),
            Row(f"{ROUNDS} bursts of {BURST} kills, p99", p99(bursts), "s", "<= 10"),
        ]

    def worker_killed(self) -> list[Row]:
        """The stack starts it again; its successor need not wait for the lease."""
        job, waits = self._begin(), []
        for _ in range(WORKER_KILLS):
            self._rest(APART_SECONDS)
            waits.append(self._until_stepping(job, self._kill_worker))
        self._end(job)
        return [
            Row(f"worker killed to stepping, longest of {len(waits)}", max(waits), "s", "<= 10")
        ]

    def canceled(self) -> list[Row]:
        """From the request until the process is gone and the job says so."""
        waits = [self._canceled() for _ in range(CANCELS)]
        deaf = self._canceled(deaf=True)
        return [
            Row(f"cancel to process gone, median of {CANCELS}", median(waits), "s"),
            Row("the same, p99", p99(waits), "s", "<= 5"),
            Row("cancel of a process that hears nothing", deaf, "s", "<= 20"),
        ]

    def redis_hung(self) -> list[Row]:
        """Stopped in the middle; its socket takes connections and answers none."""
        (valkey,) = self._stack.named("valkey")
        with paused([valkey.pid]):
            return self._without_redis("hung")

    def redis_gone(self) -> list[Row]:
        """Killed, and kept down."""
        (valkey,) = self._stack.named("valkey")
        valkey.kill()
        self._stack.turn(1.0)
        valkey.again_at = time.monotonic() + 10 * PATIENCE_SECONDS
        try:
            return self._without_redis("gone")
        finally:
            valkey.again_at = 0.0
            self._stack.turn(0.5)

    def database_away(self) -> list[Row]:
        """For two leases, in the middle of a run."""
        job = self._begin()
        (postgres,) = self._stack.named("postgres")
        before = self._newest(job)
        with paused_family(postgres.pid):
            until = time.monotonic() + 2 * LEASE
            began = time.perf_counter()
            refused = self._submitted(size=64, steps=1)
            answer = time.perf_counter() - began
            self._rest(until - time.monotonic())
        back = time.perf_counter()
        while self._submitted(size=64, steps=1).status_code != 202:
            self._rest(LOOK_SECONDS)
        taken = time.perf_counter() - back
        stepping = self._until(lambda: (n := self._newest(job)).at > before.at + 2 * LEASE and n)
        well = time.perf_counter() - back
        same = float((stepping.fence, stepping.pid) == (before.fence, before.pid))
        self._end(job)
        return [
            Row("database away: a submit answers", float(refused.status_code), "", "503"),
            Row("its Retry-After", float(refused.headers.get("Retry-After", 0)), "s"),
            Row("that answer took", answer, "s"),
            Row("database back to the next submit taken", taken, "s", "<= 10"),
            Row("database back to the healthy run stepping", well, "s", "<= 10"),
            Row("it is still the same run (1: yes)", same, "", "1"),
        ]

    def starts(self) -> list[Row]:
        """Submit to claim on an idle slot, and the same of bare Celery."""
        ours = []
        for _ in range(STARTS):
            self._await_standby()
            asked = time.time()
            job = self._submitted(size=64, steps=1).json()["id"]
            ours.append(self._claimed_at(job) - asked)
        bare = bare_starts()
        return [
            Row(
                f"submit to claim, idle slot, median of {STARTS}",
                1000 * median(ours),
                "ms",
                "<= 50",
            ),
            Row("bare Celery: submit to first line, median", 1000 * median(bare), "ms"),
            Row("the difference", 1000 * (median(ours) - median(bare)), "ms", "<= 20"),
        ]

    def supervision(self) -> list[Row]:
        """Processor time of the worker, its runner aside, over the time of the steps."""
        job = self._begin(size=256)
        (worker,) = self._stack.named("worker")
        self._rest(2 * APART_SECONDS)
        spent, at = cpu_seconds(worker.pid), time.perf_counter()
        self._rest(30.0)
        share = (cpu_seconds(worker.pid) - spent) / (time.perf_counter() - at)
        self._end(job)
        return [Row("supervision: the worker's share of a core", 100 * share, "%", "<= 1")]

    def _without_redis(self, how: str) -> list[Row]:
        waits, codes = [], set()
        for _ in range(SUBMITS):
            began = time.perf_counter()
            codes.add(self._submitted(size=64, steps=1).status_code)
            waits.append(time.perf_counter() - began)
        self._until(self._all_ended)
        self._await_standby()
        asked = time.time()
        job = self._submitted(size=64, steps=1).json()["id"]
        start = self._claimed_at(job) - asked
        assert codes == {202}, codes
        return [
            Row(
                f"Redis {how}: submit answers 202, p99 of {SUBMITS}",
                1000 * p99(waits),
                "ms",
                "<= 100",
            ),
            Row(f"Redis {how}: submit to claim", start, "s", "<= 5"),
        ]

    def _begin(self, size: int = 128) -> str:
        """A job that will not end by itself, once it has begun its second step."""
        job = str(self._submitted(size=size, steps=ENDLESS).json()["id"])
        self._until(lambda: self._newest(job).step > 0)
        return job

    def _end(self, job: str) -> None:
        self._studio.cancel(job)
        self._until(lambda: self._studio.job(job)["status"] in ENDED)

    def _kill_worker(self) -> None:
        (worker,) = self._stack.named("worker")
        kill(worker.pid)

    def _killed(self, job: str) -> float:
        return self._until_stepping(job, lambda: kill(self._newest(job).pid))

    def _until_stepping(self, job: str, blow: Callable[[], object]) -> float:
        """Seconds from the blow to the first step of another runner."""
        before = self._newest(job)
        at = boot_clock()
        blow()
        after = self._until(lambda: (n := self._newest(job)).fence > before.fence and n)
        return float(after.at - at)

    def _canceled(self, deaf: bool = False) -> float:
        job = self._begin()
        pid = self._newest(job).pid
        if deaf:
            os.kill(pid, signal.SIGSTOP)
        began = time.perf_counter()
        self._studio.cancel(job)
        self._until(lambda: not Path(f"/proc/{pid}").exists())
        self._until(lambda: self._studio.job(job)["status"] == "canceled")
        return time.perf_counter() - began

    def _submitted(self, size: int, steps: int) -> requests.Response:
        """A submit without any client's patience."""
        sizes = {"size": size, "start_size": size, "iterations": steps}
        body = {"kind": "style_transfer", "params": {**self._inputs, **sizes}}
        bearer = {"Authorization": f"Bearer {self._token}"}
        address = f"{self._stack.address}/api/v1/jobs"
        return requests.post(address, json=body, headers=bearer, timeout=PATIENCE_SECONDS)

    def _newest(self, job: str) -> Begun:
        steps = [step for step in begun(self._folder / battle.TRACES) if step.job == job]
        return max(steps, key=lambda s: s.at, default=Begun(job, 0, "", 0, -1, 0.0))

    def _claimed_at(self, job: str) -> float:
        claim = select(Event.at).where(
            Event.job_id == UUID(job), Event.data["to"].as_string() == "running"
        )

        def found() -> Any:
            with self._database.begin() as session:
                return session.execute(claim).scalars().first()

        return float(self._until(found).timestamp())

    def _all_ended(self) -> bool:
        return not self._studio.jobs(limit=1, status="queued,running")["results"]

    def _await_standby(self) -> None:
        self._until(self._all_ended)

        def waits() -> Any:
            with self._database.begin() as session:
                return session.execute(select(Slot.name).where(Slot.standby)).first()

        self._until(waits)

    def _until(self, holds: Callable[[], Any]) -> Any:
        """What ``holds`` says once it is true."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            if said := holds():
                return said
            self._stack.turn(LOOK_SECONDS)
        raise TimeoutError(f"waited {PATIENCE_SECONDS:g} s in vain")

    def _rest(self, seconds: float) -> None:
        """Let time pass; the stack goes on restarting what died."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._stack.turn(min(left, 0.1))


def bare_starts() -> list[float]:
    """Seconds from submit to first line of a task, on an idle worker of bare Celery."""
    with tempfile.TemporaryDirectory(prefix="atelier-bare-") as made:
        folder = Path(made)
        settings = battle.settings_in(folder, LEASE)
        with BareStack(settings, folder, 60.0) as stack:
            app = bare_tasks.make_app(stack.settings.redis_url, 60.0)
            waits = []
            for number in range(-1, STARTS):  # the first finds the workers still starting
                asked = boot_clock()
                app.send_task("bare.run", (str(number), 1))
                until = time.monotonic() + PATIENCE_SECONDS
                while str(number) not in done(folder):
                    stack.turn(LOOK_SECONDS)
                    assert time.monotonic() < until, "bare Celery does not start"
                (step,) = begun_of(folder, str(number))
                waits.append(step.at - asked)
            return waits[1:]


def begun_of(folder: Path, job: str) -> list[Begun]:
    """The steps of one job."""
    return [step for step in begun(folder / battle.TRACES) if step.job == job]


def p99(waits: list[float]) -> float:
    """The 99th percentile; of fewer than a hundred figures the largest."""
    return quantiles(waits, n=100)[98] if len(waits) >= 100 else max(waits)


def kill(pid: int) -> None:
    """SIGKILL."""
    os.kill(pid, signal.SIGKILL)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process itself has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Everything, in one studio."""
    rows: list[Row] = []
    with battle.studio(LEASE, {}, slots="cpu:1") as ground:
        attack = Attack(ground)
        for part in (
            attack.starts,
            attack.canceled,
            attack.runner_killed,
            attack.redis_hung,
            attack.redis_gone,
            attack.database_away,
            attack.worker_killed,
        ):
            sys.stderr.write(f"{part.__name__}\n")
            rows += part()
            sys.stderr.write(f"{markdown(rows[-3:])}\n")
    with battle.studio(USUAL_LEASE, {}, slots="cpu:1") as ground:
        rows += Attack(ground).supervision()
    sys.stdout.write(f"{markdown(rows)}\n")


if __name__ == "__main__":
    main()
