"""A model that is asked for on the way: kept once, by the attempt that holds the job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import insert

from engines import media
from jobs import lease, service, snapshots
from jobs.database import Database
from jobs.ids import new_id
from jobs.lease import Claim, Work
from jobs.models import Dataset
from jobs.moves import FenceLostError
from jobs.refusals import RefusedError
from jobs.states import Reason, State
from jobs.storage import Stored
from jobs.stored import trained
from tests.commissions import Studio, tiny
from tests.jobs.conftest import SHA256

MODEL = Work("model", "model-step-7.safetensors", media.MODEL, Stored(SHA256, 1))


def training(person: Studio) -> UUID:
    """Commission one on a set that is checked."""
    dataset = new_id()
    values = {"owner_id": person.owner, "name": "set", "state": "ready", "sha256": SHA256}
    with person.database.begin() as session:
        session.execute(insert(Dataset).values(id=dataset, **values))
        order = service.Order("gan_training", {"dataset": str(dataset)})
        return service.submit(session, person.owner, order, person.settings).id


def claimed(database: Database) -> Claim:
    with database.begin() as session:
        found = lease.claim(session, "cpu:0@test", "cpu", 30.0, 4)
    assert found is not None
    return found


def ask(person: Studio, job_id: UUID) -> None:
    with person.database.begin() as session:
        snapshots.ask(session, person.owner, job_id, "now", person.settings)


def keep(person: Studio, held: Claim, work: Work = MODEL) -> bool:
    with person.database.begin() as session:
        return snapshots.keep(session, held.hold, "now", work)


def test_what_is_asked_for_is_kept_once_beside_the_works_of_the_end(ada: Studio) -> None:
    job_id = training(ada)
    held = claimed(ada.database)
    ask(ada, job_id)
    ask(ada, job_id)
    with ada.database.begin() as session:
        assert lease.snapshots_wanted(session, held.hold) == ["now"]
    assert keep(ada, held)
    assert not keep(ada, held)
    ask(ada, job_id)
    assert keep(ada, held)  # of the same step: the model of that name is there
    ask(ada, job_id)
    end = Work("result", "samples.png", "image/png", MODEL.stored, 8, 8)
    with ada.database.begin() as session:
        lease.finish(session, held.hold, [end, replace(MODEL, name="model.safetensors")], 1.0)
    works = ada.outputs(job_id)
    assert [work.name for work in works] == [
        "samples.png",
        "model.safetensors",
        "model-step-7.safetensors",
    ]
    assert ada.job(job_id).snapshots == []
    with ada.database.begin() as session:
        trained.delete(session, ada.owner, works[2].id)


def test_a_model_of_the_way_does_not_make_that_of_the_end_one_of_several(ada: Studio) -> None:
    job_id = training(ada)
    held = claimed(ada.database)
    ask(ada, job_id)
    assert keep(ada, held)
    with ada.database.begin() as session:
        lease.finish(session, held.hold, [replace(MODEL, name="model.safetensors")], 1.0)
    end, way = ada.outputs(job_id)
    with pytest.raises(RefusedError, match="only_work"), ada.database.begin() as session:
        trained.delete(session, ada.owner, end.id)
    with ada.database.begin() as session:
        trained.delete(session, ada.owner, way.id)


def test_a_wish_outlives_the_attempt_that_did_not_fulfil_it(ada: Studio) -> None:
    job_id = training(ada)
    lost = claimed(ada.database)
    ask(ada, job_id)
    with ada.database.begin() as session:
        lease.runner_died(session, lost.hold, Reason.WORKER_LOST, "SIGKILL", 1.0)
    with pytest.raises(FenceLostError):
        keep(ada, lost)
    with ada.database.begin() as session:
        assert lease.snapshots_wanted(session, lost.hold) == []
    held = claimed(ada.database)
    with pytest.raises(FenceLostError):
        keep(ada, lost)
    with ada.database.begin() as session:
        assert lease.snapshots_wanted(session, held.hold) == ["now"]
    assert keep(ada, held)
    assert [work.position for work in ada.outputs(job_id)] == [snapshots.FIRST_POSITION]


def test_what_hands_out_no_model_and_what_has_ended_says_so(ada: Studio, ben: Studio) -> None:
    picture = ada.ids[Path("photo")]
    other = ada.submit(tiny(picture, picture, 1))
    job_id = training(ada)
    with pytest.raises(RefusedError, match="no_snapshots"):
        ask(ada, other)
    with pytest.raises(RefusedError, match="unknown_job"):
        ask(ben, job_id)
    ada.ask(service.cancel, other)
    held = claimed(ada.database)
    with ada.database.begin() as session:
        lease.stop(session, held.hold, State.FAILED, Reason.BAD_INPUT, 1.0)
    with pytest.raises(RefusedError, match="over_already"):
        ask(ada, job_id)
