"""The log of a job: whole, under the fence, bounded, readable from anywhere in it."""

from __future__ import annotations

import importlib
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from jobs import lease, service
from jobs.database import Database
from jobs.lease import Hold
from jobs.moves import FenceLostError
from jobs.records import logs
from jobs.states import Reason, State
from tests.commissions import Studio, tiny

LINES = [f"line {number}: {'é' * (number % 7)}\n".encode() for number in range(40)]


@pytest.fixture
def hold(ada: Studio) -> Hold:
    """A job that a worker holds."""
    picture = ada.ids[Path("photo")]
    ada.submit(tiny(picture, picture, 1))
    return claimed(ada)


def claimed(person: Studio) -> Hold:
    with person.database.begin() as session:
        claim = lease.claim(session, "cpu:0@test", "cpu", 60.0, 100)
    assert claim is not None
    return claim.hold


def append(database: Database, hold: Hold, content: bytes) -> bool:
    with database.begin() as session:
        return logs.append(session, hold, content)


def read(database: Database, job_id: UUID, start: int, stop: int) -> bytes:
    with database.begin() as session:
        return logs.read(session, job_id, start, stop)


def test_a_log_is_what_was_appended_and_readable_from_any_byte(
    workshop: Database, hold: Hold
) -> None:
    for line in LINES:
        assert append(workshop, hold, line)
    whole = b"".join(LINES)
    with workshop.begin() as session:
        assert logs.size(session, hold.job_id) == len(whole)
    for start in (0, 1, 17, len(LINES[0]), len(whole) - 1, len(whole), len(whole) + 9):
        for stop in (start, start + 1, start + 100, len(whole)):
            assert read(workshop, hold.job_id, start, stop) == whole[start:stop]


@pytest.mark.parametrize("lines", [1, 3, 39, 40, 1000])
def test_a_tail_is_the_last_lines_whole(
    workshop: Database, hold: Hold, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when its first guess at how far back they reach was too short."""
    monkeypatch.setattr(logs, "USUAL_LINE_BYTES", 3)
    for line in LINES:
        append(workshop, hold, line)
    with workshop.begin() as session:
        assert logs.tail(session, hold.job_id, lines) == b"".join(LINES[-lines:])


def test_a_job_that_said_nothing_has_an_empty_log(workshop: Database, hold: Hold) -> None:
    assert read(workshop, hold.job_id, 0, 100) == b""
    with workshop.begin() as session:
        assert logs.tail(session, hold.job_id, 10) == b""


def test_an_outlived_attempt_appends_nothing(workshop: Database, ada: Studio, hold: Hold) -> None:
    append(workshop, hold, b"first attempt\n")
    with workshop.begin() as session:
        lease.stop(session, hold, State.QUEUED, Reason.WORKER_STOPPED, 1.0)
    with pytest.raises(FenceLostError):
        append(workshop, hold, b"too late\n")
    second = claimed(ada)
    with pytest.raises(FenceLostError):
        append(workshop, hold, b"much too late\n")
    append(workshop, second, b"second attempt\n")
    assert read(workshop, hold.job_id, 0, 1000) == b"first attempt\nsecond attempt\n"


def test_a_full_log_takes_no_more_and_says_so_once(
    workshop: Database, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "BYTES_PER_JOB", 20)
    assert append(workshop, hold, b"0123456789\n")
    for content in (b"0123456789\n", b"01\n"):
        assert not append(workshop, hold, content)
    assert read(workshop, hold.job_id, 0, 1000) == b"0123456789\n" + logs.FULL


def test_a_retry_says_which_state_it_left_also_one_from_before_it_did(
    workshop: Database, ada: Studio, hold: Hold
) -> None:
    """The migration mends events in which how it resumed stood in the state's place."""
    with workshop.begin() as session:
        lease.stop(session, hold, State.FAILED, Reason.INTERNAL_ERROR, 1.0)
    ada.ask(service.retry, hold.job_id, from_start=True)
    retried = ("failed", "queued", "retried_by_user")
    assert ada.moves(hold.job_id)[-1] == retried
    with workshop.begin() as session:
        before = text('UPDATE event SET data = data || \'{"from": "start"}\' WHERE seq = 4')
        session.execute(before)
        session.execute(text(importlib.import_module("migrations.versions.0002_log").MEND_RETRIES))
    assert ada.moves(hold.job_id)[-1] == retried
