"""500 forced races of an expired lease: the old holder and the rescue at the same instant."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from jobs import lease, rescue
from jobs.database import Database
from jobs.lease import Claim, Hold, SavedState, Work
from jobs.models import Job
from jobs.moves import FenceLostError
from jobs.states import Reason, State
from jobs.storage import Stored
from jobs.stored import files
from tests.commissions import Studio, tiny
from tests.jobs.conftest import SHA256

RACES = 500
SAVED = SavedState(SHA256, 7, 1, 1)
WORK = Work("result", "stylized.png", "image/png", Stored(SHA256, 1), 64, 64)

# What a worker that lost its lease still tries, each in a transaction of its own.
LATE: dict[str, Callable[[Any, Hold], object]] = {
    "beat": lambda session, hold: lease.beat(session, hold, 60.0),
    "progress": lambda session, hold: lease.report_progress(session, hold, {"step": 8}),
    "checkpoint": lambda session, hold: lease.commit_checkpoint(session, hold, SAVED),
    "finish": lambda session, hold: lease.finish(session, hold, [WORK], 1.0),
    "stop": lambda session, hold: lease.stop(session, hold, State.PAUSED, Reason.DISK_FULL, 1.0),
}


@pytest.fixture
def pair() -> Any:
    """Two threads that set off together."""
    with ThreadPoolExecutor(2) as threads:
        yield threads


def test_of_an_old_holder_and_its_successor_exactly_one_is_heard(
    workshop: Database, ada: Studio, pair: ThreadPoolExecutor
) -> None:
    """What was accepted was in time and is never undone; what came late changed nothing."""
    heard = {True: 0, False: 0}
    draws = random.Random(500)
    picture = ada.ids[Path("photo")]
    for number in range(RACES):
        name = list(LATE)[number % len(LATE)]
        job_id = ada.submit(tiny(picture, picture, 1))
        old = claimed(workshop, -1.0)
        assert old is not None
        head_start = draws.choice((0, 1))
        accepted, successor = race(workshop, pair, old, name, head_start)
        heard[accepted] += 1
        judge(workshop, ada, job_id, name, accepted, successor)
        late = [told(workshop, LATE[again], old.hold) for again in LATE]
        assert successor is None or not any(late)
        settle(workshop, job_id)
    # Neither side always wins, or nothing was raced.
    assert min(heard.values()) > RACES / 20, heard


def race(
    database: Database, pair: ThreadPoolExecutor, old: Claim, name: str, first: int
) -> tuple[bool, Claim | None]:
    """Whether the old holder was heard, and the claim of a successor, if there was one."""
    start = threading.Barrier(2)

    def rescued() -> Claim | None:
        start.wait()
        with database.begin() as session:
            if rescue.rescue_expired(session, old.hold.job_id) is None:
                return None
        return claimed(database, 60.0)

    def spoke() -> bool:
        start.wait()
        return told(database, LATE[name], old.hold)

    both = [spoke, rescued] if first == 0 else [rescued, spoke]
    done: list[Any] = [future.result() for future in [pair.submit(act) for act in both]]
    return (done[0], done[1]) if first == 0 else (done[1], done[0])


def judge(
    database: Database,
    person: Studio,
    job_id: UUID,
    name: str,
    accepted: bool,
    successor: Claim | None,
) -> None:
    """One of the two, and the rows say which."""
    row = person.job(job_id)
    with database.begin() as session:
        works = files.outputs_of(session, job_id)
    if name in ("beat", "finish", "stop"):
        assert accepted == (successor is None), (name, accepted)
    if successor is None:
        assert accepted
    else:
        assert (row.state, row.fence) == (State.RUNNING, successor.hold.fence)
        assert works == []
    if name == "checkpoint" and successor is not None:
        kept = [saved.sha256 for saved in successor.checkpoints]
        assert kept == ([SAVED.sha256] if accepted else [])
    if name == "finish" and accepted:
        assert row.state == State.SUCCEEDED
        assert [work.sha256 for work in works] == [WORK.stored.sha256]


def claimed(database: Database, seconds: float) -> Claim | None:
    """What a slot is given."""
    with database.begin() as session:
        return lease.claim(session, "cpu:0@test", "cpu", seconds, 10_000)


def told(database: Database, act: Callable[[Any, Hold], object], hold: Hold) -> bool:
    """Whether it was accepted."""
    try:
        with database.begin() as session:
            act(session, hold)
    except FenceLostError:
        return False
    return True


def settle(database: Database, job_id: UUID) -> None:
    """Out of the way of the next race."""
    with database.begin() as session:
        row = session.execute(select(Job).where(Job.id == job_id)).scalar_one()
        if row.state == State.RUNNING:
            hold = Hold(row.id, row.fence)
            lease.stop(session, hold, State.CANCELED, Reason.CANCELED_BY_USER, 0.0)
        elif row.state == State.QUEUED:
            raise AssertionError("it waits, though somebody was heard")
