"""An upgrade saves, stops, migrates; a job in flight outlives it, also from older tables."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from alembic import command
from sqlalchemy import text

from atelier.in_use import running
from atelier.local import Stack
from atelier.upgrade import installing
from jobs.database import connect
from jobs.settings import Settings
from jobs.stored.backup import Shelf
from migrations.__main__ import config
from tests.atelier.test_backup import settings_of, somebody_in
from tests.atelier.watching import ATELIER, Up
from tests.commissions import tiny
from tests.worker.test_attempts import saved_once

OLD = "0004"


def upgraded(data: Path) -> str:
    """What an upgrade to the version that is installed says."""
    done = subprocess.run(
        [*ATELIER, "upgrade", "--no-install", "--no-start"],
        env={**os.environ, "ATELIER_DATA": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def revision(settings: Settings) -> str:
    database = connect(settings)
    with database.begin() as session:
        found = session.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    database.close()
    return str(found)


def test_a_job_in_flight_outlives_an_upgrade_from_older_tables(
    data: Path, photo: Path, painting: Path
) -> None:
    settings = settings_of(data)
    served = Up(data, PORT=str(settings.port), ATELIER_THREADS="1", ATELIER_LEASE="6")
    served.wait_ready()
    database_url = running(settings)[0].database_url
    stack = Stack(settings.changed(database_url=database_url), services=())
    with somebody_in(stack) as studio:
        order = tiny(studio.upload(photo), studio.upload(painting), 300)
        job_id = studio.submit(order)
        saved_once(studio, job_id)
        said = upgraded(data)
    assert "Stopped; what ran is saved and waits." in said
    assert served.process.wait(10) == 0
    # A studio as an older version leaves it, with the same job on its way.
    with Stack(settings, services=("postgres",)) as stack:
        head = revision(stack.settings)
        command.downgrade(config(stack.settings), OLD)
        assert revision(stack.settings) == OLD != head
    said = upgraded(data)
    assert "Stopping" not in said
    assert len(Shelf(data / "backups").names()) == 2
    with Stack(settings) as stack, somebody_in(stack) as studio:
        stack.wait_ready()
        assert revision(stack.settings) == head
        ended = studio.wait_for_end(job_id)
        assert (ended.state, ended.attempt) == ("succeeded", 2)
        assert (ended.resumed_from_step or 0) > 0
        assert ("running", "queued", "worker_stopped") in studio.moves(job_id)


def test_a_checkout_is_pulled_and_a_package_is_upgraded(tmp_path: Path) -> None:
    (package,) = installing(tmp_path)
    assert package[-2:] == ["--upgrade", "atelier"]
    (tmp_path / ".git").mkdir()
    pull, install = installing(tmp_path)
    assert pull == ["git", "-C", str(tmp_path), "pull", "--ff-only"]
    assert install[-2:] == ["-e", str(tmp_path)]


def test_a_database_of_somebody_elses_is_not_stopped(data: Path) -> None:
    done = subprocess.run(
        [*ATELIER, "upgrade"],
        env={**os.environ, "ATELIER_DATA": str(data), "DATABASE_URL": "postgresql://a@b/c"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "docs/operations.md" in done.stderr
