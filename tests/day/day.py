"""A day of a studio: three people, two slots, a flood, a drain, a dead slot, a job queued again.

Real processes and short jobs. Whoever looks after it uses ``atelier admin``, like anybody would.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from atelier.client import Studio
from atelier.local import Stack
from jobs.access import accounts
from jobs.access.roles import Role
from jobs.database import Database, connect
from jobs.ids import new_id
from jobs.models import Event, Job, Owner
from jobs.settings import Settings
from tests.ports import port_near

SAMPLES = Path(__file__).parents[2] / "atelier" / "samples"
PHOTO, PAINTING = (
    SAMPLES / "photos" / "cat.jpg",
    SAMPLES / "paintings" / "van-gogh-cafe-terrace-at-night.jpg",
)
PATIENCE_SECONDS = 400.0
LEASE_SECONDS = 3.0
STEPS, LONG = 12, 60


@dataclass
class Person:
    """Somebody with a token, two pictures and jobs."""

    owner: UUID
    studio: Studio
    params: dict[str, Any]

    def submit(self, iterations: int = STEPS, **frame: Any) -> str:
        """Commission a short job."""
        params = {**self.params, "iterations": iterations}
        return str(self.studio.submit("style_transfer", params, **frame)["id"])


@dataclass
class Day:
    """A studio at work, in which one person commissions ``flood`` jobs at once, others ten more."""

    stack: Stack
    database: Database
    administrator: Studio
    token: str
    flood: int

    def live(self) -> list[str]:
        """Everything that happens; what it came to, in words. Fails where a promise breaks."""
        ada, ben, cleo = (self.person(name) for name in ("ada", "ben", "cleo"))
        for _ in range(self.flood):
            ada.submit()
        self.until(lambda: self.running(ada) >= 2, "the flood to fill both slots")
        told = [
            self.nobody_starves(ada, ben.submit()),
            self.nobody_starves(ada, cleo.submit()),
            self.a_slot_is_drained(ben),
            self.a_slot_dies(cleo),
            self.a_job_is_queued_again(cleo),
        ]
        self.until(lambda: self.left() == 0, "the last job to end")
        with self.database.begin() as session:
            ends = session.scalars(select(Job.state)).all()
        assert set(ends) == {"succeeded"}, ends
        assert self.admin("verify", database=True)["findings"] == []
        checked = self.admin("audit", "verify")
        assert checked["wrong"] == []
        grave = [alarm for alarm in self.admin("overview")["alarms"] if alarm["grave"]]
        assert grave == []
        told.append(f"{len(ends)} jobs of 3 people succeeded; {checked['rows']} changes audited")
        return told

    def nobody_starves(self, ada: Person, job_id: str) -> str:
        """A single job begins as soon as a slot is free, so within one length of a job: none of the
        flood is put before it, save one a slot that was being claimed while it came."""
        self.until(lambda: self.job(job_id).started_at is not None, "a single job to begin")
        row = self.job(job_id)
        with self.database.begin() as session:
            between = session.scalars(
                select(Event.job_id)
                .join(Job, Job.id == Event.job_id)
                .where(
                    Job.owner_id == ada.owner,
                    Event.data["to"].astext == "running",
                    Event.at > row.created_at,
                    Event.at < row.started_at,
                )
            ).all()
        assert len(between) <= 2, f"{len(between)} jobs of the flood began before it"
        return f"a single job began beside a flood of {self.flood}, {len(between)} before it"

    def a_slot_is_drained(self, person: Person) -> str:
        """Nothing begins in it until it is opened again, and the other goes on."""
        slot = self.slots()[1]
        self.admin("drain", slot, "--wait", "--reason", "dust")
        since = datetime.now(UTC)
        for _ in range(2):
            person.submit()
        self.until(lambda: self.began(since) >= 2, "two jobs to begin elsewhere")
        assert self.began(since, slot) == 0, "a job began in a drained slot"
        self.admin("undrain", slot)
        for _ in range(2):
            person.submit(iterations=LONG)
        self.until(lambda: self.began(since, slot) >= 1, "the slot to go on")
        return "a slot was drained, cleaned and opened"

    def a_slot_dies(self, person: Person) -> str:
        """Its worker is killed with a job in it, which goes on and succeeds."""
        mine = [person.submit(iterations=LONG) for _ in range(3)]

        def held() -> list[tuple[str, str]]:
            """Jobs that have begun not long ago, and where."""
            rows = [self.job(job_id) for job_id in mine]
            return [
                (str(row.id), row.slot)
                for row in rows
                if row.slot is not None and row.progress.get("step", 0) < LONG / 2
            ]

        self.until(lambda: bool(held()), "a job to begin in a slot that dies")
        (victim, slot), *_ = held()
        (child,) = self.stack.named(f"worker:{slot.partition('@')[0]}")
        os.kill(child.pid, signal.SIGKILL)
        self.until(lambda: self.job(victim).attempt > 1, "the job to go on", turn=True)
        self.until(lambda: self.job(victim).state == "succeeded", "it to succeed", turn=True)
        return "a slot died; its job went on and succeeded"

    def a_job_is_queued_again(self, person: Person) -> str:
        """It waited in a paused queue past its deadline; a preview says so, then it is queued."""
        self.admin("pause-queue", "cpu", "--reason", "new driver")
        soon = datetime.now(UTC) + timedelta(seconds=5)
        job_id = person.submit(deadline_at=soon)
        self.until(lambda: self.job(job_id).state == "failed", "its deadline")
        name = self.admin("job", job_id)["owner"]
        which = ["--owner", name, "--failed-as", "timed_out", "--since", "1h"]
        assert self.admin("requeue", *which, "--dry-run")["count"] == 1
        done = self.admin("requeue", *which, "--reason", "the queue was paused")
        assert done["ids"] == [job_id]
        self.admin("resume-queue", "cpu")
        return "a job that failed in a paused queue was queued again"

    def person(self, name: str) -> Person:
        """Somebody new with a photo and a painting."""
        owner, token = newcomer(self.database, name, Role.ARTIST)
        studio = Studio(self.stack.address, token, patience=60)
        photo, painting = studio.upload(PHOTO)["id"], studio.upload(PAINTING)["id"]
        sizes = {"size": 64, "start_size": 64}
        return Person(owner, studio, {"content": photo, "styles": [painting], **sizes})

    def admin(self, *words: str, database: bool = False) -> Any:
        """``atelier admin ... --json``; its document."""
        settings = self.stack.settings
        where = {"ATELIER_URL": self.stack.address, "ATELIER_TOKEN": self.token}
        if database:
            where = {"DATABASE_URL": settings.database_url, "STORAGE_URL": settings.storage}
        done = subprocess.run(
            [sys.executable, "-m", "atelier", "admin", *words, "--json"],
            env={**os.environ, **where},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return json.loads(done.stdout)

    def until(self, true: Callable[[], bool], what: str, turn: bool = False) -> None:
        """Wait for it; with ``turn`` what died is started again meanwhile."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not true():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            if turn:
                self.stack.turn(0.1)
            else:
                time.sleep(0.1)

    def slots(self) -> list[str]:
        """The names of the slots."""
        return [str(slot["id"]) for slot in self.administrator.workers()]

    def job(self, job_id: str) -> Job:
        """A job as it is now."""
        with self.database.begin() as session:
            return session.get_one(Job, UUID(job_id))

    def running(self, person: Person) -> int:
        """How many of somebody's jobs run."""
        with self.database.begin() as session:
            mine = (Job.owner_id == person.owner) & (Job.state == "running")
            return len(session.scalars(select(Job.id).where(mine)).all())

    def left(self) -> int:
        """How many jobs have not ended."""
        with self.database.begin() as session:
            live = Job.state.in_(["queued", "running", "paused"])
            return len(session.scalars(select(Job.id).where(live)).all())

    def began(self, since: datetime, slot: str | None = None) -> int:
        """How many attempts began since then, in any slot or in one."""
        query = select(Event.seq).where(Event.data["to"].astext == "running", Event.at > since)
        if slot is not None:
            query = query.where(Event.data["slot"].astext == slot)
        with self.database.begin() as session:
            return len(session.execute(query).all())


def newcomer(database: Database, name: str, role: Role) -> tuple[UUID, str]:
    """A new person and a token of theirs."""
    id_ = new_id()
    with database.begin() as session:
        values = {"id": id_, "name": f"{name}-{id_}", "role": str(role)}
        session.execute(insert(Owner).values(**values))
        return id_, accounts.issue(session, id_, "api", timedelta(hours=4))


@contextmanager
def opened(flood: int) -> Iterator[Day]:
    """A studio of two slots, for a day."""
    with tempfile.TemporaryDirectory(prefix="atelier-day-") as folder:
        Path(folder).chmod(0o711)
        variables = {
            "ATELIER_DATA": str(Path(folder, "var")),
            "PORT": str(port_near(19_300)),
            "ATELIER_SLOTS": "cpu:2",
            "ATELIER_THREADS": "1",
            "ATELIER_LEASE": str(LEASE_SECONDS),
        }
        with Stack(Settings.read(variables)) as stack:
            stack.wait_ready()
            database = connect(stack.settings, connections=4)
            try:
                _, token = newcomer(database, "eve", Role.ADMINISTRATOR)
                boss = Studio(stack.address, token, patience=60)
                yield Day(stack, database, boss, token, flood)
            finally:
                database.close()
