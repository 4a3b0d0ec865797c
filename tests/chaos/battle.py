"""One battle: a studio, a client, an attacker, and afterwards the judge."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from sqlalchemy import select

from atelier.children import Program
from atelier.client import Studio
from atelier.local import Stack
from atelier.tokens import keep_token
from jobs.database import Database, connect
from jobs.models import Event, File, Job
from jobs.settings import Settings
from jobs.storage import Storage, StorageError
from tests.chaos import records, switches
from tests.chaos.attacker import Attacker
from tests.chaos.client import PATIENCE_SECONDS, Client, Load, Variant
from tests.chaos.judge import broken_promises, losses, standstills
from tests.ports import port_near

SAMPLES = Path(__file__).parents[2] / "atelier" / "samples"
PICTURES = (
    SAMPLES / "photos" / "cat.jpg",
    SAMPLES / "paintings" / "van-gogh-cafe-terrace-at-night.jpg",
)
# A checkpoint is due every 2 s of such small runs; a damaged one costs the one before as well.
LONGEST_LOSS_SECONDS = 15.0
SECONDS_EACH = 180.0
ANSWERS, TRACES, DISK_FULL = "answers.jsonl", "traces", "disk-full"


@dataclass(frozen=True)
class Outcome:
    """What happened: faults done by name, jobs by status and by kind, promises broken, and in
    seconds the longest loss of work and how long jobs stood still between two runners, pauses
    included."""

    faults: dict[str, int]
    statuses: dict[str, int]
    kinds: dict[str, int]
    broken: list[str]
    attempts: int
    longest_loss: float
    standstill_median: float
    standstill_longest: float


@dataclass(frozen=True)
class Ground:
    """Where a battle is fought: a studio, its truth, and a folder for the records."""

    stack: Stack
    database: Database
    storage: Storage
    folder: Path


class SwitchedStack(Stack):
    """A stack whose processes have a disk that fills up on demand, and promises switched off."""

    def __init__(self, settings: Settings, off: Mapping[str, str], disk_full: Path) -> None:
        super().__init__(settings)
        self._off, self._disk_full = off, disk_full

    def _ours(
        self, name: str, argv: list[str], stop_seconds: float = 10.0, **changes: str
    ) -> Program:
        program = super()._ours(name, argv, stop_seconds, **changes)
        service = name.partition(":")[0]
        names = [self._off[of] for of in (service, name) if of in self._off]
        if service == "worker":
            names.append("disk")
        if not names:
            return program
        more = switches.environment(self._disk_full)
        return replace(
            program,
            argv=switches.through(",".join(names), argv),
            environment={**program.environment, **more},
        )


def fight(
    jobs: int,
    faults: int,
    seed: int,
    lease: float,
    *,
    only: Sequence[str] = (),
    off: Mapping[str, str] | None = None,
    load: Load | None = None,
    evidence: Path | None = None,
) -> Outcome:
    """Commission at least ``jobs`` under ``faults``, wait for every job's end, and judge.

    ``only`` these faults are done, else all. ``off`` names for a service (``worker``,
    ``worker:cpu:0``, ``keeper``) the promise of :mod:`tests.chaos.switches` that it breaks.
    When a promise was broken, the logs, traces and answers are kept in ``evidence``.
    """
    load = load or Load()
    with studio(lease, off or {}) as ground:
        stack = ground.stack
        client_side = Studio(stack.address, keep_token(stack.settings), PATIENCE_SECONDS)
        client = Client(client_side, PICTURES, ground.folder / ANSWERS, seed, load)
        results = _undisturbed(client, client_side, ground, load)
        client.jobs = jobs
        attacker = Attacker(stack, ground.database, seed, ground.folder / DISK_FULL, only)
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
        outcome = _judged(client, attacker, ground, results)
        if outcome.broken and evidence is not None:
            _keep(ground, evidence)
        return outcome


@contextmanager
def studio(lease: float, off: Mapping[str, str], slots: str = "cpu:2") -> Iterator[Ground]:
    """A studio to be attacked, in a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="atelier-chaos-") as made:
        folder = Path(made)
        folder.chmod(0o711)
        settings = settings_in(folder, lease).changed(slots=slots)
        with SwitchedStack(settings, off, folder / DISK_FULL) as stack:
            stack.wait_ready()
            database = connect(stack.settings, connections=2)
            try:
                storage = Storage(stack.settings.storage)
                yield Ground(stack, database, storage, folder)
            finally:
                database.close()


def settings_in(folder: Path, lease: float) -> Settings:
    """Everything below ``folder``; runners note their steps there."""
    return Settings.read(
        {
            "ATELIER_DATA": str(folder / "var"),
            "PORT": str(port_near(18_300)),
            "ATELIER_LEASE": str(lease),
            "ATELIER_SLOTS": "cpu:2",
            "ATELIER_THREADS": "1",
            "ATELIER_TRACES": str(folder / TRACES),
        }
    )


def _undisturbed(client: Client, studio: Studio, ground: Ground, load: Load) -> dict[Variant, str]:
    """The works of every variant, made before the attack and removed from storage again: what is
    found there afterwards was put there under attack."""
    made = {variant: client.submit(variant)["id"] for variant in load.variants}
    results = {}
    for variant, job_id in made.items():
        *_, last = studio.watch(job_id)
        assert last["status"] == "succeeded", last
        results[variant] = stored(ground, job_id).result or ""
    for works in results.values():
        for sha256 in works.split():
            ground.storage.remove(sha256)
    return results


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
    ground: Ground,
    results: dict[Variant, str],
) -> Outcome:
    jobs = {job_id: stored(ground, job_id) for job_id in client.variant_of}
    steps = [step for step in records.begun(ground.folder / TRACES) if step.job in jobs]
    expected = {job: results[variant] for job, variant in client.variant_of.items()}
    told = list(records.answers(ground.folder / ANSWERS))
    broken = broken_promises(steps, told, jobs, expected, LONGEST_LOSS_SECONDS, attacker.excuses)
    traces = records.by_job(steps).values()
    lost = [loss for trace in traces for loss in losses(trace)]
    stood = [seconds for trace in traces for seconds in standstills(trace)]
    names = [name for _, name in attacker.done]
    statuses = [job.status for job in jobs.values()]
    kinds = [variant.kind for variant in client.variant_of.values()]
    return Outcome(
        faults={name: names.count(name) for name in sorted(set(names))},
        statuses={status: statuses.count(status) for status in sorted(set(statuses))},
        kinds={kind: kinds.count(kind) for kind in sorted(set(kinds))},
        broken=broken,
        attempts=len({(step.job, step.fence) for step in steps}),
        longest_loss=round(max(lost, default=0.0), 2),
        standstill_median=round(median(stood), 2) if stood else 0.0,
        standstill_longest=round(max(stood, default=0.0), 2),
    )


def stored(ground: Ground, job_id: str) -> records.Stored:
    with ground.database.begin() as session:
        job = session.get_one(Job, job_id)
        query = select(Event).where(Event.job_id == job_id, Event.type == "status")
        events = session.execute(query.order_by(Event.seq)).scalars()
        moves = tuple((e.data["from"], e.data["to"], e.data.get("reason")) for e in events)
        files = select(File.sha256).where(File.job_id == job_id).order_by(File.position)
        works = session.execute(files).scalars().all()
        whole = all(_is_whole(ground.storage, sha256) for sha256 in works)
        return records.Stored(job_id, job.state, moves, " ".join(works) or None, whole)


def _keep(ground: Ground, evidence: Path) -> None:
    """What tells how a promise was broken; what was kept before goes."""
    shutil.rmtree(evidence, ignore_errors=True)
    shutil.copytree(ground.folder / "var" / "logs", evidence / "logs")
    shutil.copytree(ground.folder / TRACES, evidence / TRACES)
    shutil.copy(ground.folder / ANSWERS, evidence)


def _is_whole(storage: Storage, sha256: str) -> bool:
    try:
        storage.check(sha256)
    except StorageError:
        return False
    return True


def told(outcome: Outcome) -> str:
    """The outcome for people and programs."""
    return json.dumps(outcome.__dict__, indent=2)
