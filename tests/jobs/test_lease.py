"""What a worker may say: claims are fair and single, fences are final, leases follow beats."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from jobs import lease, service
from jobs.database import Database
from jobs.ids import new_id
from jobs.lease import Claim, Hold, SavedState, Work
from jobs.models import Checkpoint, Event, Job, OwnerShare
from jobs.moves import FenceLostError
from jobs.states import Reason, State, Wanted
from jobs.storage import Stored
from tests.commissions import Studio, tiny
from tests.jobs.conftest import SHA256

LEASE = 30.0
STORED = Stored(SHA256, 1)
NO_WORDS = {"message": "Up to size = 256 it did."}


def order(person: Studio, **frame: Any) -> UUID:
    """Commission something small."""
    picture = person.ids[Path("photo")]
    return person.submit(tiny(picture, picture, 1), **frame)


def claim(database: Database, limit: int = 4, slot: str = "cpu:0@test") -> Claim | None:
    """Claim for a slot."""
    with database.begin() as session:
        return lease.claim(session, slot, "cpu", LEASE, limit)


def claimed(database: Database) -> Claim:
    """Claim what must be there."""
    found = claim(database)
    assert found is not None
    return found


def shares(database: Database) -> dict[UUID, tuple[int, int]]:
    """Waiting and running as counted, by owner."""
    with database.begin() as session:
        rows = session.execute(select(OwnerShare)).scalars()
        return {row.owner_id: (row.waiting, row.running) for row in rows}


def counted(database: Database) -> dict[UUID, tuple[int, int]]:
    """Waiting and running as the jobs' own rows say."""
    with database.begin() as session:
        rows = session.execute(select(Job.owner_id, Job.state))
        found = Counter((row.owner_id, row.state) for row in rows)
    owners = {owner for owner, _ in found}
    return {o: (found[o, "queued"], found[o, "running"]) for o in owners}


def test_many_slots_at_once_claim_every_job_exactly_once(
    workshop: Database, ada: Studio, ben: Studio
) -> None:
    """Forty jobs, sixteen claiming threads, no job twice, none left."""
    ordered = {order(person) for _ in range(20) for person in (ada, ben)}

    def drain(slot: int) -> list[UUID]:
        got: list[UUID] = []
        while (found := claim(workshop, limit=1000, slot=f"cpu:{slot}@test")) is not None:
            got.append(found.hold.job_id)
        return got

    with ThreadPoolExecutor(16) as slots:
        got = [job_id for drained in slots.map(drain, range(16)) for job_id in drained]
    assert sorted(got) == sorted(ordered)
    assert shares(workshop) == counted(workshop)


def test_an_owner_never_exceeds_the_limit_of_running_jobs(workshop: Database, ada: Studio) -> None:
    """Also when eight slots claim at the same time."""
    for _ in range(12):
        order(ada)
    with ThreadPoolExecutor(8) as slots:
        got = list(slots.map(lambda _: claim(workshop, limit=3), range(8)))
    assert sum(found is not None for found in got) == 3
    assert shares(workshop)[ada.owner] == (9, 3)


def test_who_has_less_running_is_served_before_who_came_first(
    workshop: Database, ada: Studio, ben: Studio
) -> None:
    """A flood of one owner does not starve another's single job."""
    for _ in range(5):
        order(ada)
    claimed(workshop)
    single = order(ben)
    assert claimed(workshop).hold.job_id == single


def test_priority_comes_before_age_among_an_owners_jobs(workshop: Database, ada: Studio) -> None:
    """Then the older goes first."""
    first, second = order(ada), order(ada)
    urgent = order(ada, priority=5)
    assert [claimed(workshop).hold.job_id for _ in range(3)] == [urgent, first, second]


def test_a_beat_moves_the_lease_and_tells_what_is_wanted(workshop: Database, ada: Studio) -> None:
    """The lease is counted by the database clock."""
    job_id = order(ada)
    hold = claimed(workshop).hold
    with workshop.begin() as session:
        session.execute(update(Job).values(lease_until=func.clock_timestamp()))
    ada.ask(service.pause, job_id)
    with workshop.begin() as session:
        assert lease.beat(session, hold, LEASE) is Wanted.PAUSE
        now = session.execute(select(func.clock_timestamp())).scalar_one()
    until = ada.job(job_id).lease_until
    assert until is not None
    assert until - now > timedelta(seconds=LEASE - 5)


@pytest.mark.parametrize("write", ["beat", "look", "progress", "preview", "save", "finish", "stop"])
def test_nothing_is_accepted_from_a_fence_that_was_lost(
    workshop: Database, ada: Studio, write: str
) -> None:
    """The job was claimed again; the late worker's every word is refused and changes nothing."""
    job_id = order(ada)
    old = claimed(workshop).hold
    with workshop.begin() as session:
        lease.stop(session, old, State.QUEUED, Reason.WORKER_STOPPED, 0.0)
    new = claimed(workshop).hold
    assert (new.job_id, new.fence) == (job_id, old.fence + 1)
    before = ada.job(job_id).version, ada.job(job_id).lease_until
    with pytest.raises(FenceLostError), workshop.begin() as session:
        say(session, old, write)
    assert (ada.job(job_id).version, ada.job(job_id).lease_until) == before
    assert ada.outputs(job_id) == []
    with workshop.begin() as session:
        assert session.execute(select(func.count()).select_from(Checkpoint)).scalar_one() == 0


def say(session: Any, hold: Hold, what: str) -> None:
    """One of the things a worker may say."""
    saved = SavedState(SHA256, 3, 1, 1)
    words: dict[str, Callable[[], object]]
    work = Work("result", "a.png", "image/png", STORED, 64, 64)
    words = {
        "beat": lambda: lease.beat(session, hold, LEASE),
        "look": lambda: lease.look(session, hold),
        "progress": lambda: lease.report_progress(session, hold, {"step": 1}),
        "preview": lambda: lease.report_preview(session, hold, STORED),
        "save": lambda: lease.commit_checkpoint(session, hold, saved),
        "finish": lambda: lease.finish(session, hold, [work], 1.0),
        "stop": lambda: lease.stop(session, hold, State.CANCELED, Reason.CANCELED_BY_USER, 1.0),
    }
    words[what]()


def test_a_success_keeps_outputs_in_order_and_forgets_checkpoints(
    workshop: Database, ada: Studio
) -> None:
    """The result comes first; state, outputs and event are one transaction."""
    job_id = order(ada)
    hold = claimed(workshop).hold
    works = [
        Work("result", "a.png", "image/png", STORED, 64, 64),
        Work("report", "b.json", "application/json", STORED),
    ]
    with workshop.begin() as session:
        lease.commit_checkpoint(session, hold, SavedState(SHA256, 3, 1, 1))
        lease.finish(session, hold, works, 2.5)
    job = ada.job(job_id)
    assert (job.state, job.run_seconds, job.lease_until) == ("succeeded", 2.5, None)
    assert [work.name for work in ada.outputs(job_id)] == ["a.png", "b.json"]
    with workshop.begin() as session:
        assert session.execute(select(func.count()).select_from(Checkpoint)).scalar_one() == 0


def test_the_newest_three_checkpoints_are_kept_newest_first(
    workshop: Database, ada: Studio
) -> None:
    """The next claim gets them in the order in which to try them."""
    order(ada)
    hold = claimed(workshop).hold
    for step in range(1, 6):
        with workshop.begin() as session:
            lease.commit_checkpoint(session, hold, SavedState(SHA256, step, 1, 2))
    with workshop.begin() as session:
        lease.stop(session, hold, State.QUEUED, Reason.WORKER_STOPPED, 0.0)
    assert [saved.step for saved in claimed(workshop).checkpoints] == [5, 4, 3]


def test_five_deaths_at_one_checkpoint_are_poison_but_progress_forgives(
    workshop: Database, ada: Studio
) -> None:
    """Four deaths, a checkpoint, four more: still tried; the fifth in one place ends it."""

    def die() -> State:
        hold = claimed(workshop).hold
        with workshop.begin() as session:
            return lease.runner_died(session, hold, Reason.WORKER_LOST, "SIGSEGV", 0.1)

    job_id = order(ada)
    assert [die() for _ in range(4)] == [State.QUEUED] * 4
    hold = claimed(workshop).hold
    with workshop.begin() as session:
        lease.commit_checkpoint(session, hold, SavedState(SHA256, 9, 1, 1))
        lease.stop(session, hold, State.QUEUED, Reason.WORKER_STOPPED, 0.0)
    assert [die() for _ in range(5)] == [State.QUEUED] * 4 + [State.FAILED]
    assert ada.job(job_id).reason == Reason.POISONED


ENDINGS: dict[str, Callable[[Any, Hold], object]] = {
    "success": lambda s, hold: lease.finish(
        s, hold, [Work("result", "a.png", "image/png", STORED, 64, 64)], 1.0
    ),
    "requeue": lambda s, hold: lease.stop(s, hold, State.QUEUED, Reason.WORKER_STOPPED, 0.0),
    "pause": lambda s, hold: lease.stop(s, hold, State.PAUSED, Reason.PAUSED_BY_USER, 0.0),
    "full disk": lambda s, hold: lease.stop(s, hold, State.PAUSED, Reason.DISK_FULL, 0.0),
    "deadline": lambda s, hold: lease.stop(s, hold, State.FAILED, Reason.TIMED_OUT, 0.0),
    "failure": lambda s, hold: lease.stop(
        s, hold, State.FAILED, Reason.BAD_INPUT, 0.0, {"message": "It cannot be read."}
    ),
    "poison": lambda s, hold: lease.runner_died(s, hold, Reason.WORKER_LOST, "SIGSEGV", 0.0),
    "memory": lambda s, hold: lease.ran_out_of_memory(
        s, hold, 0.0, NO_WORDS, pieces=False, killed=False
    ),
}


@pytest.mark.parametrize("end", ENDINGS)
def test_an_acknowledged_cancel_wins_over_whatever_end_comes_after_it(
    workshop: Database, ada: Studio, end: str
) -> None:
    """Neither a worker that stops for itself nor one that just finished or broke overrules it."""
    job_id = order(ada)
    hold = claimed(workshop).hold
    with workshop.begin() as session:
        session.execute(update(Job).values(deaths=lease.DEATHS_TOLERATED - 1))
    ada.ask(service.cancel, job_id)
    with workshop.begin() as session:
        ENDINGS[end](session, hold)
    job = ada.job(job_id)
    assert (job.state, job.reason, job.error) == ("canceled", "canceled_by_user", None)
    assert ada.outputs(job_id) == []


def test_events_are_numbered_without_gaps_while_owner_and_worker_write_at_once(
    workshop: Database, ada: Studio
) -> None:
    """Numbers are given under the row lock, so they commit in order."""
    job_id = order(ada)
    claimed(workshop)
    acts = [service.pause, service.resume] * 10
    with ThreadPoolExecutor(8) as people:
        list(people.map(lambda act: ada.ask(act, job_id), acts))
    with workshop.begin() as session:
        query = select(Event.seq).where(Event.job_id == job_id).order_by(Event.seq)
        numbers = list(session.execute(query).scalars())
    assert numbers == list(range(1, ada.job(job_id).seq + 1))


def test_claims_and_requests_at_once_never_deadlock_and_counts_stay_true(
    workshop: Database, ada: Studio, ben: Studio
) -> None:
    """Submits, cancels, claims and ends in a heap; rows and counts agree afterwards."""

    def person(who: Studio) -> None:
        for turn in range(12):
            job_id = order(who)
            if turn % 2:
                who.ask(service.cancel, job_id)

    def slot(number: int) -> None:
        for _ in range(15):
            found = claim(workshop, slot=f"cpu:{number}@test")
            if found is not None:
                with workshop.begin() as session:
                    lease.stop(session, found.hold, State.FAILED, Reason.INTERNAL_ERROR, 0.0)

    with ThreadPoolExecutor(8) as everybody:
        done = [everybody.submit(person, who) for who in (ada, ben, ada, ben)]
        done += [everybody.submit(slot, number) for number in range(4)]
        for one in done:
            one.result()
    assert shares(workshop) == counted(workshop)


def test_an_unknown_hold_is_a_lost_fence(workshop: Database) -> None:
    """A job that never was cannot be beaten for."""
    with pytest.raises(FenceLostError), workshop.begin() as session:
        lease.beat(session, Hold(new_id(), 1), LEASE)


def out_of_memory(database: Database, *, pieces: bool, killed: bool) -> State:
    """What becomes of the next job, whose memory runs out."""
    hold = claimed(database).hold
    with database.begin() as session:
        return lease.ran_out_of_memory(session, hold, 1.0, NO_WORDS, pieces=pieces, killed=killed)


@pytest.mark.parametrize("killed", [True, False])
def test_memory_that_runs_out_costs_a_kind_with_pieces_one_retry_smaller(
    workshop: Database, ada: Studio, killed: bool
) -> None:
    """The second time it fails and names the size that fits; the events tell it."""
    job_id = order(ada)
    assert out_of_memory(workshop, pieces=True, killed=killed) == State.QUEUED
    job = ada.job(job_id)
    assert (job.reason, job.error, job.smaller) == ("smaller_pieces", None, 1)
    ada.ask(service.pause, job_id)
    ada.ask(service.resume, job_id)
    assert out_of_memory(workshop, pieces=True, killed=killed) == State.FAILED
    job = ada.job(job_id)
    assert (job.reason, job.error, job.smaller) == ("out_of_memory", NO_WORDS, 1)
    assert [reason for _, _, reason in ada.moves(job_id)][2] == "smaller_pieces"
    ada.ask(service.retry, job_id)
    assert claimed(workshop).smaller == 1, "what did not fit as a whole is not tried whole again"


def test_a_run_without_pieces_that_was_killed_for_memory_gets_one_more_try(
    workshop: Database, ada: Studio
) -> None:
    """Others may have used it up. Then it fails and says why."""
    job_id = order(ada)
    assert out_of_memory(workshop, pieces=False, killed=True) == State.QUEUED
    assert out_of_memory(workshop, pieces=False, killed=True) == State.FAILED
    assert (ada.job(job_id).reason, ada.job(job_id).smaller) == ("out_of_memory", 0)


def test_a_run_without_pieces_that_says_itself_that_it_does_not_fit_fails_at_once(
    workshop: Database, ada: Studio
) -> None:
    job_id = order(ada)
    assert out_of_memory(workshop, pieces=False, killed=False) == State.FAILED
    assert ada.job(job_id).error == NO_WORDS


@pytest.mark.parametrize("end", ["died", "worker stopped", "full disk", "out of memory"])
def test_an_acknowledged_pause_holds_whatever_else_ends_the_run(
    workshop: Database, ada: Studio, end: str
) -> None:
    job_id = order(ada)
    hold = claimed(workshop).hold
    ada.ask(service.pause, job_id)
    with workshop.begin() as session:
        if end == "died":
            lease.runner_died(session, hold, Reason.WORKER_LOST, "SIGKILL", 1.0)
        elif end == "full disk":
            lease.stop(session, hold, State.PAUSED, Reason.DISK_FULL, 1.0)
        elif end == "worker stopped":
            lease.stop(session, hold, State.QUEUED, Reason.WORKER_STOPPED, 1.0)
        else:
            lease.ran_out_of_memory(session, hold, 1.0, None, pieces=True, killed=True)
    job = ada.job(job_id)
    assert (job.state, job.reason) == ("paused", "paused_by_user")
    assert job.smaller == (end == "out of memory")


def test_a_job_resumed_while_its_process_stops_for_a_pause_goes_on(
    workshop: Database, ada: Studio
) -> None:
    """The pause was on its way already; the later wish holds."""
    job_id = order(ada)
    hold = claimed(workshop).hold
    ada.ask(service.pause, job_id)
    ada.ask(service.resume, job_id)
    with workshop.begin() as session:
        lease.stop(session, hold, State.PAUSED, Reason.PAUSED_BY_USER, 1.0)
    job = ada.job(job_id)
    assert (job.state, job.reason) == ("queued", "resumed_by_user")


def test_the_best_checkpoint_is_kept_beside_the_newest_three(
    workshop: Database, ada: Studio
) -> None:
    """It is tried last: the run goes on from where it was."""
    job_id = order(ada)
    hold = claimed(workshop).hold
    for step, score in enumerate([0.2, 0.9, 0.9, 0.1, None, 0.3, 0.4], start=1):
        with workshop.begin() as session:
            lease.commit_checkpoint(session, hold, SavedState(SHA256, step, 1, 2, score))
    with workshop.begin() as session:
        lease.stop(session, hold, State.QUEUED, Reason.WORKER_STOPPED, 0.0)
    kept = claimed(workshop).checkpoints
    assert [(saved.step, saved.score) for saved in kept] == [
        (7, 0.4),
        (6, 0.3),
        (5, None),
        (3, 0.9),
    ]
    assert ada.job(job_id).best_score == 0.9


def test_a_machine_whose_clock_is_behind_saves_the_newest_checkpoints_all_the_same(
    workshop: Database, ada: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Identifiers carry the time of the machine that made them; the order is that of the runs."""
    order(ada)
    hold = claimed(workshop).hold
    for step in (1, 2, 3):
        with workshop.begin() as session:
            lease.commit_checkpoint(session, hold, SavedState(SHA256, step, 1, 2))
    with workshop.begin() as session:
        lease.stop(session, hold, State.QUEUED, Reason.WORKER_STOPPED, 0.0)
    behind = time.time_ns() - 3_600_000_000_000
    monkeypatch.setattr("jobs.ids.time.time_ns", lambda: behind)
    hold = claimed(workshop).hold
    with workshop.begin() as session:
        lease.commit_checkpoint(session, hold, SavedState(SHA256, 4, 1, 2))
        lease.stop(session, hold, State.QUEUED, Reason.WORKER_STOPPED, 0.0)
    assert [saved.step for saved in claimed(workshop).checkpoints] == [4, 3, 2]
