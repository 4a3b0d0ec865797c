"""How fast slots are given jobs when the tables are large: 100,000 waiting, 1,000,000 finished.

``python -m bench.claims [WAITING FINISHED]`` fills a database of its own, lets a few slots claim
side by side, and times each claim; then bare inserts are committed for comparison.
"""

from __future__ import annotations

import sys
import tempfile
import threading
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
SLOTS, CLAIMS_PER_SLOT = 4, 500
NO_LIMIT = 10**9
FILL_SECONDS = 600.0

FILL = """
INSERT INTO job (id, owner_id, kind, given, params, inputs, resource, state, seq)
SELECT (lpad(to_hex({base} + i), 32, '0'))::uuid,
       (lpad(to_hex(1 + i % {owners}), 32, '0'))::uuid,
       'style_transfer', '{{}}', '{{"size": 512}}', '{{}}', 'cpu', '{state}', 1
FROM generate_series(1, {many}) AS i
"""


def measure(waiting: int = WAITING, finished: int = FINISHED) -> list[Row]:
    """Claims per second of all slots together, and the 99th percentile of one."""
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        Path(folder).chmod(0o711)
        settings = Settings.read({"ATELIER_DATA": str(Path(folder, "var"))})
        with Stack(settings, services=("postgres", "migrate")) as stack:
            database = connect(stack.settings, connections=SLOTS, patience=FILL_SECONDS)
            _fill(database, waiting, finished)
            claims, commits, seconds = _race(database)
            database.close()
    what = f"{waiting:,} waiting and {finished:,} finished jobs, {SLOTS} slots"
    rate = len(claims) / seconds
    return [
        Row(f"claims with {what}", rate, "1/s", ">= 300"),
        Row("a claim, median", 1000 * median(claims), "ms"),
        Row("a claim, p99", 1000 * quantiles(claims, n=100)[98], "ms", "<= 30"),
        Row("a bare insert and commit after them, median", 1000 * median(commits), "ms"),
        Row("a claim / a bare commit", median(claims) / median(commits), "ratio"),
    ]


def _fill(database: Database, waiting: int, finished: int) -> None:
    with database.begin() as session:
        owner = "(lpad(to_hex(i), 32, '0'))::uuid"
        many = f"FROM generate_series(1, {OWNERS}) AS i"
        session.execute(text(f"INSERT INTO owner (id, name) SELECT {owner}, i::text {many}"))
        for base, state, count in ((0, "succeeded", finished), (finished, "queued", waiting)):
            filled = FILL.format(base=base, owners=OWNERS, state=state, many=count)
            session.execute(text(filled))
        share = f"INSERT INTO owner_share (owner_id, resource, waiting) SELECT {owner}, 'cpu', "
        session.execute(text(f"{share} {waiting // OWNERS} {many}"))
        session.execute(text("CREATE TABLE bench (x integer)"))
    with database.engine.connect() as server:
        own = server.execution_options(isolation_level="AUTOCOMMIT")
        own.execute(text("VACUUM ANALYZE"))


def _race(database: Database) -> tuple[list[float], list[float], float]:
    claims: list[float] = []
    commits: list[float] = []

    def slot(name: str) -> None:
        for _ in range(CLAIMS_PER_SLOT):
            began = time.perf_counter()
            with database.begin() as session:
                assert lease.claim(session, name, "cpu", 30.0, NO_LIMIT) is not None
            claimed = time.perf_counter()
            claims.append(claimed - began)

    def bare() -> None:
        began = time.perf_counter()
        with database.begin() as session:
            session.execute(text("INSERT INTO bench VALUES (1)"))
        commits.append(time.perf_counter() - began)

    threads = [threading.Thread(target=slot, args=(f"cpu:{n}@bench",)) for n in range(SLOTS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    for _ in range(CLAIMS_PER_SLOT):
        bare()
    return claims, commits, seconds


if __name__ == "__main__":
    print(markdown(measure(*map(int, sys.argv[1:]))))
