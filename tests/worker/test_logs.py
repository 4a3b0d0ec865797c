"""The log of a job that a real worker runs: live, whole over attempts, silent on the machine."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from uuid import UUID

import pytest

from jobs import service
from jobs.database import Database
from jobs.records import logs
from jobs.settings import Settings
from jobs.storage import Storage
from tests.commissions import Studio, tiny
from tests.worker.test_attempts import runner_of, saved_once


@pytest.fixture
def studio(settings: Settings, database: Database, storage: Storage, owner: UUID) -> Studio:
    """Somebody new."""
    return Studio(settings, database, storage, owner)


def said(studio: Studio, job_id: UUID) -> str:
    with studio.database.begin() as session:
        return logs.tail(session, job_id, 1000).decode()


def test_a_log_grows_while_the_job_runs_and_goes_on_with_the_next_attempt(
    studio: Studio, photo: Path, painting: Path
) -> None:
    job_id = studio.submit(tiny(studio.upload(photo), studio.upload(painting), 120))
    saved_once(studio, job_id)
    job = studio.wait(job_id, until=lambda _: "saved at step" in said(studio, job_id))
    assert not service.is_settled(job)
    before = said(studio, job_id)
    os.kill(runner_of(studio, job_id), signal.SIGKILL)
    studio.wait_for_end(job_id)
    after = said(studio, job_id)
    assert after.startswith(before)
    assert after.index("attempt 1") < after.index("attempt 2")
    assert " runner step 0: " in after
    assert "the other steps took" in after.rpartition("attempt 2")[2]
    assert str(studio.settings.data) not in after
