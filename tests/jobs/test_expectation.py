"""How long a job should take, and until when one that waits does."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from engines.kind import Known
from engines.registry import KINDS
from jobs import expectation, lease, listing, slots
from jobs.expectation import Expected
from jobs.lease import Claim
from jobs.states import Reason, State
from tests.commissions import Studio, tiny

KIND = KINDS["style_transfer"]
SMALL, LARGE = 10, 40
RATE = 2e11


def commissioned(artist: Studio, iterations: int) -> UUID:
    """A job of so many steps."""
    picture = artist.ids[Path("photo")]
    return artist.submit(tiny(picture, picture, iterations))


def begun(artist: Studio, resource: str = "cpu") -> Claim:
    """The next job, given to a worker."""
    with artist.database.begin() as session:
        claimed = lease.claim(session, f"{resource}:0@north", resource, 9999.0, 1000)
    assert claimed is not None
    return claimed


def ended(artist: Studio, iterations: int, seconds: float) -> float:
    """Of a job that ran for so long, what it computed."""
    job = artist.job(commissioned(artist, iterations))
    with artist.database.begin() as session:
        lease.finish(session, begun(artist).hold, [], seconds)
    assert job.work is not None
    return job.work


def serving(artist: Studio, name: str = "cpu:0@north", rate: float | None = RATE) -> None:
    """A slot is here, and was measured."""
    with artist.database.begin() as session:
        slots.register(session, name, machine="north", resource="cpu", device="cpu", standby=True)
        if rate is not None:
            slots.note_rate(session, name, rate)


def expected(artist: Studio, job_id: UUID) -> Expected | None:
    with artist.database.begin() as session:
        return expectation.of(session, artist.job(job_id))


def told(artist: Studio, job_id: UUID) -> tuple[object, bool]:
    """Seconds, and whether they are guessed."""
    found = expected(artist, job_id)
    assert found is not None
    return found.seconds, found.guessed


def wait(artist: Studio, job_id: UUID) -> float | None:
    with artist.database.begin() as session:
        place = listing.place(session, artist.job(job_id))
    assert place is not None
    return place.eta_seconds


def test_a_job_keeps_what_it_computes_by_its_kinds_formula(ada: Studio) -> None:
    job = ada.job(commissioned(ada, SMALL))
    params = KIND.params.model_validate(job.params)
    seen = Known(pictures={ada.ids[Path("photo")]: (64, 64)})
    assert job.work == params.arithmetic(seen) != params.arithmetic(Known())


def test_it_should_take_as_long_as_recent_jobs_took_whatever_their_settings(ada: Studio) -> None:
    serving(ada)
    done = ended(ada, SMALL, 30.0) + ended(ada, LARGE, 50.0)
    job_id = commissioned(ada, 3 * LARGE)
    work = ada.job(job_id).work
    assert work is not None
    assert told(ada, job_id) == (pytest.approx(work * 80.0 / done), False)


def test_only_the_newest_are_asked(ada: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expectation, "RECENT_RUNS", 1)
    ended(ada, SMALL, 1000.0)
    ended(ada, SMALL, 8.0)
    assert told(ada, commissioned(ada, SMALL)) == (pytest.approx(8.0), False)


def test_where_none_has_ended_it_is_guessed_from_what_the_machines_do(ada: Studio) -> None:
    serving(ada)
    serving(ada, "cpu:1@north", 2 * RATE)
    serving(ada, "cpu:2@north", None)
    job_id = commissioned(ada, SMALL)
    work = ada.job(job_id).work
    assert work is not None
    assert told(ada, job_id) == (pytest.approx(work / (1.5 * RATE * KIND.speed)), True)


def test_what_did_not_succeed_tells_nothing(ada: Studio) -> None:
    serving(ada)
    commissioned(ada, SMALL)
    hold = begun(ada).hold
    with ada.database.begin() as session:
        lease.stop(session, hold, State.FAILED, Reason.INTERNAL_ERROR, 8.0)
    found = expected(ada, commissioned(ada, SMALL))
    assert found is not None
    assert found.guessed


def test_nothing_is_said_where_no_machine_serves_and_none_has_ended(ada: Studio) -> None:
    assert expected(ada, commissioned(ada, SMALL)) is None


def test_nothing_is_said_of_a_job_that_has_ended(ada: Studio) -> None:
    ended(ada, SMALL, 8.0)
    job_id = commissioned(ada, SMALL)
    with ada.database.begin() as session:
        lease.finish(session, begun(ada).hold, [], 8.0)
    assert expected(ada, job_id) is None


def test_nothing_is_asked_of_a_run_that_tells_itself_how_much_is_left(ada: Studio) -> None:
    ended(ada, SMALL, 8.0)
    job_id = commissioned(ada, SMALL)
    hold = begun(ada).hold
    assert expected(ada, job_id) is not None
    with ada.database.begin() as session:
        lease.report_progress(session, hold, {"seconds_left": 4.0})
    assert expected(ada, job_id) is None


def test_a_job_waits_for_as_long_as_those_ahead_should_take(ada: Studio) -> None:
    serving(ada)
    done = ended(ada, SMALL, 10.0)
    commissioned(ada, SMALL)
    begun(ada)
    ahead = commissioned(ada, LARGE)
    job_id = commissioned(ada, SMALL)
    larger = ada.job(ahead).work
    assert larger is not None
    # The one that runs has not said how long it still takes: half of what it should.
    assert wait(ada, ahead) == pytest.approx(5.0)
    assert wait(ada, job_id) == pytest.approx(5.0 + 10.0 * larger / done)


def test_a_run_says_itself_how_long_those_behind_it_wait(ada: Studio) -> None:
    serving(ada)
    ended(ada, SMALL, 10.0)
    commissioned(ada, SMALL)
    hold = begun(ada).hold
    job_id = commissioned(ada, SMALL)
    with ada.database.begin() as session:
        lease.report_progress(session, hold, {"seconds_left": 7.5})
    assert wait(ada, job_id) == pytest.approx(7.5)


def test_the_next_job_does_not_wait_where_a_slot_is_free(ada: Studio) -> None:
    serving(ada)
    assert wait(ada, commissioned(ada, SMALL)) == 0.0
