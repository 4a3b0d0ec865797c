"""The timeline of a job that a real worker runs: whole over attempts, once per step."""

from __future__ import annotations

import os
import signal
from io import BytesIO
from pathlib import Path
from uuid import UUID

import pytest
from PIL import Image

from jobs import service
from jobs.database import Database
from jobs.models import Frame
from jobs.records import frames, metrics
from jobs.records.series import Columns
from jobs.settings import Settings
from jobs.storage import Storage
from tests.commissions import Studio, tiny
from tests.worker.test_attempts import runner_of, saved_once


@pytest.fixture
def studio(settings: Settings, database: Database, storage: Storage, owner: UUID) -> Studio:
    """Somebody new."""
    return Studio(settings, database, storage, owner)


def figures(studio: Studio, job_id: UUID) -> Columns:
    with studio.database.begin() as session:
        return metrics.read(session, job_id)


def pictures(studio: Studio, job_id: UUID) -> dict[int, Frame]:
    with studio.database.begin() as session:
        return {frame.step: frame for frame in frames.listing(session, job_id)}


def test_every_step_is_measured_once_also_by_a_run_that_was_killed_and_went_on(
    studio: Studio, photo: Path, painting: Path
) -> None:
    steps = 150
    job_id = studio.submit(tiny(studio.upload(photo), studio.upload(painting), steps))
    saved_once(studio, job_id)
    studio.wait(job_id, until=lambda row: row.progress.get("step", 0) > 5)
    before = pictures(studio, job_id)
    os.kill(runner_of(studio, job_id), signal.SIGKILL)
    row = studio.wait(job_id, until=lambda row: row.attempt == 2 and bool(row.resumed_from_step))
    resumed = int(row.resumed_from_step or 0)
    measured = figures(studio, job_id)
    assert {name: list(c.steps)[:resumed] for name, c in measured.items()} == {
        name: list(range(1, resumed + 1)) for name in ("loss", "content", "style")
    }
    assert service.is_settled(studio.wait_for_end(job_id))
    after = figures(studio, job_id)
    assert {name: list(c.steps) for name, c in after.items()} == {
        name: list(range(1, steps + 1)) for name in ("loss", "content", "style")
    }
    assert all(column.exact for column in after.values())
    shown = pictures(studio, job_id)
    assert sorted(shown) == [0, steps]
    assert shown[0].sha256 == before[0].sha256
    for frame in shown.values():
        with studio.storage.open(frame.sha256) as opened:
            picture = Image.open(BytesIO(opened.read()))
        assert picture.size == (frame.width, frame.height)
