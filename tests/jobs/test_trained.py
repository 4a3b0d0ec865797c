"""A model that is deleted while somebody commissions a job with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from jobs import service, trained
from jobs.database import Database
from jobs.models import File
from jobs.refusals import RefusedError
from jobs.settings import Settings
from jobs.storage import Storage
from tests.engines.models import write_model

LOOKS = 5_000


@pytest.fixture
def model(database: Database, storage: Storage, owner: UUID, tmp_path: Path) -> File:
    path = write_model(tmp_path / "model")
    return trained.receive(database, storage, owner, path, "dots.safetensors")


def _wait_until_somebody_waits_for_a_lock(database: Database) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    for _ in range(LOOKS):
        with database.begin() as session:
            if session.execute(waiting).scalar_one():
                return
    raise AssertionError("nobody waited")


def test_who_deletes_waits_for_who_commissions_and_then_finds_the_job(
    database: Database, settings: Settings, owner: UUID, model: File
) -> None:
    def delete() -> None:
        with database.begin() as session:
            trained.delete(session, owner, model.id)

    order = service.Order("gan_sampling", {"model": str(model.id)})
    with ThreadPoolExecutor(1) as aside:
        with database.begin() as session:
            job = service.submit(session, owner, order, settings)
            deletion = aside.submit(delete)
            _wait_until_somebody_waits_for_a_lock(database)
        with pytest.raises(RefusedError, match="model_in_use"):
            deletion.result()
    with database.begin() as session:
        service.cancel(session, owner, job.id)
