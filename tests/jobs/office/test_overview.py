"""Is anything wrong? Each thing that can be is told, with what mends it, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, update

from jobs import closures, figures, lease, slots
from jobs.database import Database
from jobs.keeper import Keeper
from jobs.lease import SavedState
from jobs.models import Chore, DiskSample, Job, Slot
from jobs.office import alarms, overview
from jobs.office.alarms import HINTS, WORDS, Services
from jobs.states import Reason, State
from jobs.storage import Storage
from tests.commissions import Studio, tiny
from tests.jobs.conftest import SHA256

WELL = Services(database_seconds=0.001, redis_seconds=0.001, storage_answers=True)
GB = 10**9


def needs(
    database: Database, services: Services = WELL, least_free: int = 0
) -> list[tuple[str, str, str]]:
    """Codes, remedies and subjects of what needs a hand."""
    with database.begin() as session:
        seen = overview.look(session, running_limit=4)
    return [(a.code, a.remedy, a.subject) for a in alarms.alarms(seen, services, least_free)]


@pytest.fixture
def well(workshop: Database, shelf: Storage, ada: Studio) -> Database:
    """A studio in which nothing is wrong: a keeper, and a slot that waits for work."""
    with workshop.begin() as session:
        figures.note_chore(session, figures.KEEPER)
        slots.register(
            session,
            "cpu:0@m",
            machine="m",
            resource="cpu",
            device="cpu",
            standby=True,
            vitals={"load": 0.5},
        )
    assert needs(workshop) == []
    return workshop


def waiting(person: Studio, since: timedelta = timedelta()) -> None:
    picture = person.ids[Path("photo")]
    job_id = person.submit(tiny(picture, picture, 1))
    with person.database.begin() as session:
        values = {"queued_at": func.now() - since}
        session.execute(update(Job).where(Job.id == job_id).values(**values))


def test_a_slot_tells_what_runs_in_it_and_what_was_measured(well: Database, ada: Studio) -> None:
    waiting(ada)
    with well.begin() as session:
        assert lease.claim(session, "cpu:0@m", "cpu", 60.0, 4) is not None
        seen = overview.look(session, 4)
    (slot,) = seen.slots
    assert slot.job is not None
    assert (slot.owner, slot.silent, slot.slot.vitals) == (str(ada.owner), False, {"load": 0.5})
    cpu, gpu = seen.queues
    assert (cpu.waiting, cpu.running, cpu.slots, cpu.oldest_seconds) == (0, 1, 1, None)
    assert (gpu.waiting, gpu.running, gpu.slots) == (0, 0, 0)


def test_services_that_are_away_are_told(well: Database) -> None:
    away = Services(database_seconds=2.0, redis_seconds=None, storage_answers=False)
    assert {code for code, *_ in needs(well, away)} == {
        "database_slow",
        "redis_away",
        "storage_away",
    }


def test_a_keeper_that_does_nothing_is_told(well: Database) -> None:
    with well.begin() as session:
        session.execute(update(Chore).values(at=func.now() - timedelta(minutes=1)))
    assert [code for code, *_ in needs(well)] == ["keeper_away"]
    with well.begin() as session:
        session.query(Chore).delete()
    assert [code for code, *_ in needs(well)] == ["keeper_unknown"]


def test_a_silent_slot_and_one_in_quarantine_come_with_what_mends_them(well: Database) -> None:
    with well.begin() as session:
        slots.quarantine(session, "cpu:0@m", "CUDA error")
    assert needs(well) == [("slot_quarantined", "undrain", "cpu:0@m")]
    with well.begin() as session:
        session.execute(update(Slot).values(beat_at=func.now() - timedelta(minutes=2)))
    assert needs(well) == [("slot_silent", "forget", "cpu:0@m")]


def test_a_drained_slot_is_meant_and_no_alarm(well: Database) -> None:
    with well.begin() as session:
        slots.drain(session, "cpu:0@m")
    assert needs(well) == []


def test_what_is_closed_is_told(well: Database) -> None:
    with well.begin() as session:
        closures.close(session, "cpu", "driver")
        closures.close(session, "studio", "noon")
    assert needs(well) == [
        ("maintenance", "end_maintenance", "studio"),
        ("queue_paused", "resume_queue", "cpu"),
    ]


def test_a_job_that_waits_beside_an_idle_slot_is_told_after_a_while(
    well: Database, ada: Studio
) -> None:
    waiting(ada, timedelta(seconds=5))
    assert needs(well) == []
    waiting(ada, timedelta(minutes=5))
    assert needs(well) == [("queue_stuck", "wake", "cpu")]


def test_a_queue_that_nobody_serves_is_told(well: Database, ada: Studio) -> None:
    with well.begin() as session:
        slots.drain(session, "cpu:0@m")
    waiting(ada)
    assert needs(well) == [("queue_unserved", "", "cpu")]


def test_failures_of_the_last_hour_and_poison_are_told(well: Database, ada: Studio) -> None:
    waiting(ada)
    with well.begin() as session:
        found = lease.claim(session, "cpu:0@m", "cpu", 60.0, 4)
        assert found is not None
        lease.stop(session, found.hold, State.FAILED, Reason.POISONED, 1.0)
    assert needs(well) == [("poisoned", "review_poisoned", ""), ("failures", "review_failures", "")]
    with well.begin() as session:
        session.execute(update(Job).values(ended_at=func.now() - timedelta(hours=2)))
    assert needs(well) == [("poisoned", "review_poisoned", "")]


def test_a_job_that_loses_its_workers_again_and_again_is_told(well: Database, ada: Studio) -> None:
    """It is never given up, as machines die without a job's doing; somebody has to look."""
    waiting(ada)
    for _ in range(overview.LOSSES):
        assert needs(well) == []
        with well.begin() as session:
            found = lease.claim(session, "cpu:0@m", "cpu", 60.0, 4)
            assert found is not None
            lease.stop(session, found.hold, State.QUEUED, Reason.WORKER_LOST, 1.0)
    with well.begin() as session:
        found = lease.claim(session, "cpu:0@m", "cpu", 60.0, 4)
    assert found is not None
    assert needs(well) == [("losing", "", "")]
    with well.begin() as session:
        lease.commit_checkpoint(session, found.hold, SavedState(SHA256, 1, 1, 1))
    assert needs(well) == []


def disk(database: Database, *free: float, apart: timedelta = timedelta(hours=1)) -> overview.Disk:
    """The disk after samples of so many free GB of 100, the last one now."""
    now = datetime.now(UTC)
    with database.begin() as session:
        session.query(DiskSample).delete()
        for back, each in enumerate(reversed(free)):
            sample = DiskSample(
                at=now - back * apart, free_bytes=int(each * GB), total_bytes=100 * GB
            )
            session.add(sample)
        session.flush()
        seen = overview.disk(session)
    assert seen is not None
    return seen


def test_the_day_on_which_the_disk_will_be_full_follows_from_its_samples(well: Database) -> None:
    """One GB less every hour, ten left: in ten hours."""
    seen = disk(well, 16, 15, 14, 13, 12, 11, 10)
    assert seen.known
    assert seen.full_at is not None
    assert abs((seen.full_at - seen.at) - timedelta(hours=10)) < timedelta(seconds=1)
    assert needs(well) == [("disk_full_soon", "", "")]
    assert needs(well, least_free=6 * GB) == [("disk_full", "", "")]


def test_a_disk_that_is_hardly_known_or_does_not_fill_has_no_such_day(well: Database) -> None:
    hardly = disk(well, 12, 11, 10)
    assert (hardly.known, hardly.full_at) == (False, None)
    at_once = disk(well, 17, 16, 15, 14, 13, 12, 11, 10, apart=timedelta(minutes=1))
    assert (at_once.known, at_once.full_at) == (False, None)
    emptier = disk(well, 50, 51, 52, 53, 54, 55, 56)
    assert (emptier.known, emptier.full_at) == (True, None)
    slowly = disk(well, *(50 - each / 1000 for each in range(7)))
    assert (slowly.known, slowly.full_at) == (True, None)
    assert needs(well) == []


def test_the_keeper_measures_the_disk_and_says_that_it_leads(
    workshop: Database, shelf: Storage, ada: Studio
) -> None:
    with workshop.begin() as session:
        assert overview.look(session, 4).keeper_silence is None
        assert overview.disk(session) is None
    Keeper(workshop, shelf, lambda _: None, ada.settings).turn(100.0)
    with workshop.begin() as session:
        seen = overview.look(session, 4)
    assert seen.keeper_silence is not None
    assert seen.keeper_silence < 60
    assert seen.disk is not None
    assert 0 < seen.disk.free_bytes < seen.disk.total_bytes


def test_every_alarm_has_words_and_a_way_out() -> None:
    mended_by_a_button = {"maintenance", "queue_paused", "queue_stuck", "slot_quarantined"}
    looked_at = {"poisoned", "failures"}
    assert set(HINTS) | mended_by_a_button | looked_at == set(WORDS)
    assert all(words.endswith((".", ")s")) for words in WORDS.values())
