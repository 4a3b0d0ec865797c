"""One battle: a studio, a client, an attacker, and afterwards the judge."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from sqlalchemy import select

from atelier.client import Studio
from atelier.local import Stack, free_port
from atelier.tokens import keep_token
from jobs.database import Database, connect
from jobs.models import Event, File, Job
from jobs.settings import Settings
from tests.chaos import records
from tests.chaos.attacker import Attacker
from tests.chaos.client import LONG, PATIENCE_SECONDS, SHORT, VARIANTS, Client
from tests.chaos.judge import broken_promises, losses, standstills

SAMPLES = Path(__file__).parents[2] / "atelier" / "samples"
PICTURES = (
    SAMPLES / "photos" / "cat.jpg",
    SAMPLES / "paintings" / "van-gogh-cafe-terrace-at-night.jpg",
)
# A checkpoint is due every 2 s of such small runs; a damaged one costs the one before as well.
LONGEST_LOSS_SECONDS = 15.0
SECONDS_EACH = 180.0


@dataclass(frozen=True)
class Outcome:
    """What happened: faults done by name, jobs by status, promises broken, and in seconds the
    longest loss of work and how long jobs stood still between two runners, pauses included."""

    faults: dict[str, int]
    statuses: dict[str, int]
    broken: list[str]
    attempts: int
    longest_loss: float
    standstill_median: float
    standstill_longest: float


def fight(jobs: int, faults: int, seed: int, lease: float) -> Outcome:
    """Commission at least ``jobs`` under ``faults``, wait for every job's end, and judge."""
    with _studio(lease) as (stack, database, folder):
        studio = Studio(stack.address, keep_token(stack.settings), PATIENCE_SECONDS)
        client = Client(studio, PICTURES, folder / "answers.jsonl", seed)
        results = _undisturbed(client, studio, database)
        client.jobs = jobs
        attacker = Attacker(stack, database, seed)
        over = threading.Event()
        waiting = threading.Thread(target=_see_through, args=(client, over), name="client-wait")
        waiting.start()
        attacker.attack(faults)
        client.enough.set()
        while not over.is_set():
            stack.turn(0.1)
        waiting.join()
        if client.failure is not None:
            raise client.failure
        return _judged(client, attacker, database, folder, results)


@contextmanager
def _studio(lease: float) -> Iterator[tuple[Stack, Database, Path]]:
    with tempfile.TemporaryDirectory(prefix="atelier-chaos-") as made:
        folder = Path(made)
        folder.chmod(0o711)
        settings = Settings.read(
            {
                "ATELIER_DATA": str(folder / "var"),
                "PORT": str(free_port("127.0.0.1", 18_300)),
                "ATELIER_LEASE": str(lease),
                "ATELIER_SLOTS": "cpu:2",
                "ATELIER_THREADS": "1",
                "ATELIER_TRACES": str(folder / "traces"),
            }
        )
        with Stack(settings) as stack:
            stack.wait_ready()
            database = connect(stack.settings, connections=2)
            try:
                yield stack, database, folder
            finally:
                database.close()


def _undisturbed(
    client: Client, studio: Studio, database: Database
) -> dict[tuple[int, int], str | None]:
    """SHA-256 of every variant's result, made before the attack."""
    made = {
        variant: studio.submit("style_transfer", client.params(variant))["id"]
        for variant in [(steps, seed) for steps in (SHORT, LONG) for seed in range(VARIANTS)]
    }
    for job_id in made.values():
        *_, last = studio.watch(job_id)
        assert last["status"] == "succeeded", last
    return {variant: _stored(database, job_id).result for variant, job_id in made.items()}


def _see_through(client: Client, over: threading.Event) -> None:
    try:
        client.run()
        client.wait_for_all(SECONDS_EACH)
    except Exception as failed:
        client.failure = failed
    finally:
        over.set()


def _judged(
    client: Client,
    attacker: Attacker,
    database: Database,
    folder: Path,
    results: dict[tuple[int, int], str | None],
) -> Outcome:
    jobs = {job_id: _stored(database, job_id) for job_id in client.variant_of}
    steps = [step for step in records.begun(folder / "traces") if step.job in jobs]
    expected = {job: results[variant] or "" for job, variant in client.variant_of.items()}
    told = list(records.answers(folder / "answers.jsonl"))
    broken = broken_promises(steps, told, jobs, expected, LONGEST_LOSS_SECONDS)
    traces = records.by_job(steps).values()
    lost = [loss for trace in traces for loss in losses(trace)]
    stood = [seconds for trace in traces for seconds in standstills(trace)]
    names = [name for _, name in attacker.done]
    statuses = [job.status for job in jobs.values()]
    return Outcome(
        faults={name: names.count(name) for name in sorted(set(names))},
        statuses={status: statuses.count(status) for status in sorted(set(statuses))},
        broken=broken,
        attempts=len({(step.job, step.fence) for step in steps}),
        longest_loss=round(max(lost, default=0.0), 2),
        standstill_median=round(median(stood), 2) if stood else 0.0,
        standstill_longest=round(max(stood, default=0.0), 2),
    )


def _stored(database: Database, job_id: str) -> records.Stored:
    with database.begin() as session:
        job = session.get_one(Job, job_id)
        query = select(Event).where(Event.job_id == job_id, Event.type == "status")
        events = session.execute(query.order_by(Event.seq)).scalars()
        moves = tuple((e.data["from"], e.data["to"], e.data.get("reason")) for e in events)
        files = select(File.sha256).where(File.job_id == job_id, File.role == "result")
        result = session.execute(files).scalar_one_or_none()
        return records.Stored(job_id, job.state, moves, result)


def told(outcome: Outcome) -> str:
    """The outcome for people and programs."""
    return json.dumps(outcome.__dict__, indent=2)
