"""What 10,000 slots and 1,000,000 jobs a day would ask of one studio, and what gives way first.

``python -m bench.scale`` fills a database of its own with that many slots, all at work, measures
how long a core of the database and one of the web server works for each thing that a studio does
again and again, lets :mod:`bench.simulation` play studios of several sizes with these costs, and
writes both tables into docs/scale.md. Processor time is measured, not time: it is the same on a
machine that others use.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import median
from uuid import UUID

from sqlalchemy import text

from atelier.local import Stack
from atelier.postgres import CONNECTIONS
from bench.claims import FILL, OWNERS
from bench.simulation import Costs, Seen, Simulation, Studio, p99
from jobs import lease, slots
from jobs.access import accounts
from jobs.database import Database, connect
from jobs.keeper import Keeper
from jobs.lease import Hold
from jobs.office import overview
from jobs.settings import Settings
from jobs.states import Reason, State
from jobs.storage import Storage
from webui import create_app
from worker.vitals import tree

REPORT = Path(__file__).parents[1] / "docs" / "scale.md"
BEGIN, END = "<!-- figures: written by python -m bench.scale -->\n", "<!-- end of figures -->"
SLOTS, JOBS_A_DAY, WAITING = 10_000, 1_000_000, 20_000
SECONDS, WARM_UP = 3.0, 20
VITALS = {"load": 1.0, "cpu": 0.5, "memory": 10**10, "memory_total": 10**11, "step": 5}
PROGRESS = {"step": 1, "total": 500, "share": 0.1, "seconds_left": 60.0, "metrics": {"loss": 1.0}}
# A slot at work talks from its own thread and its clerk's; the web server and the keeper beside.
CONNECTIONS_A_SLOT, OTHERS = 2, 25
# What an operator promises: figures are not older, pages and answers not slower.
LATEST = {"progress_age": 3.0, "page": 1.0, "commission": 1.0, "overview": 2.0}


@dataclass(frozen=True)
class Cost:
    """Seconds of a core that one of something takes, in the database and where it is asked."""

    name: str
    database: float
    asking: float
    took: float


def main() -> None:
    """Measure, simulate, print, and keep."""
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        Path(folder).chmod(0o711)
        settings = Settings.read({"ATELIER_DATA": str(Path(folder, "var"))})
        with Stack(settings, services=("postgres", "valkey", "migrate")) as stack:
            database = connect(stack.settings, connections=4, patience=600.0)
            try:
                scale = Scale(stack, database, Path(folder, "files"))
                costs = scale.costs()
                scale.close()
            finally:
                database.close()
    told = f"{_setting()}\n\n{table(costs)}\n\n{simulated(costs)}\n"
    print(told)
    before, _, rest = REPORT.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    REPORT.write_text(f"{before}{BEGIN}\n{told}\n{END}{after}", encoding="utf-8")


def table(costs: dict[str, Cost]) -> str:
    """What each thing costs."""
    lines = [
        "| one | milliseconds of a core of the database | of a core that asks |",
        "|---|---:|---:|",
    ]
    for cost in costs.values():
        lines.append(f"| {cost.name} | {1000 * cost.database:.3f} | {1000 * cost.asking:.3f} |")
    commit = 1000 * costs["commit"].took
    return "\n".join(
        [
            *lines,
            "",
            f"A bare commit takes {commit:.2f} ms, of which the disk has all that no core works.",
        ]
    )


def simulated(costs: dict[str, Cost]) -> str:
    """Studios of several sizes, and the largest with what an operator can do."""
    taken = _as_simulated(costs)
    large = Studio(SLOTS)
    studios = [
        *((f"{many:,} slots", Studio(many)) for many in (100, 300, 1000, 3000)),
        (f"{SLOTS:,} slots", large),
        ("... 16 cores for the database", Studio(SLOTS, cores=16)),
        ("... and 8 web processes", Studio(SLOTS, cores=16, webs=8)),
        ("... and a lease of 120 s", Studio(SLOTS, cores=16, webs=8, lease=120.0)),
        ("ten studios, each", Studio(SLOTS // 10)),
    ]
    lines = [
        "| studio | connections | database busy | web busy | progress is old | a page"
        " | a commission | the overview | renewals too late |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, studio in studios:
        print(f"simulating: {name}", file=sys.stderr, flush=True)
        lines.append(_row(name, studio, Simulation(studio, taken).run()))
    return "\n".join(lines)


def _row(name: str, studio: Studio, seen: Seen) -> str:
    needed = CONNECTIONS_A_SLOT * studio.slots + OTHERS
    waits = []
    for what, latest in LATEST.items():
        seconds = p99(getattr(seen, what))
        waits.append(_marked(f"{seconds:.2f} s", seconds > latest))
    cells = [
        _marked(f"{needed:,}", needed > CONNECTIONS),
        f"{100 * seen.database:.0f} %",
        f"{100 * seen.web:.0f} %",
        *waits,
        _marked(f"{100 * seen.held(studio.lease):.2f} %", seen.held(studio.lease) > 0),
    ]
    return f"| {name} | {' | '.join(cells)} |"


def _marked(words: str, too_much: bool) -> str:
    return f"**{words}**" if too_much else words


def _as_simulated(costs: dict[str, Cost]) -> Costs:
    return Costs(
        **{
            name: costs[name].database
            for name in ("progress", "beat", "tell", "job", "submit", "poll", "turn")
        },
        overview_per_slot=costs["overview"].database / SLOTS,
        web_poll=costs["poll"].asking,
        web_submit=costs["submit"].asking,
        commit=max(0.0, costs["commit"].took - costs["commit"].database - costs["commit"].asking),
    )


class Scale:
    """A full database, and everything that a studio does with it, one at a time."""

    def __init__(self, stack: Stack, database: Database, files: Path) -> None:
        self._settings, self._database = stack.settings, database
        (postgres,) = stack.named("postgres")
        self._server = postgres.pid
        self._held = _fill(database)
        self._turn = count()
        self._keeper = Keeper(database, Storage(str(files)), lambda _: None, stack.settings)
        self._web = create_app(stack.settings.changed(waiting_per_owner=10**9))

    def close(self) -> None:
        """Give the connections back."""
        self._web.extensions["atelier"].database.close()

    def costs(self) -> dict[str, Cost]:
        """Measure all, by the names that :class:`bench.simulation.Costs` has for them."""
        with self._database.begin() as session:
            session.execute(text("CREATE TABLE bench (x integer)"))
        poll, submit = self._requests()
        acts: dict[str, tuple[str, Callable[[], object]]] = {
            "commit": ("bare insert and commit, to compare with", self._commit),
            "progress": ("telling of progress", self._tell_progress),
            "beat": ("beat", self._beat),
            "tell": ("telling of a slot, with what it measured", self._tell_slot),
            "job": ("claim and its end", self._whole_job),
            "submit": ("commission, as a request", submit),
            "poll": ("look at a running job, as a request", poll),
            "turn": ("turn of the keeper", lambda: self._keeper.turn(float(next(self._turn)))),
            "overview": (f"overview of {SLOTS:,} slots", self._overview),
        }
        return {key: self._measured(name, act) for key, (name, act) in acts.items()}

    def _measured(self, name: str, act: Callable[[], object]) -> Cost:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        began = time.perf_counter()
        for _ in range(WARM_UP):
            act()
            if time.perf_counter() - began > SECONDS:
                break
        waits: list[float] = []
        server, asking, began = tree(self._server)[0], time.thread_time(), time.perf_counter()
        while time.perf_counter() - began < SECONDS or not waits:
            asked = time.perf_counter()
            act()
            waits.append(time.perf_counter() - asked)
        many = len(waits)
        asked_for = (time.thread_time() - asking) / many
        return Cost(name, (tree(self._server)[0] - server) / many, asked_for, median(waits))

    def _hold(self) -> Hold:
        return self._held[next(self._turn) % len(self._held)][0]

    def _commit(self) -> None:
        with self._database.begin() as session:
            session.execute(text("INSERT INTO bench VALUES (1)"))

    def _tell_progress(self) -> None:
        with self._database.begin() as session:
            lease.report_progress(session, self._hold(), PROGRESS)

    def _beat(self) -> None:
        with self._database.begin() as session:
            lease.beat(session, self._hold(), 3600.0)

    def _tell_slot(self) -> None:
        with self._database.begin() as session:
            here = {"machine": "bench", "resource": "cpu", "device": "cpu"}
            name = f"cpu:{next(self._turn) % SLOTS}@bench"
            slots.register(session, name, standby=False, vitals=VITALS, **here)

    def _whole_job(self) -> None:
        with self._database.begin() as session:
            found = lease.claim(session, "cpu:0@bench", "cpu", 3600.0, 10**9)
        assert found is not None, "no job waits"
        with self._database.begin() as session:
            lease.stop(session, found.hold, State.FAILED, Reason.TIMED_OUT, 1.0)

    def _overview(self) -> None:
        with self._database.begin() as session:
            overview.look(session, self._settings.running_per_owner)

    def _requests(self) -> Sequence[Callable[[], None]]:
        """What a page asks again and again, and what a commission is, through the front end."""
        client, base = self._web.test_client(), f"http://127.0.0.1:{self._settings.port}"
        owner = UUID(int=1)
        with self._database.begin() as session:
            token = accounts.issue(session, owner, "api", timedelta(hours=1))
        mine = [hold.job_id for hold, owned_by in self._held if owned_by == owner]
        headers = {"Authorization": f"Bearer {token}"}
        params = {"content": str(UUID(int=1)), "styles": [str(UUID(int=1))]}
        order = {"kind": "style_transfer", "params": params}

        def poll() -> None:
            job = mine[next(self._turn) % len(mine)]
            answer = client.get(f"/api/v1/jobs/{job}", base_url=base, headers=headers)
            assert answer.status_code == 200, answer.text

        def submit() -> None:
            answer = client.post("/api/v1/jobs", base_url=base, headers=headers, json=order)
            assert answer.status_code == 202, answer.text

        return poll, submit


def _fill(database: Database) -> list[tuple[Hold, UUID]]:
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
                " fence = 1, slot = 'cpu:' || n || '@bench', progress = CAST(:progress AS jsonb)"
                " FROM (SELECT id AS i, row_number()"
                f" OVER (ORDER BY id) - 1 AS n FROM job WHERE state = 'queued' LIMIT {SLOTS}) AS a"
                " WHERE job.id = a.i"
            ),
            {"progress": json.dumps(PROGRESS)},
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
        running = text("SELECT id, owner_id FROM job WHERE state = 'running'")
        rows = session.execute(running).all()
    with database.engine.connect() as server:
        own = server.execution_options(isolation_level="AUTOCOMMIT")
        own.execute(text("VACUUM ANALYZE"))
    return [(Hold(row.id, 1), row.owner_id) for row in rows]


def _setting() -> str:
    return (
        f"Measured on {datetime.now(UTC).date()}: {os.cpu_count()} cores, Python"
        f" {platform.python_version()}, with {SLOTS:,} jobs at work, {WAITING:,} waiting and"
        f" {JOBS_A_DAY:,} ended; {os.getloadavg()[0]:.1f} processes were at work at the end."
    )


if __name__ == "__main__":
    main()
