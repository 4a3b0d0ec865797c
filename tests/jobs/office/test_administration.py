"""What administrators do: it takes effect, it is written down, and asked twice it is done once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from jobs import closures, lease, listing, service, slots
from jobs.database import Database
from jobs.models import AuditRow, Job, Slot
from jobs.moves import PreventedError, lock_job
from jobs.office import administration, review
from jobs.office.verify import Verifier
from jobs.records import audit, causes
from jobs.refusals import RefusedError
from jobs.states import Reason, State
from jobs.storage import Storage
from jobs.stored import deletion
from tests.commissions import Studio, tiny
from tests.jobs.stored.test_deletion import await_waiting

SLOT = "cpu:0@test"


@pytest.fixture
def do(workshop: Database, ben: Studio) -> Callable[..., Any]:
    """Ben, who administers, does something."""

    def act(act: Callable[..., Any], *given: Any, **named: Any) -> Any:
        with workshop.begin() as session:
            return act(session, ben.owner, *given, **named)

    return act


def log(database: Database) -> list[AuditRow]:
    with database.begin() as session:
        return audit.page(session, audit.Filter(), 100)


def waiting(person: Studio, **frame: Any) -> UUID:
    picture = person.ids[Path("photo")]
    return person.submit(tiny(picture, picture, 1), **frame)


def claimed(database: Database) -> lease.Claim:
    with database.begin() as session:
        found = lease.claim(session, SLOT, "cpu", 60.0, 100)
    assert found is not None
    return found


def failed(person: Studio, reason: Reason = Reason.POISONED) -> UUID:
    job_id = waiting(person)
    hold = claimed(person.database).hold
    assert hold.job_id == job_id
    with person.database.begin() as session:
        lease.stop(session, hold, State.FAILED, reason, 1.0)
        causes.keep(session, hold, "Traceback: no such\0file")
    return job_id


def may_take(database: Database, resource: str = "cpu") -> bool:
    with database.begin() as session:
        return slots.register(
            session, SLOT, machine="test", device="cpu", resource=resource, standby=True
        )


@pytest.fixture
def slot(workshop: Database) -> str:
    assert may_take(workshop)
    return SLOT


def test_a_slot_in_quarantine_takes_nothing_until_it_is_let(
    workshop: Database, slot: str, do: Callable[..., Any], ben: Studio
) -> None:
    do(administration.quarantine, slot, " coil whine ")
    do(administration.quarantine, slot, "coil whine")
    assert not may_take(workshop)
    do(administration.undrain, slot, "fan replaced")
    do(administration.undrain, slot)
    assert may_take(workshop)
    released, quarantined = log(workshop)
    assert (quarantined.action, quarantined.target) == ("slot.quarantined", slot)
    assert (quarantined.actor_id, quarantined.reason) == (ben.owner, "coil whine")
    assert quarantined.before == {"drained": False, "because": None}
    assert quarantined.after == {"drained": True, "because": "coil whine"}
    assert (released.action, released.reason) == ("slot.undrained", "fan replaced")


def test_a_quarantine_needs_a_reason(slot: str, do: Callable[..., Any]) -> None:
    with pytest.raises(RefusedError) as refused:
        do(administration.quarantine, slot, "  ")
    assert [fault.pointer for fault in refused.value.faults] == ["/reason"]


def test_only_a_slot_that_is_gone_can_be_forgotten(
    workshop: Database, slot: str, do: Callable[..., Any]
) -> None:
    with pytest.raises(RefusedError, match="slot_alive"):
        do(administration.forget, slot)
    assert log(workshop) == []
    with workshop.begin() as session:
        session.execute(update(Slot).values(beat_at=func.now() - timedelta(hours=1)))
    do(administration.forget, slot)
    with workshop.begin() as session:
        assert session.get(Slot, slot) is None
    assert [row.action for row in log(workshop)] == ["slot.forgotten"]


def test_a_paused_queue_lets_nothing_begin_and_the_other_goes_on(
    workshop: Database, slot: str, do: Callable[..., Any], ada: Studio
) -> None:
    waiting(ada)
    do(administration.pause_queue, "cpu", "new driver")
    do(administration.pause_queue, "cpu", "new driver")
    assert not may_take(workshop)
    assert may_take(workshop, "gpu")
    may_take(workshop)
    with workshop.begin() as session:
        session.execute(update(Job).values(queued_at=func.now() - timedelta(hours=1)))
        assert slots.idle_beside_work(session, 1.0, 4) == frozenset(), "it waits rightly"
        session.execute(update(Slot).values(standby=True))
    do(administration.resume_queue, "cpu")
    do(administration.resume_queue, "cpu")
    assert may_take(workshop)
    with workshop.begin() as session:
        assert slots.idle_beside_work(session, 1.0, 4) == {"cpu"}
    assert [row.action for row in log(workshop)] == ["queue.resumed", "queue.paused"]


@pytest.mark.parametrize("what", ["queue", "studio", "slot"])
def test_nothing_begins_once_a_closing_was_answered(
    workshop: Database, slot: str, ada: Studio, ben: Studio, what: str
) -> None:
    """Whoever closes waits for a claim on its way; one that comes meanwhile finds it closed."""
    first, second = waiting(ada), waiting(ada)
    closings: dict[str, Callable[[Session], None]] = {
        "queue": lambda s: administration.pause_queue(s, ben.owner, "cpu", "new driver"),
        "studio": lambda s: administration.begin_maintenance(s, ben.owner, "Back at noon."),
        "slot": lambda s: administration.drain(s, ben.owner, slot),
    }

    def close() -> str:
        with workshop.begin() as session:
            closings[what](session)
        return ada.job(first).state

    with ThreadPoolExecutor(1) as other:
        with workshop.begin() as session:
            early = lease.claim(session, slot, "cpu", 60.0, 100)
            answered = other.submit(close)
            await_waiting(workshop)
        assert early is not None
        assert answered.result() == State.RUNNING
    with workshop.begin() as session:
        closures.reopen(session, "cpu")
        closures.reopen(session, closures.STUDIO)
        slots.undrain(session, slot)
    with ThreadPoolExecutor(1) as other:
        with workshop.begin() as session:
            closings[what](session)
            late = other.submit(claimed, workshop)
            await_waiting(workshop)
        with pytest.raises(PreventedError):
            late.result()
    assert ada.job(second).state == State.QUEUED
    assert list(Verifier(workshop, ada.storage)._of_shares()) == []


def test_an_order_on_its_way_is_taken_before_maintenance_is_answered(
    workshop: Database, ada: Studio, ben: Studio
) -> None:
    """Whoever was told that it began finds no new job after that."""
    picture = ada.ids[Path("photo")]
    order = service.Order("style_transfer", tiny(picture, picture, 1))

    def begun() -> int:
        with workshop.begin() as session:
            administration.begin_maintenance(session, ben.owner, "Back at noon.")
        with workshop.begin() as session:
            return session.execute(select(func.count()).select_from(Job)).scalar_one()

    with ThreadPoolExecutor(1) as other:
        with workshop.begin() as session:
            closures.check_takes_jobs(session)
            answered = other.submit(begun)
            await_waiting(workshop)
            service.submit(session, ada.owner, order, ada.settings)
        assert answered.result() == 1
    with pytest.raises(RefusedError, match="maintenance"):
        waiting(ada)


def test_in_maintenance_nothing_is_taken_and_nothing_begins(
    workshop: Database, slot: str, do: Callable[..., Any], ada: Studio
) -> None:
    before = waiting(ada, idempotency_key="poster")
    running = claimed(workshop)
    do(administration.begin_maintenance, "Back at noon.", 900)
    assert not may_take(workshop)
    assert not may_take(workshop, "gpu")
    with pytest.raises(RefusedError, match="maintenance") as refused:
        waiting(ada)
    assert refused.value.values == {"message": "Back at noon.", "seconds": 900}
    assert waiting(ada, idempotency_key="poster") == before, "it was taken before"
    with workshop.begin() as session:
        lease.finish(session, running.hold, [], 1.0)
    do(administration.end_maintenance)
    assert may_take(workshop)
    waiting(ada)
    assert [row.action for row in log(workshop)] == ["maintenance.ended", "maintenance.begun"]


def test_a_job_that_an_administrator_cancels_says_so(
    workshop: Database, do: Callable[..., Any], ada: Studio, shelf: Storage
) -> None:
    """Also when it runs and its process must go first; also when its worker is lost meanwhile."""
    runs, waits = waiting(ada), waiting(ada)
    hold = claimed(workshop).hold
    assert hold.job_id == runs
    for _ in range(2):
        do(administration.cancel, runs, "floods the studio")
        do(administration.cancel, waits, "floods the studio")
    assert ada.job(runs).state == State.RUNNING
    with workshop.begin() as session:
        lease.stop(session, hold, State.CANCELED, Reason.CANCELED_BY_USER, 1.0)
    for job_id in (runs, waits):
        row = ada.job(job_id)
        assert (row.state, row.reason) == ("canceled", "canceled_by_administrator")
    assert [row.target for row in log(workshop)] == [str(waits), str(runs)]
    ada.ask(service.retry, runs)
    ada.ask(service.cancel, runs)
    assert ada.job(runs).reason == "canceled_by_user"
    assert [found for found in Verifier(workshop, shelf).findings() if found.check != "bytes"] == []


def test_a_job_is_moved_before_all_others(
    workshop: Database, do: Callable[..., Any], ada: Studio, ben: Studio
) -> None:
    first, second = waiting(ada, priority=10), waiting(ada)
    third = waiting(ben)

    def place(job_id: UUID) -> int:
        with workshop.begin() as session:
            found = listing.place(session, review.get(session, job_id))
        assert found is not None
        return found.position

    do(administration.move_to_front, third, "a show tonight")
    do(administration.move_to_front, third)
    do(administration.move_to_front, second)
    assert [place(job_id) for job_id in (second, third, first)] == [1, 2, 3]
    assert claimed(workshop).hold.job_id == second
    do(administration.set_priority, third, 3)
    assert place(first) == 1
    assert [row.action for row in log(workshop)] == ["job.priority", "job.front", "job.front"]
    with pytest.raises(RefusedError):
        do(administration.set_priority, third, 11)


def test_requeueing_means_what_its_preview_showed(
    workshop: Database, ada: Studio, ben: Studio
) -> None:
    poisoned, stalled = failed(ada), failed(ada, Reason.STALLED)
    others = failed(ben)
    wanted = review.Filter(owner=str(ada.owner), reason="poisoned")
    with workshop.begin() as session:
        effect = review.requeueable(session, wanted)
    assert (effect.count, [row.id for row in effect.examples]) == (1, [poisoned])
    done = administration.requeue_many(workshop, ben.owner, wanted, "driver mended")
    assert [row.id for row in done] == [poisoned]
    assert administration.requeue_many(workshop, ben.owner, wanted, "driver mended") == []
    row = ada.job(poisoned)
    assert (row.state, row.reason, row.deaths) == ("queued", "retried_by_administrator", 0)
    assert (ada.job(stalled).state, ben.job(others).state) == ("failed", "failed")
    (written,) = log(workshop)
    assert (written.action, written.target) == ("job.requeued", str(poisoned))
    assert written.before == {"status": "failed", "reason": "poisoned"}


def test_queueing_many_again_goes_on_past_what_is_gone_meanwhile(
    workshop: Database, ada: Studio, ben: Studio
) -> None:
    """One that is deleted in between, and one whose picture was."""
    first, gone, bare, last = failed(ada), failed(ada), failed(ada), failed(ada)
    with workshop.begin() as session:
        session.execute(update(Job).where(Job.id == bare).values(inputs={str(first): "ab" * 32}))
    wanted = review.Filter(owner=str(ada.owner))
    with ThreadPoolExecutor(1) as other:
        with workshop.begin() as session:
            job = lock_job(session, gone)
            done = other.submit(
                administration.requeue_many, workshop, ben.owner, wanted, "driver mended"
            )
            await_waiting(workshop)
            deletion.remove(session, job, ada.owner)
        assert [row.id for row in done.result()] == [first, last]
    assert ada.job(bare).state == State.FAILED


def test_jobs_are_found_by_owner_reason_slot_and_time(
    workshop: Database, ada: Studio, ben: Studio
) -> None:
    old, new = failed(ada), failed(ben, Reason.STALLED)
    runs = waiting(ada)
    claimed(workshop)
    with workshop.begin() as session:
        long_ago = text("now() - interval '2 days'")
        session.execute(update(Job).where(Job.id == old).values(ended_at=long_ago))

    def found(**wanted: Any) -> list[UUID]:
        with workshop.begin() as session:
            return [row.id for row in review.page(session, review.Filter(**wanted), 10).jobs]

    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    assert found() == [runs, new, old]
    assert found(owner=str(ada.owner)) == [runs, old]
    assert found(owner="nobody") == []
    assert found(reason="stalled") == [new]
    assert found(slot=SLOT) == [runs]
    assert found(since=hour_ago) == [runs, new]
    assert found(until=hour_ago) == [old]
    assert found(jobs=listing.Filter(status=("failed",)), owner=str(ben.owner)) == [new]


def test_a_job_in_full_tells_its_attempts_and_why_they_broke(
    workshop: Database, do: Callable[..., Any], ada: Studio
) -> None:
    job_id = failed(ada)
    do(administration.requeue, job_id, "again")
    hold = claimed(workshop).hold
    with workshop.begin() as session:
        seen = review.whole(session, job_id)
    first, second = seen.attempts
    assert (first.number, first.slot) == (1, SLOT)
    assert (first.outcome, first.reason) == ("failed", "poisoned")
    assert first.ended_at is not None
    assert (second.number, second.fence, second.outcome) == (2, hold.fence, None)
    assert [cause.words for cause in seen.causes] == [
        "Traceback: no such\N{REPLACEMENT CHARACTER}file"
    ]
    assert (seen.owner, [event.seq for event in seen.events]) == (str(ada.owner), [1, 2, 3, 4, 5])


def test_what_is_refused_is_not_written_down(workshop: Database, ada: Studio) -> None:
    def refused(act: Callable[[Session], object]) -> str:
        with pytest.raises(RefusedError) as told, workshop.begin() as session:
            act(session)
        return told.value.code

    nobody = ada.owner
    assert refused(lambda s: administration.drain(s, nobody, "gpu:9@x")) == "unknown_slot"
    assert refused(lambda s: administration.pause_queue(s, nobody, "tpu")) == "unknown_queue"
    assert refused(lambda s: administration.cancel(s, nobody, nobody, "why")) == "unknown_job"
    assert refused(lambda s: administration.begin_maintenance(s, nobody, "")) == "invalid"
    long = "x" * (administration.REASON_LENGTH + 1)
    assert refused(lambda s: administration.pause_queue(s, nobody, "cpu", long)) == "invalid"
    with workshop.begin() as session:
        assert session.execute(select(func.count()).select_from(AuditRow)).scalar_one() == 0
        assert closures.current(session) == {}
