"""How fast slots are given jobs when the tables are large: 100,000 waiting, 1,000,000 finished.

``python -m bench.claims [WAITING FINISHED OWNERS]`` fills a database of its own, lets a few slots
claim side by side, each a process of its own as workers are, and times each claim; then bare
inserts are committed for comparison.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from sqlalchemy import text

from atelier.local import Stack
from bench.rows import Row, markdown
from jobs import lease
from jobs.database import Database, connect
from jobs.settings import Settings

WAITING, FINISHED, OWNERS = 100_000, 1_000_000, 20
SLOTS, CLAIMS_PER_SLOT, WARM_UP = 4, 500, 20
NO_LIMIT = 10**9
FILL_SECONDS = 600.0
SLOT = "slot"

FILL = """
INSERT INTO job (id, owner_id, kind, given, params, inputs, resource, state, seq)
SELECT (lpad(to_hex({base} + i), 32, '0'))::uuid,
       (lpad(to_hex(1 + i % {owners}), 32, '0'))::uuid,
       'style_transfer', '{{}}', '{{"size": 512}}', '{{}}', 'cpu', '{state}', 1
FROM generate_series(1, {many}) AS i
"""


def measure(waiting: int = WAITING, finished: int = FINISHED, owners: int = OWNERS) -> list[Row]:
    """Claims per second of all slots together, and the 99th percentile of one."""
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        Path(folder).chmod(0o711)
        settings = Settings.read({"ATELIER_DATA": str(Path(folder, "var"))})
        with Stack(settings, services=("postgres", "migrate")) as stack:
            database = connect(stack.settings, connections=1, patience=FILL_SECONDS)
            _fill(database, waiting, finished, owners)
            claims, seconds = _race(stack.settings)
            commits = _commits(database)
            database.close()
    what = f"{waiting:,} waiting and {finished:,} finished jobs, {owners} owners, {SLOTS} processes"
    rate = len(claims) / seconds
    return [
        Row(f"claims with {what}", rate, "1/s", ">= 300"),
        Row("a claim, median", 1000 * median(claims), "ms"),
        Row("a claim, p99", 1000 * quantiles(claims, n=100)[98], "ms", "<= 30"),
        Row("a bare insert and commit after them, median", 1000 * median(commits), "ms"),
        Row("a claim / a bare commit", median(claims) / median(commits), "ratio"),
    ]


def _fill(database: Database, waiting: int, finished: int, owners: int) -> None:
    with database.begin() as session:
        owner = "(lpad(to_hex(i), 32, '0'))::uuid"
        many = f"FROM generate_series(1, {owners}) AS i"
        session.execute(text(f"INSERT INTO owner (id, name) SELECT {owner}, i::text {many}"))
        for base, state, count in ((0, "succeeded", finished), (finished, "queued", waiting)):
            filled = FILL.format(base=base, owners=owners, state=state, many=count)
            session.execute(text(filled))
        share = f"INSERT INTO owner_share (owner_id, resource, waiting) SELECT {owner}, 'cpu', "
        session.execute(text(f"{share} {waiting // owners} {many}"))
        session.execute(text("CREATE TABLE bench (x integer)"))
    with database.engine.connect() as server:
        own = server.execution_options(isolation_level="AUTOCOMMIT")
        own.execute(text("VACUUM ANALYZE"))


def _race(settings: Settings) -> tuple[list[float], float]:
    """Seconds of each claim, and of the whole race from its start to the last one's end."""
    slots = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.claims", SLOT, f"cpu:{number}@bench"],
            env=settings.environment(**settings.variables()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(SLOTS)
    ]
    pipes = [(slot.stdin, slot.stdout) for slot in slots]
    claims: list[float] = []
    for _, mouth in pipes:
        assert mouth is not None
        mouth.readline()  # it is warm
    began = time.perf_counter()
    for ear, _ in pipes:
        assert ear is not None
        ear.write("go\n")
        ear.flush()
    for _, mouth in pipes:
        assert mouth is not None
        claims += json.loads(mouth.readline())
    seconds = time.perf_counter() - began
    for slot in slots:
        slot.communicate()
    return claims, seconds


def _slot(name: str) -> None:
    """One worker's side of the race: claim, and say how long each claim took."""
    database = connect(Settings.read(), connections=1)

    def claim() -> float:
        began = time.perf_counter()
        with database.begin() as session:
            assert lease.claim(session, name, "cpu", 30.0, NO_LIMIT) is not None
        return time.perf_counter() - began

    for _ in range(WARM_UP):
        claim()
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps([claim() for _ in range(CLAIMS_PER_SLOT)]), flush=True)
    database.close()


def _commits(database: Database) -> list[float]:
    commits = []
    for _ in range(CLAIMS_PER_SLOT):
        began = time.perf_counter()
        with database.begin() as session:
            session.execute(text("INSERT INTO bench VALUES (1)"))
        commits.append(time.perf_counter() - began)
    return commits


if __name__ == "__main__":
    if sys.argv[1:2] == [SLOT]:
        _slot(sys.argv[2])
    else:
        print(markdown(measure(*map(int, sys.argv[1:]))))
