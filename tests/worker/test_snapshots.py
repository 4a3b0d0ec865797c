"""A real training that is asked for its model, and killed before it could hand it out."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from engines.gan_training.model_file import load_model
from jobs import service, snapshots
from jobs.database import Database
from jobs.ids import new_id
from jobs.models import Dataset, Event
from jobs.records import metrics
from jobs.settings import Settings
from jobs.storage import Storage
from tests.commissions import Studio
from tests.engines import art
from tests.worker.test_attempts import runner_of, saved_once

TINY = {"resolution": 32, "width": 4, "batch": 4, "steps": 100_000}
MEASURED = {"kid_every": 200, "kid_samples": 8, "samples_every": 1000}


@pytest.fixture
def studio(settings: Settings, database: Database, storage: Storage, owner: UUID) -> Studio:
    """Somebody new."""
    return Studio(settings, database, storage, owner)


def test_a_model_asked_for_comes_once_also_when_its_runner_is_killed(
    studio: Studio, tmp_path: Path
) -> None:
    dataset, pack = new_id(), studio.storage.put(studio.database, art.pack(2))
    values = {"owner_id": studio.owner, "name": "art", "state": "ready", "sha256": pack.sha256}
    with studio.database.begin() as session:
        session.execute(insert(Dataset).values(id=dataset, **values))
        order = service.Order("gan_training", {"dataset": str(dataset), **TINY, **MEASURED})
        job_id = service.submit(session, studio.owner, order, studio.settings).id
    saved_once(studio, job_id)
    with studio.database.begin() as session:
        measured = metrics.read(session, job_id)
    assert (measured["kid"].steps[0], measured["loss_maker"].steps[0]) == (0, 1)
    runner = runner_of(studio, job_id)
    os.kill(runner, signal.SIGSTOP)
    for of in snapshots.WAYS:
        with studio.database.begin() as session:
            snapshots.ask(session, studio.owner, job_id, of, studio.settings)
    os.kill(runner, signal.SIGKILL)
    job = studio.wait(job_id, until=lambda job: not job.snapshots)
    with studio.database.begin() as session:
        measured = metrics.read(session, job_id)
    best = studio.wait(job_id, until=lambda job: bool(job.progress.get("best_step")))
    assert best.progress["best_step"] % MEASURED["kid_every"] == 0
    assert measured["kid"].steps == measured["kid_low"].steps == measured["kid_high"].steps
    assert (job.state, job.attempt) == ("running", 2)
    works = studio.outputs(job_id)
    assert [work.role for work in works] == ["model", "model"]
    for work in works:
        with studio.storage.open(work.sha256) as stored:
            path = tmp_path / work.name
            path.write_bytes(stored.read())
        model = load_model(path)
        assert model.discriminator
        assert work.name.endswith(f"-step-{model.config.origin['steps']}.safetensors")
    with studio.database.begin() as session:
        query = select(Event.data).where(Event.job_id == job_id, Event.type == "snapshot")
        told = session.scalars(query.order_by(Event.seq)).all()
    assert [next(iter(event)) for event in told] == ["asked", "asked", "kept", "kept"]
    studio.ask(service.cancel, job_id)
    assert studio.wait_for_end(job_id).state == "canceled"
    assert len(studio.outputs(job_id)) == 2
