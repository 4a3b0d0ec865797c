"""What a trained model is, from the run that makes it to the run that goes on from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from engines import models
from jobs import service
from jobs.database import Database
from jobs.ids import new_id
from jobs.models import Dataset, File
from jobs.refusals import RefusedError
from jobs.settings import Settings
from jobs.states import Reason, State
from jobs.storage import Storage
from tests.commissions import Studio
from tests.engines import art

TINY = {"resolution": 32, "width": 4, "batch": 4, "steps": 1, "kid_every": 1, "kid_samples": 8}


@pytest.fixture
def studio(settings: Settings, database: Database, storage: Storage, owner: UUID) -> Studio:
    """Somebody new."""
    return Studio(settings, database, storage, owner)


@pytest.fixture
def dataset(studio: Studio) -> str:
    """The id of a set that is ready, of which no more is known."""
    id_, pack = new_id(), studio.storage.put(studio.database, art.pack(2))
    values = {"owner_id": studio.owner, "name": "art", "state": "ready", "sha256": pack.sha256}
    with studio.database.begin() as session:
        session.execute(insert(Dataset).values(id=id_, **values))
    return str(id_)


def order(studio: Studio, unknown: UUID | None = None, **params: Any) -> UUID:
    """Commission a tiny training, while nobody knows yet what the model ``unknown`` is."""
    with studio.database.begin() as session:
        # In one transaction, or the studio's keeper would look at it before.
        session.execute(update(File).where(File.id == unknown).values(facts=None))
        wanted = service.Order("gan_training", {**TINY, **params})
        return service.submit(session, studio.owner, wanted, studio.settings).id


def test_a_model_that_was_trained_says_what_it_is_and_a_run_refuses_what_could_not_be_said_before(
    studio: Studio, dataset: str, tmp_path: Path
) -> None:
    job_id = order(studio, dataset=dataset)
    assert studio.wait_for_end(job_id).state == State.SUCCEEDED
    (model,) = (work for work in studio.outputs(job_id) if work.role == "model")
    studio.storage.fetch(model.sha256, tmp_path / "model")
    assert model.facts == models.inspect(tmp_path / "model").as_json()
    assert [work.name for work in studio.outputs(job_id) if work.facts] == [model.name]

    wrong: dict[str, Any] = {"dataset": dataset, "init_from": str(model.id), "width": 8}
    with pytest.raises(RefusedError) as refused:
        order(studio, **wrong)
    (fault,) = refused.value.faults
    row = studio.wait_for_end(order(studio, unknown=model.id, **wrong))
    assert (row.state, row.reason) == (State.FAILED, Reason.BAD_INPUT)
    assert row.error is not None
    assert f"/params{row.error['pointer']}" == fault.pointer == "/params/width"
    assert [row.error["message"], row.error["hint"]] == [fault.values["why"], fault.values["fits"]]
