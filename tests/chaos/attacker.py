"""The attacker: faults chosen by a seed, done to a real studio while it works."""

from __future__ import annotations

import logging
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from uuid import UUID

import redis
from sqlalchemy import select

from atelier.children import Child
from atelier.local import Stack
from jobs.database import Database, DatabaseDownError
from jobs.models import Checkpoint, Event, Job
from jobs.states import State
from tests.signals import children_of, paused, paused_family

log = logging.getLogger(__name__)

TURN_SECONDS = 0.1
SOON_SECONDS = 0.02
TRIES = 3
# What may end a healthy run, and how that is told. What is not here ends none.
EXCUSES = {
    "runner killed": ("worker_lost",),
    "runner terminated": ("worker_lost",),
    "fork server killed": ("worker_lost",),
    "worker killed": ("worker_lost",),
    "worker killed as it reports a success": ("worker_lost",),
    "worker terminated": ("worker_stopped", "worker_lost"),
    "worker stopped for two leases": ("worker_lost",),
}


class Attacker:
    """Does one fault at a time; the stack restarts what dies, as in life."""

    def __init__(
        self,
        stack: Stack,
        database: Database | None,
        seed: int,
        disk_full: Path,
        only: Sequence[str] = (),
    ) -> None:
        """Faults that look before they strike look at ``database``; ``disk_full`` is made to fill
        the disk; ``only`` are the faults to do, else all."""
        self._stack, self._database, self._disk_full = stack, database, disk_full
        self._random = random.Random(seed)
        self._lease = stack.settings.lease
        self.done: list[tuple[float, str]] = []
        self._faults: dict[str, Callable[[], bool]] = {
            "runner killed": lambda: self._to_a_runner(signal.SIGKILL),
            "runner terminated": lambda: self._to_a_runner(signal.SIGTERM),
            "runner stopped for longer than a lease": self._stop_a_runner,
            "fork server killed": self._kill_a_fork_server,
            "worker killed": lambda: self._signal("worker:", signal.SIGKILL),
            "worker killed as it reports a success": self._kill_at_a_success,
            "worker terminated": lambda: self._signal("worker:", signal.SIGTERM),
            "worker stopped for two leases": self._stop_a_worker_at_work,
            "keeper killed": lambda: self._signal("keeper", signal.SIGKILL),
            "keeper stopped for longer than a lease": lambda: self._stop("keeper", 1.5),
            "web killed": lambda: self._signal("web", signal.SIGKILL),
            "redis killed": lambda: self._signal("valkey", signal.SIGKILL),
            "redis emptied": self._empty_redis,
            "redis hung": lambda: self._stop("valkey", 1.0),
            "database restarted": lambda: self._signal("postgres", signal.SIGINT),
            "database away for two leases": lambda: self._stop_group("postgres", 2.2),
            "database down for two leases": self._database_down,
            "disk full": self._fill_the_disk,
            "newest checkpoint truncated": lambda: self._damage(truncate),
            "a bit of the newest checkpoint flipped": lambda: self._damage(flip_a_bit),
        }
        unknown = set(only) - set(self._faults)
        if unknown:
            raise ValueError(f"no such faults: {sorted(unknown)}")
        self._names = list(only or self._faults)

    @property
    def excuses(self) -> Counter[str]:
        """The reasons for which the faults that were done excuse the end of a healthy run, each
        that of one."""
        return Counter(reason for _, name in self.done for reason in EXCUSES.get(name, ()))

    def attack(self, faults: int) -> None:
        """Do ``faults`` faults, one after another; what finds nothing to harm does not count."""
        for name in self._order(TRIES * faults):
            if len(self.done) == faults:
                return
            self._let_pass(self._random.uniform(0.2, 0.8) * self._lease)
            with suppress(ProcessLookupError, DatabaseDownError):
                if self._faults[name]():
                    self.done.append((time.monotonic(), name))
                    log.info("fault %s of %s: %s", len(self.done), faults, name)

    @property
    def _truth(self) -> Database:
        assert self._database is not None, "this fault needs a database to look at"
        return self._database

    def _order(self, faults: int) -> Iterator[str]:
        """Each fault equally often, in an order of the seed."""
        while faults > 0:
            round_ = list(self._names)
            self._random.shuffle(round_)
            yield from round_[:faults]
            faults -= len(round_)

    def _let_pass(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._stack.turn(TURN_SECONDS)

    def _signal(self, name: str, number: int) -> bool:
        child = self._some_child(name)
        if child is None:
            return False
        os.kill(child.pid, number)
        return True

    def _kill_at_a_success(self) -> bool:
        """Two leases of waiting for one at most."""
        before = last = self._last_success()
        until = time.monotonic() + 2 * self._lease
        while last is None or last == before:
            if time.monotonic() > until:
                return False
            self._stack.turn(SOON_SECONDS)
            last = self._last_success()
        slot = self._slot_of(last)
        return self._signal(f"worker:{slot.partition('@')[0]}", signal.SIGKILL)

    def _last_success(self) -> UUID | None:
        ended = select(Job.id).where(Job.state == str(State.SUCCEEDED))
        with self._truth.begin() as session:
            newest = ended.order_by(Job.ended_at.desc()).limit(1)
            return session.execute(newest).scalar_one_or_none()

    def _slot_of(self, job_id: UUID | None) -> str:
        """Where its last attempt ran."""
        claims = select(Event).where(
            Event.job_id == job_id, Event.data["to"].as_string() == str(State.RUNNING)
        )
        with self._truth.begin() as session:
            claim = session.execute(claims.order_by(Event.seq.desc()).limit(1)).scalar_one()
            return str(claim.data["slot"])

    def _stop(self, name: str, leases: float) -> bool:
        child = self._some_child(name)
        if child is None:
            return False
        return self._pause(paused([child.pid]), leases)

    def _stop_a_worker_at_work(self) -> bool:
        """One whose job another can take over meanwhile."""
        with self._truth.begin() as session:
            running = select(Job.id).where(Job.state == str(State.RUNNING))
            jobs = session.execute(running.order_by(Job.id)).scalars().all()
        if not jobs:
            return False
        slot = self._slot_of(self._random.choice(jobs))
        return self._stop(f"worker:{slot.partition('@')[0]}", 2.2)

    def _stop_group(self, name: str, leases: float) -> bool:
        child = self._some_child(name)
        if child is None:
            return False
        return self._pause(paused_family(child.pid), leases)

    def _stop_a_runner(self) -> bool:
        runners = list(self._runners())
        return bool(runners) and self._pause(paused([self._random.choice(runners)]), 1.5)

    def _to_a_runner(self, number: int) -> bool:
        runners = list(self._runners())
        if runners:
            os.kill(self._random.choice(runners), number)
        return bool(runners)

    def _kill_a_fork_server(self) -> bool:
        servers = [pid for worker in self._workers() for pid in children_of(worker.pid)]
        if servers:
            os.kill(self._random.choice(servers), signal.SIGKILL)
        return bool(servers)

    def _pause(self, stopped: AbstractContextManager[None], leases: float) -> bool:
        """SIGSTOP, and SIGCONT whatever happens meanwhile."""
        with stopped:
            self._let_pass(leases * self._lease)
        return True

    def _database_down(self) -> bool:
        child = self._some_child("postgres")
        if child is None:
            return False
        os.kill(child.pid, signal.SIGINT)
        until = time.monotonic() + 2.2 * self._lease
        while time.monotonic() < until:
            self._stack.turn(TURN_SECONDS)
            child.again_at = max(child.again_at, until)
        return True

    def _fill_the_disk(self) -> bool:
        self._disk_full.touch()
        try:
            self._let_pass(1.5 * self._lease)
        finally:
            self._disk_full.unlink()
        return True

    def _empty_redis(self) -> bool:
        address = self._stack.settings.redis_url.replace("redis+socket://", "unix://")
        with suppress(redis.RedisError):
            with redis.Redis.from_url(address, socket_timeout=2) as server:
                server.flushall()
            return True
        return False

    def _damage(self, how: Callable[[Path], None]) -> bool:
        with self._truth.begin() as session:
            newest = select(Checkpoint.sha256).order_by(Checkpoint.id.desc()).limit(1)
            sha256 = session.execute(newest).scalar_one_or_none()
        path = Path(self._stack.settings.storage, (sha256 or "")[:2], sha256 or "")
        if not path.is_file():
            return False
        with suppress(FileNotFoundError):
            how(path)
            return True
        return False

    def _some_child(self, name: str) -> Child | None:
        found = [child for child in self._stack.children if child.name.startswith(name)]
        running = [child for child in found if child.running]
        return self._random.choice(running) if running else None

    def _workers(self) -> Iterator[Child]:
        return (c for c in self._stack.children if c.name.startswith("worker:") and c.running)

    def _runners(self) -> Iterator[int]:
        """Standbys too: an attacker cannot know which of them works."""
        for worker in self._workers():
            for server in children_of(worker.pid):
                yield from children_of(server)


def truncate(path: Path) -> None:
    """Cut a stored file in the middle."""
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit(path: Path) -> None:
    """Change one bit in the middle of a stored file."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
