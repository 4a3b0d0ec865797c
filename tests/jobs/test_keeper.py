"""The keeper: what lost its worker goes on, what nobody needs goes away, nothing else."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from jobs import figures, lease, service, slots
from jobs.database import Database, DatabaseDownError, connect
from jobs.keeper import Keeper, _leads, lead
from jobs.models import Blob, Chore, Event, Job, Slot
from jobs.moves import lock_share, move
from jobs.settings import Settings
from jobs.states import Reason, State
from jobs.storage import Storage
from jobs.trust import Trust
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
    Keeper(workshop, shelf, woken.append, ada.settings).rescue()
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
    Keeper(workshop, shelf, lambda _: None, ada.settings).rescue()
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


def test_what_is_lost_during_a_long_sweep_is_rescued_during_it(
    workshop: Database, ada: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither does it wait for the end of the sweep, nor does the sweep look like a pause."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("jobs.keeper.time", SimpleNamespace(monotonic=lambda: clock.now))
    lost: list[UUID] = []
    woken: list[int] = []

    class Slow(Storage):
        """Takes a third of a lease to remove a file; a worker dies with the first."""

        removed = 0

        def remove(self, sha256: str) -> None:
            clock.now += LEASE / 3
            self.removed += 1
            if not lost:
                lost.append(running(ada, -1.0))
            super().remove(sha256)

    slow = Slow(str(tmp_path / "files"))
    settings = ada.settings.changed(lease=LEASE)
    keeper = Keeper(workshop, slow, lambda _: woken.append(slow.removed), settings)
    for _ in range(12):
        keeper.turn(clock.now)
        clock.now += 1.0
    for content in (b"one", b"two", b"three", b"four"):
        (tmp_path / "source").write_bytes(content)
        sha256 = slow.put(workshop, tmp_path / "source").sha256
        with workshop.begin() as session:
            aged = Blob.touched_at - text("interval '2 hours'")
            session.execute(update(Blob).where(Blob.sha256 == sha256).values(touched_at=aged))
    keeper.sweep()
    assert slow.removed == 4
    assert (ada.job(lost[0]).state, woken) == (State.QUEUED, [1])
    lost.append(running(ada, -1.0))
    keeper.turn(clock.now)
    assert ada.job(lost[1]).state == State.QUEUED, "the sweep was taken for a pause"


def test_a_storage_that_is_away_keeps_nobody_from_being_rescued(
    workshop: Database, ada: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one file that cannot be removed the others from being."""

    class Away(Storage):
        """Says nothing of its room, and has a file that cannot be removed."""

        stuck = ""

        def disk(self) -> tuple[int, int] | None:
            raise OSError("stale file handle")

        def remove(self, sha256: str) -> None:
            if sha256 == self.stuck:
                raise OSError("read-only file system")
            super().remove(sha256)

    away = Away(str(tmp_path / "files"))
    names = []
    for content in (b"one", b"two", b"three"):
        (tmp_path / "source").write_bytes(content)
        names.append(away.put(workshop, tmp_path / "source").sha256)
    with workshop.begin() as session:
        session.execute(update(Blob).values(touched_at=Blob.touched_at - text("interval '1 day'")))
    away.stuck = names[0]
    full = running(ada, 60.0)
    with workshop.begin() as session:
        lease.stop(session, lease.Hold(full, 1), State.PAUSED, Reason.DISK_FULL, 1.0)
    lost = running(ada, -1.0)
    keeper = Keeper(workshop, away, lambda _: None, ada.settings.changed(lease=LEASE))
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("jobs.keeper.time", SimpleNamespace(monotonic=lambda: clock.now))
    for _ in range(12):
        keeper.turn(clock.now)
        clock.now += 1.0
    assert ada.job(lost).state == State.QUEUED
    assert [away.holds(name) for name in names] == [True, False, False]


def test_a_leader_that_the_database_fails_gives_up_the_lead(
    workshop: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody leads, not even itself, until it is started anew."""
    monkeypatch.setattr("jobs.keeper.LEADER_LOCK", 1_000_003)  # not the running studio's

    class Failing(Keeper):
        """Its first turn meets a statement that takes too long."""

        def __init__(self) -> None:
            return None

        def turn(self, now: float) -> None:
            raise DatabaseDownError("canceling statement due to statement timeout")

    with pytest.raises(DatabaseDownError):
        lead(workshop, Failing(), threading.Event())
    other, until = connect(settings), time.monotonic() + 10.0
    with other.engine.connect() as successor:
        while not (leads := _leads(successor)) and time.monotonic() < until:
            pass
        successor.invalidate()
    other.close()
    assert leads


def test_a_leader_rescues_however_short_the_lease_is(
    workshop: Database, ada: Studio, shelf: Storage
) -> None:
    """Its own turns never look like pauses to it."""
    lost = running(ada, -1.0)
    woken = threading.Event()
    shortest = ada.settings.changed(lease=2.0)
    keeper = Keeper(workshop, shelf, lambda _: woken.set(), shortest)
    turns = int(4 * shortest.lease / keeper.rest)
    for _ in range(turns):
        keeper.turn(time.monotonic())
        if woken.wait(keeper.rest):
            break
    assert ada.job(lost).state == State.QUEUED


def test_a_restart_of_the_database_makes_the_keeper_wait_one_lease() -> None:
    """Nobody could beat while it was away."""
    trust = Trust(LEASE)
    for second in range(30):
        trust.observe(1000.0 + second, START)
    assert trust.holds(1029.0)
    trust.observe(1030.0, START + timedelta(hours=1))
    assert not trust.holds(1030.0)


def test_a_clock_of_the_database_that_leaps_ahead_ends_no_lease() -> None:
    """Those that were just renewed look outlived, and none is; a slow answer is no leap."""
    trust = Trust(LEASE)
    for second in range(30):
        trust.observe(1000.0 + second, START)
        trust.compare(1000.0 + second, 499.5, 500.0 + second % 2 * LEASE)
    assert trust.holds(1029.0)
    trust.compare(1030.0, 499.9 + 2 * LEASE, 500.0 + 2 * LEASE)
    assert not trust.holds(1030.0)


def test_rows_of_one_person_that_somebody_holds_keep_nobody_elses_job_from_being_rescued(
    workshop: Database, ada: Studio, ben: Studio, shelf: Storage
) -> None:
    """As a session does that an administrator left open."""
    stuck, other = running(ada, -2.0), running(ben, -1.0)
    keeper = Keeper(workshop, shelf, lambda _: None, ada.settings.changed(lease=2.0))
    with workshop.begin() as session:
        lock_share(session, ada.owner, "cpu")
        keeper.rescue()
    assert ben.job(other).state == State.QUEUED
    keeper.rescue()
    assert ada.job(stuck).state == State.QUEUED


def test_a_job_that_breaks_a_chore_keeps_no_other_from_it(
    workshop: Database, ada: Studio, shelf: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = ada.ids[Path("photo")]
    late = [ada.submit(tiny(picture, picture, 1), deadline_at=in_a_minute()) for _ in range(3)]
    with workshop.begin() as session:
        past = func.clock_timestamp() - text("interval '1 second'")
        session.execute(update(Job).values(deadline_at=past))
        order = list(session.scalars(select(Job.id)))

    def odd(session: Session, job: Job, target: State, **how: Any) -> Job:
        if job.id == order[0]:
            raise IntegrityError("of another version", None, ValueError())
        return move(session, job, target, **how)

    monkeypatch.setattr("jobs.keeper.move", odd)
    Keeper(workshop, shelf, lambda _: None, ada.settings).turn(time.monotonic())
    assert {ada.job(id_).state for id_ in late if id_ != order[0]} == {State.FAILED}
    with workshop.begin() as session:
        assert session.get(Chore, figures.KEEPER), "the turn did not come to its end"


def test_a_job_that_finds_no_room_beside_much_of_it_does_not_try_all_the_time(
    workshop: Database, ada: Studio, shelf: Storage
) -> None:
    """A share of the disk may be full, or what it writes larger than all that is free."""
    job_id = running(ada, 60.0)
    keeper = Keeper(workshop, shelf, lambda _: None, ada.settings)

    def full_again() -> str:
        hold = lease.Hold(job_id, ada.job(job_id).fence)
        with workshop.begin() as session:
            lease.stop(session, hold, State.PAUSED, Reason.DISK_FULL, 1.0)
        keeper.resume_where_room()
        return ada.job(job_id).state

    assert full_again() == State.QUEUED
    with workshop.begin() as session:
        assert lease.claim(session, "cpu:0@test", "cpu", 60.0, 100) is not None
    assert full_again() == State.PAUSED
    with workshop.begin() as session:
        session.execute(update(Event).values(at=Event.at - text("interval '2 minutes'")))
    keeper.resume_where_room()
    assert ada.job(job_id).state == State.QUEUED


def test_a_sweep_holds_nothing_but_what_it_removes_just_now(
    workshop: Database, ada: Studio, tmp_path: Path
) -> None:
    """What somebody stores anew meanwhile stays, however long the others take."""

    class Meanwhile(Storage):
        """While the first file is removed the others are stored again."""

        wanted: dict[str, Path]

        def remove(self, sha256: str) -> None:
            super().remove(sha256)
            for name, source in list(self.wanted.items()):
                if name != sha256:
                    del self.wanted[name]
                    self.put(workshop, source)
            self.wanted.clear()

    shelf = Meanwhile(str(tmp_path / "files"))
    shelf.wanted = {}
    for content in (b"one", b"two", b"three"):
        source = tmp_path / content.decode()
        source.write_bytes(content)
        shelf.wanted[shelf.put(workshop, source).sha256] = source
    names = list(shelf.wanted)
    with workshop.begin() as session:
        aged = Blob.touched_at - text("interval '2 hours'")
        session.execute(update(Blob).values(touched_at=aged))
    Keeper(workshop, shelf, lambda _: None, ada.settings).sweep()
    assert sum(map(shelf.holds, names)) == 2


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
    Keeper(workshop, shelf, lambda _: None, ada.settings).sweep()
    assert not shelf.holds(old)
    assert shelf.holds(fresh)
    with workshop.begin() as session:
        left = set(session.execute(select(Blob.sha256)).scalars())
    assert fresh in left
    assert old not in left
    assert len(left) == 2  # ada's picture is referred to by her file


def test_a_job_that_still_waits_at_its_deadline_fails_and_says_so(
    workshop: Database, ada: Studio, shelf: Storage
) -> None:
    """One without a deadline, or with a later one, waits on."""
    picture = ada.ids[Path("photo")]
    late = ada.submit(tiny(picture, picture, 1), deadline_at=in_a_minute())
    patient = ada.submit(tiny(picture, picture, 1), deadline_at=in_a_minute())
    with workshop.begin() as session:
        past = func.clock_timestamp() - text("interval '1 second'")
        session.execute(update(Job).where(Job.id == late).values(deadline_at=past))
    Keeper(workshop, shelf, lambda _: None, ada.settings).end_overdue()
    assert (ada.job(late).state, ada.job(late).reason) == (State.FAILED, "timed_out")
    assert ada.job(patient).state == State.QUEUED


def test_a_retry_after_the_deadline_has_none(workshop: Database, ada: Studio) -> None:
    """Else it would fail again at once."""
    picture = ada.ids[Path("photo")]
    job_id = ada.submit(tiny(picture, picture, 1), deadline_at=in_a_minute())
    ada.ask(service.cancel, job_id)
    with workshop.begin() as session:
        session.execute(update(Job).values(deadline_at=func.now() - text("interval '1 second'")))
    assert ada.ask(service.retry, job_id).deadline_at is None


def test_what_a_full_disk_paused_goes_on_once_there_is_room(
    workshop: Database, ada: Studio, shelf: Storage
) -> None:
    """Not before; and what its owner paused stays paused."""
    stopped, rested = running(ada, 60.0), running(ada, 60.0)
    ada.ask(service.pause, rested)
    for job_id, reason in ((stopped, Reason.DISK_FULL), (rested, Reason.PAUSED_BY_USER)):
        with workshop.begin() as session:
            lease.stop(session, lease.Hold(job_id, 1), State.PAUSED, reason, 1.0)
    woken: list[str] = []
    full = ada.settings.changed(free_bytes=2**62)
    Keeper(workshop, shelf, woken.append, full).resume_where_room()
    assert ada.job(stopped).state == State.PAUSED
    roomy = ada.settings.changed(free_bytes=0)
    Keeper(workshop, shelf, woken.append, roomy).resume_where_room()
    assert (ada.job(stopped).state, ada.job(stopped).reason) == (State.QUEUED, "room_again")
    assert ada.job(rested).state == State.PAUSED
    assert woken == ["cpu"]


def test_a_slot_idle_beside_a_waiting_job_is_woken(
    workshop: Database, ada: Studio, shelf: Storage
) -> None:
    """After 15 s; not a drained one, and not for a job that its owner's limit holds back."""
    picture = ada.ids[Path("photo")]
    ada.submit(tiny(picture, picture, 1))
    with workshop.begin() as session:
        assert slots.register(
            session, "cpu:0@test", machine="test", resource="cpu", device="cpu", standby=True
        )
    assert woken_for_idleness(workshop, ada, shelf) == []
    with workshop.begin() as session:
        session.execute(update(Job).values(queued_at=Job.queued_at - text("interval '16 seconds'")))
    assert woken_for_idleness(workshop, ada, shelf) == ["cpu"]
    with workshop.begin() as session:
        slots.drain(session, "cpu:0@test")
    assert woken_for_idleness(workshop, ada, shelf) == []
    with workshop.begin() as session:
        slots.undrain(session, "cpu:0@test")
        session.execute(update(Slot).values(beat_at=Slot.beat_at - text("interval '1 minute'")))
    assert woken_for_idleness(workshop, ada, shelf) == []


def woken_for_idleness(workshop: Database, person: Studio, shelf: Storage) -> list[str]:
    """What a keeper wakes because a slot idles beside work."""
    woken: list[str] = []
    Keeper(workshop, shelf, woken.append, person.settings).notice_idle_slots()
    return woken


def in_a_minute() -> datetime:
    """A deadline that can be given."""
    return datetime.now(UTC) + timedelta(minutes=1)
