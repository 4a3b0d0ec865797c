"""A worker that is started where another died puts its job back at once."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import UUID

import pytest

from jobs import lease, rescue, service
from jobs.database import Database
from jobs.moves import FenceLostError
from jobs.office.verify import Verifier
from jobs.states import State
from tests.commissions import Studio, tiny
from worker.scratch import lock_slot, place_of


def held(person: Studio, slot: str) -> UUID:
    """A job that runs in ``slot`` under a lease that is far from its end."""
    picture = person.ids[Path("photo")]
    person.submit(tiny(picture, picture, 1))
    with person.database.begin() as session:
        claim = lease.claim(session, slot, "cpu", 600.0, 100, place="a lock")
    assert claim is not None
    return claim.hold.job_id


def test_only_what_ran_in_the_same_slot_is_put_back(workshop: Database, ada: Studio) -> None:
    mine, other = held(ada, "cpu:0@here"), held(ada, "cpu:0@there")
    with workshop.begin() as session:
        (job,) = rescue.rescue_predecessor(session, "cpu:0@here", "a lock")
    assert job.id == mine
    assert (ada.job(mine).state, ada.job(mine).reason) == (State.QUEUED, "worker_lost")
    assert ada.job(other).state == State.RUNNING


def test_what_runs_on_another_machine_of_the_same_name_is_left_to_its_lease(
    workshop: Database, ada: Studio
) -> None:
    """By a mistake in the settings: its worker lives, and a second run would begin beside it."""
    job_id = held(ada, "cpu:0@here")
    with workshop.begin() as session:
        assert not rescue.rescue_predecessor(session, "cpu:0@here", "another lock")
    assert ada.job(job_id).state == State.RUNNING


def test_a_worker_that_still_runs_beside_a_restored_studio_is_not_heard(
    workshop: Database, ada: Studio
) -> None:
    """It was given the job after the backup, and the restored studio gives it out once more."""
    picture = ada.ids[Path("photo")]
    job_id = ada.submit(tiny(picture, picture, 1))
    after_backup = lease.Hold(job_id, ada.job(job_id).fence + 1)
    with workshop.begin() as session:
        rescue.rescue_restored(session)
    with workshop.begin() as session:
        successor = lease.claim(session, "cpu:0@here", "cpu", 600.0, 100)
    assert successor is not None
    with pytest.raises(FenceLostError), workshop.begin() as session:
        lease.beat(session, after_backup, 600.0)
    assert list(Verifier(workshop, ada.storage)._of_jobs()) == []


def test_the_time_that_a_lost_worker_had_counts_until_its_lease_ends(
    workshop: Database, ada: Studio
) -> None:
    picture = ada.ids[Path("photo")]
    job_id = ada.submit(tiny(picture, picture, 1))
    with workshop.begin() as session:
        assert lease.claim(session, "cpu:0@here", "cpu", 0.2, 100) is not None
    put_back = None
    while put_back is None:  # its lease is not out yet
        with workshop.begin() as session:
            put_back = rescue.rescue_expired(session, job_id)
    assert 0.1 < ada.job(job_id).run_seconds < 0.3


def test_what_its_owner_wanted_canceled_does_not_run_again(workshop: Database, ada: Studio) -> None:
    job_id = held(ada, "cpu:0@here")
    ada.ask(service.cancel, job_id)
    with workshop.begin() as session:
        rescue.rescue_predecessor(session, "cpu:0@here", "a lock")
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
    named = place_of(third)
    third.close()
    (tmp_path / "other").mkdir()
    fourth = lock_slot(tmp_path, "cpu:0@here", stopping)
    elsewhere = lock_slot(tmp_path / "other", "cpu:0@here", stopping)
    assert fourth is not None
    assert elsewhere is not None
    assert place_of(fourth) == named != place_of(elsewhere)
    fourth.close()
    elsewhere.close()
