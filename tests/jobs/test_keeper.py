"""The keeper: what lost its worker goes on, what nobody needs goes away, nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import func, select, text, update

from jobs import lease, service
from jobs.database import Database
from jobs.keeper import Keeper, Trust
from jobs.models import Blob, Job
from jobs.states import State
from jobs.storage import Storage
from tests.commissions import Studio, tiny

LEASE = 10.0
START = datetime(2026, 1, 1, tzinfo=UTC)


def running(person: Studio, lease_seconds: float) -> UUID:
    """A job that a worker holds."""
    picture = person.ids[Path("photo")]
    job_id = person.submit(tiny(picture, picture, 1))
    with person.database.begin() as session:
        assert lease.claim(session, "cpu:0@test", "cpu", lease_seconds, 100) is not None
    return job_id


def test_only_jobs_whose_lease_ran_out_are_rescued(
    workshop: Database, ada: Studio, shelf: Storage
) -> None:
    """The lost one waits again and its resource is woken; the other runs on."""
    lost, alive = running(ada, -1.0), running(ada, 60.0)
    woken: list[str] = []
    Keeper(workshop, shelf, woken.append, LEASE).rescue()
    assert ada.job(lost).state == State.QUEUED
    assert ada.job(lost).reason == "worker_lost"
    assert ada.job(alive).state == State.RUNNING
    assert woken == ["cpu"]


def test_a_lost_job_whose_owner_wanted_it_canceled_or_paused_gets_what_was_wanted(
    workshop: Database, ada: Studio, shelf: Storage
) -> None:
    """It does not run once more."""
    canceled, paused = running(ada, 60.0), running(ada, 60.0)
    ada.ask(service.cancel, canceled)
    ada.ask(service.pause, paused)
    with workshop.begin() as session:
        session.execute(update(Job).values(lease_until=func.clock_timestamp()))
    Keeper(workshop, shelf, lambda _: None, LEASE).rescue()
    assert ada.job(canceled).state == State.CANCELED
    assert ada.job(paused).state == State.PAUSED


def test_a_keeper_that_just_woke_waits_one_lease_before_it_rescues() -> None:
    """Its own pause looks to it like everybody's silence."""
    trust = Trust(LEASE)
    trust.observe(1000.0, START)
    assert not trust.holds(1000.0)
    for second in range(1, 11):
        trust.observe(1000.0 + second, START)
    assert trust.holds(1010.0)
    trust.observe(1010.0 + LEASE, START)
    assert not trust.holds(1010.0 + LEASE)


def test_a_restart_of_the_database_makes_the_keeper_wait_one_lease() -> None:
    """Nobody could beat while it was away."""
    trust = Trust(LEASE)
    for second in range(30):
        trust.observe(1000.0 + second, START)
    assert trust.holds(1029.0)
    trust.observe(1030.0, START + timedelta(hours=1))
    assert not trust.holds(1030.0)


def test_the_sweep_removes_only_old_bytes_that_nothing_refers_to(
    workshop: Database, ada: Studio, shelf: Storage, tmp_path: Path
) -> None:
    """What a file row names stays; what was just put stays; the forgotten goes."""

    def put(content: bytes) -> str:
        source = tmp_path / "source"
        source.write_bytes(content)
        return shelf.put(workshop, source).sha256

    old, fresh = put(b"old"), put(b"fresh")
    with workshop.begin() as session:
        aged = Blob.touched_at - text("interval '2 hours'")
        session.execute(update(Blob).where(Blob.sha256 != fresh).values(touched_at=aged))
    Keeper(workshop, shelf, lambda _: None, LEASE).sweep()
    assert not shelf.holds(old)
    assert shelf.holds(fresh)
    with workshop.begin() as session:
        left = set(session.execute(select(Blob.sha256)).scalars())
    assert fresh in left
    assert old not in left
    assert len(left) == 2  # ada's picture is referred to by her file
