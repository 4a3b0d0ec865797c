"""A worker that is started where another died puts its job back at once."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import UUID

from jobs import lease, rescue, service
from jobs.database import Database
from jobs.states import State
from tests.commissions import Studio, tiny
from worker.scratch import lock_slot


def held(person: Studio, slot: str) -> UUID:
    """A job that runs in ``slot`` under a lease that is far from its end."""
    picture = person.ids[Path("photo")]
    person.submit(tiny(picture, picture, 1))
    with person.database.begin() as session:
        claim = lease.claim(session, slot, "cpu", 600.0, 100)
    assert claim is not None
    return claim.hold.job_id


def test_only_what_ran_in_the_same_slot_is_put_back(workshop: Database, ada: Studio) -> None:
    mine, other = held(ada, "cpu:0@here"), held(ada, "cpu:0@there")
    with workshop.begin() as session:
        (job,) = rescue.rescue_predecessor(session, "cpu:0@here")
    assert job.id == mine
    assert (ada.job(mine).state, ada.job(mine).reason) == (State.QUEUED, "worker_lost")
    assert ada.job(other).state == State.RUNNING


def test_what_its_owner_wanted_canceled_does_not_run_again(workshop: Database, ada: Studio) -> None:
    job_id = held(ada, "cpu:0@here")
    ada.ask(service.cancel, job_id)
    with workshop.begin() as session:
        rescue.rescue_predecessor(session, "cpu:0@here")
    assert ada.job(job_id).state == State.CANCELED


def test_a_slot_has_one_worker_at_a_time_on_a_machine(tmp_path: Path) -> None:
    stopping = threading.Event()
    first = lock_slot(tmp_path, "cpu:0@here", stopping)
    assert first is not None
    got: list[object] = []
    second = threading.Thread(
        target=lambda: got.append(lock_slot(tmp_path, "cpu:0@here", stopping))
    )
    second.start()
    stopping.set()
    second.join()
    assert got == [None]
    first.close()
    stopping.clear()
    third = lock_slot(tmp_path, "cpu:0@here", stopping)
    assert third is not None
    third.close()
