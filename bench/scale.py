"""What 10,000 slots and 1,000,000 jobs a day would ask of one studio, and what gives way first.

``python -m bench.scale`` fills a database of its own with that many slots, all at work, measures
what each thing that a studio does again and again costs on this machine, multiplies by how often
it would be done, and writes the table into docs/scale.md. Measured are rates; computed is the rest.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from uuid import UUID

from flask import Flask
from sqlalchemy import text

from atelier.local import Stack
from bench.claims import FILL, OWNERS
from jobs import lease, listing, overview, service, slots
from jobs.database import Database, connect
from jobs.keeper import Keeper
from jobs.lease import BEATS_PER_LEASE, Hold
from jobs.queue import make_app
from jobs.settings import Settings
from jobs.states import Reason, State
from jobs.storage import Storage
from worker.supervisor import LOOK_SECONDS as SUPERVISOR_LOOK_SECONDS

REPORT = Path(__file__).parents[1] / "docs" / "scale.md"
BEGIN, END = "<!-- figures: written by python -m bench.scale -->\n", "<!-- end of figures -->"
SLOTS, JOBS_A_DAY, WAITING = 10_000, 1_000_000, 20_000
THREADS, SECONDS = 4, 4.0
WATCHERS = 1_000  # people who look at a running job's page, which asks once a second
VITALS = {"load": 1.0, "cpu": 0.5, "memory": 10**10, "memory_total": 10**11, "step": 5}
PROGRESS = {"step": 1, "total": 500, "share": 0.1, "seconds_left": 60.0, "metrics": {"loss": 1.0}}


@dataclass(frozen=True)
class Cost:
    """Something done ``demand`` times a second at that size; ``rate`` a second were measured.

    ``where``: ``database`` shares one server with all others; ``keeper`` and ``web`` have a
    process of their own.
    """

    name: str
    demand: float
    rate: float
    where: str = "database"

    @property
    def share(self) -> float:
        """How much of what this machine can do it would take."""
        return self.demand / self.rate


def main() -> None:
    """Measure, compute, print, and keep."""
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        Path(folder).chmod(0o711)
        settings = Settings.read({"ATELIER_DATA": str(Path(folder, "var"))})
        services = ("postgres", "valkey", "migrate")
        with Stack(settings, services=services) as stack:
            database = connect(stack.settings, connections=THREADS + 1, patience=600.0)
            try:
                costs = list(_costs(stack.settings, database, Path(folder, "files")))
            finally:
                database.close()
    told = f"{_setting()}\n\n{table(costs)}\n"
    print(told)
    before, _, rest = REPORT.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    REPORT.write_text(f"{before}{BEGIN}\n{told}\n{END}{after}", encoding="utf-8")


def table(costs: list[Cost]) -> str:
    """Every cost, the one that takes most first; ``costs`` begin with the bare commit."""
    bare, *rest = costs
    lines = [
        "| what | a second at that size | measured a second | one costs, in bare commits |"
        " all of them, in bare commits a second |",
        "|---|---:|---:|---:|---:|",
        f"| {bare.name} | | {bare.rate:,.1f} | 1.0 | |",
    ]
    for cost in sorted(rest, key=lambda each: -each.share):
        where = "" if cost.where == "database" else f" ({cost.where})"
        told = f"| {cost.name}{where} | {cost.demand:,.1f} | {cost.rate:,.1f} |"
        if cost.where in ("database", "keeper"):
            told += f" {bare.rate / cost.rate:,.1f} | {cost.share * bare.rate:,.0f} |"
        else:
            told += f" | {cost.share:.1f} times this one |"
        lines.append(told)
    total = sum(cost.share for cost in rest if cost.where in ("database", "keeper"))
    lines.append(f"| **all that shares the database** | | | | **{total * bare.rate:,.0f}** |")
    return "\n".join(lines)


def _costs(settings: Settings, database: Database, files: Path) -> Iterator[Cost]:
    holds = _fill(database)

    def bare() -> None:
        with database.begin() as session:
            session.execute(text("INSERT INTO bench VALUES (1)"))

    with database.begin() as session:
        session.execute(text("CREATE TABLE bench (x integer)"))
    yield _measured("bare inserts and commits, to compare with", 0.0, bare)
    jobs, beats = JOBS_A_DAY / 86_400, SLOTS / (settings.lease / BEATS_PER_LEASE)
    turn = count()

    def hold() -> Hold:
        return holds[next(turn) % len(holds)]

    def tell() -> None:
        with database.begin() as session:
            lease.report_progress(session, hold(), PROGRESS)

    yield _measured(
        "telling progress, once a second and slot", SLOTS / SUPERVISOR_LOOK_SECONDS, tell
    )

    def beat() -> None:
        with database.begin() as session:
            lease.beat(session, hold(), 3600.0)

    yield _measured("beats", beats, beat)

    def register() -> None:
        with database.begin() as session:
            here = {"machine": "bench", "resource": "cpu", "device": "cpu"}
            name = f"cpu:{next(turn) % SLOTS}@bench"
            slots.register(session, name, standby=False, vitals=VITALS, **here)

    yield _measured("slots telling of themselves", beats, register)
    yield _measured("claims and their ends, events included", jobs, _whole_job(database))
    yield _measured("commissions, events included", jobs, _submit(database, settings))
    yield _measured("pages that follow a job, unchanged", WATCHERS, _poll(database, holds))
    keeper = Keeper(database, Storage(str(files)), lambda _: None, settings)
    clock = count(1)
    yield _measured("turns", 1.0, lambda: keeper.turn(float(next(clock))), 1, "keeper")

    def look() -> None:
        with database.begin() as session:
            overview.look(session, settings.running_per_owner)

    yield _measured("overviews for one administrator, every 2 s", 0.5, look, 1)
    app = make_app(settings)

    def wake() -> None:
        app.send_task("worker.wake", queue="bench", ignore_result=True, retry=False)

    yield _measured("wakes", 2 * jobs, wake, 1, "Redis")
    yield _measured(
        "requests of the web server, answered 401", WATCHERS, _request(settings), 1, "web"
    )


def _whole_job(database: Database) -> Callable[[], None]:
    def act() -> None:
        with database.begin() as session:
            found = lease.claim(session, "cpu:x@bench", "cpu", 3600.0, 10**9)
        assert found is not None, "no job waits"
        with database.begin() as session:
            lease.stop(session, found.hold, State.FAILED, Reason.TIMED_OUT, 1.0)

    return act


def _submit(database: Database, settings: Settings) -> Callable[[], None]:
    owner, picture = UUID(int=1), UUID(int=1)
    params = {"content": str(picture), "styles": [str(picture)]}

    def act() -> None:
        with database.begin() as session:
            order = service.Order("style_transfer", params)
            service.submit(session, owner, order, settings.changed(waiting_per_owner=10**9))

    return act


def _poll(database: Database, holds: list[Hold]) -> Callable[[], None]:
    owners = {hold.job_id: UUID(int=1 + (hold.job_id.int) % OWNERS) for hold in holds}
    turn = count()

    def act() -> None:
        job_id = holds[next(turn) % len(holds)].job_id
        with database.begin() as session:
            row = service.get(session, owners[job_id], job_id)
            listing.place(session, row)

    return act


def _request(settings: Settings) -> Callable[[], None]:
    from webui import create_app

    app: Flask = create_app(settings)
    client = app.test_client()

    def act() -> None:
        base = f"http://127.0.0.1:{settings.port}"
        assert client.get("/api/v1/jobs", base_url=base).status_code == 401

    return act


def _measured(
    name: str,
    demand: float,
    act: Callable[[], None],
    threads: int = THREADS,
    where: str = "database",
) -> Cost:
    """Do it from some threads for some seconds."""
    print(f"measuring: {name}", file=sys.stderr, flush=True)
    done = [0] * threads
    act()
    until = time.perf_counter() + SECONDS
    began = time.perf_counter()

    def repeat(place: int) -> None:
        while time.perf_counter() < until:
            act()
            done[place] += 1

    working = [threading.Thread(target=repeat, args=(place,)) for place in range(threads)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    return Cost(name, demand, max(1, sum(done)) / (time.perf_counter() - began), where)


def _fill(database: Database) -> list[Hold]:
    """All slots at work, a million jobs of one day behind them, some thousands waiting."""
    with database.begin() as session:
        owner = "(lpad(to_hex(i), 32, '0'))::uuid"
        many = f"FROM generate_series(1, {OWNERS}) AS i"
        session.execute(text(f"INSERT INTO owner (id, name) SELECT {owner}, i::text {many}"))
        stages = ((0, "succeeded", JOBS_A_DAY), (2 * JOBS_A_DAY, "queued", WAITING + SLOTS))
        for base, state, number in stages:
            filled = FILL.format(base=base, owners=OWNERS, state=state, many=number)
            session.execute(text(filled))
        session.execute(
            text(
                "UPDATE job SET state = 'running', lease_until = now() + interval '1 hour',"
                " fence = 1, slot = 'cpu:' || n || '@bench' FROM (SELECT id AS i, row_number()"
                f" OVER (ORDER BY id) - 1 AS n FROM job WHERE state = 'queued' LIMIT {SLOTS}) AS a"
                " WHERE job.id = a.i"
            )
        )
        session.execute(
            text(
                "INSERT INTO owner_share (owner_id, resource, waiting, running)"
                " SELECT owner_id, 'cpu', count(*) FILTER (WHERE state = 'queued'),"
                " count(*) FILTER (WHERE state = 'running') FROM job"
                " WHERE state IN ('queued', 'running') GROUP BY owner_id"
            )
        )
        session.execute(
            text(
                "INSERT INTO slot (name, machine, resource, device, beat_at) SELECT"
                f" 'cpu:' || i || '@bench', 'bench', 'cpu', 'cpu', now() FROM"
                f" generate_series(0, {SLOTS - 1}) AS i"
            )
        )
        picture = {"id": UUID(int=1), "sha256": "ab" * 32}
        session.execute(text("INSERT INTO blob (sha256, size) VALUES (:sha256, 1)"), picture)
        session.execute(
            text(
                "INSERT INTO file (id, owner_id, sha256, role, name, media_type) VALUES"
                " (:id, :id, :sha256, 'upload', 'a.png', 'image/png')"
            ),
            picture,
        )
        rows = session.execute(text("SELECT id FROM job WHERE state = 'running'")).scalars()
        holds = [Hold(id_, 1) for id_ in rows]
    with database.engine.connect() as server:
        own = server.execution_options(isolation_level="AUTOCOMMIT")
        own.execute(text("VACUUM ANALYZE"))
    return holds


def _setting() -> str:
    load = os.getloadavg()[0]
    return (
        f"Measured on {datetime.now(UTC).date()}: {os.cpu_count()} cores, Python"
        f" {platform.python_version()}, PostgreSQL, Redis and {THREADS} asking threads of one"
        f" process on the same cores, which other work had loaded to {load:.1f} at the end. With"
        f" {SLOTS:,} jobs at work, {WAITING:,} waiting and {JOBS_A_DAY:,} ended."
    )


if __name__ == "__main__":
    main()
