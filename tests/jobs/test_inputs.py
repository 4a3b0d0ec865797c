"""What a job is made from: whether it fits is said when the job is commissioned or tried again."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from jobs import service
from jobs.models import File, Job
from jobs.office import administration
from jobs.refusals import RefusedError
from jobs.states import Reason, State
from jobs.stored import facts, trained
from tests.archives import art, labelled
from tests.commissions import Studio
from tests.engines.models import STYLES, write_model
from tests.jobs.stored.desk import Desk

WHOLE = {"latent": 128, "discriminator": True}
PLAIN = {f"{n}.png": art("ink", n) for n in range(8)}


@pytest.fixture
def desk(ada: Studio, tmp_path: Path) -> Desk:
    """Ada's desk."""
    return Desk(ada, tmp_path)


def bring(person: Studio, folder: Path, **config: Any) -> UUID:
    """A model of somebody's, that training can go on from unless ``config`` says otherwise."""
    path = write_model(folder / "model", **{**WHOLE, **config})
    given = (person.database, person.storage, person.owner, path, "m", person.settings)
    return trained.receive(*given).id


def forget(person: Studio, *models: UUID) -> None:
    """As rows were before they said what a model is."""
    with person.database.begin() as session:
        session.execute(update(File).where(File.id.in_(models)).values(facts=None))


def kept(person: Studio, model: UUID) -> dict[str, Any] | None:
    """What the row of a model says of it."""
    with person.database.begin() as session:
        return session.scalar(select(File.facts).where(File.id == model))


def faults(refused: pytest.ExceptionInfo[RefusedError]) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in refused.value.faults]


def test_what_is_left_open_is_the_models_and_what_is_said_stays_said(
    desk: Desk, tmp_path: Path
) -> None:
    ready = desk.check(desk.bring(labelled(3)))
    model = bring(desk.person, tmp_path, labels=STYLES, conditional=True)
    job = desk.person.job(
        desk.order("gan_training", ready.id, init_from=str(model), preset="standard", batch=4)
    )
    names = ("architecture", "resolution", "width", "conditional", "batch", "steps")
    assert [job.params[name] for name in names] == ["dcgan", 32, 4, True, 4, 20_000]
    assert job.given.keys() == {"dataset", "init_from", "preset", "batch"}
    with pytest.raises(RefusedError) as refused:
        desk.order("gan_training", ready.id, init_from=str(model), resolution=64)
    assert faults(refused) == [("/params/resolution", "does_not_fit")]


def test_a_rerun_with_another_model_leaves_open_what_its_parent_left_open(
    desk: Desk, tmp_path: Path
) -> None:
    ready = desk.check(desk.bring(labelled(3)))
    small, wide = (bring(desk.person, tmp_path, width=width) for width in (4, 6))
    job_id = desk.order("gan_training", ready.id, init_from=str(small))
    with desk.person.database.begin() as session:
        given = (session, desk.person.owner, job_id)
        again = service.rerun(*given, {"init_from": str(wide)}, desk.settings)
        assert again.params["width"] == 6
    changes = {"init_from": str(wide), "width": 4}
    with pytest.raises(RefusedError) as refused, desk.person.database.begin() as session:
        service.rerun(session, desk.person.owner, job_id, changes, desk.settings)
    assert faults(refused) == [("/params/width", "does_not_fit")]


def test_a_set_with_too_few_pictures_is_refused_before_anything_waits(desk: Desk) -> None:
    few = desk.check(desk.bring(labelled(2)))
    with pytest.raises(RefusedError) as refused:
        desk.order("gan_training", few.id)
    assert faults(refused) == [("/params/dataset", "does_not_fit")]


@pytest.mark.parametrize("paused", [False, True])
def test_a_job_that_waited_for_a_set_which_does_not_fit_ends_in_words_once_it_is_checked(
    desk: Desk, tmp_path: Path, paused: bool
) -> None:
    model = bring(desk.person, tmp_path, labels=STYLES, conditional=True)
    set_id = desk.bring(PLAIN)
    job_id = desk.order("gan_training", set_id, init_from=str(model))
    assert desk.person.job(job_id).reason == Reason.AWAITING_DATASET
    if paused:
        desk.person.ask(service.pause, job_id)
    desk.check(set_id)
    if paused:
        desk.person.ask(service.resume, job_id)
    else:
        desk.keeper([]).settle_awaiting()
    row = desk.person.job(job_id)
    assert (row.state, row.reason) == (State.FAILED, Reason.BAD_INPUT)
    assert row.error is not None
    assert row.error["pointer"] == "/conditional"
    assert "fewer than two labels" in row.error["message"]
    assert "a model that has learned no labels" in row.error["hint"]


def test_a_model_that_does_not_fit_is_said_also_while_the_set_is_checked(
    desk: Desk, tmp_path: Path
) -> None:
    model = bring(desk.person, tmp_path)
    with pytest.raises(RefusedError) as refused:
        desk.order("gan_training", desk.bring(PLAIN), init_from=str(model), width=8)
    assert faults(refused) == [("/params/width", "does_not_fit")]


def test_a_job_that_does_not_fit_is_not_queued_again_by_anybody(desk: Desk, tmp_path: Path) -> None:
    """One of a studio that did not ask yet, which its run has ended."""
    ready, model = desk.check(desk.bring(labelled(3))), bring(desk.person, tmp_path)
    job_id = desk.order("gan_training", ready.id, init_from=str(model))
    desk.person.ask(service.cancel, job_id)
    with desk.person.database.begin() as session:
        job = session.get_one(Job, job_id)
        job.params = {**job.params, "resolution": 64}
        job.state = State.FAILED
    with pytest.raises(RefusedError) as refused:
        desk.person.ask(service.retry, job_id)
    assert faults(refused) == [("/params/resolution", "does_not_fit")]
    with pytest.raises(RefusedError), desk.person.database.begin() as session:
        administration.requeue(session, desk.person.owner, job_id)
    assert desk.person.job(job_id).state == State.FAILED


def test_what_is_not_known_of_a_model_is_left_to_the_run_until_the_keeper_has_looked(
    desk: Desk, tmp_path: Path
) -> None:
    model = bring(desk.person, tmp_path)
    before = kept(desk.person, model)
    assert before
    forget(desk.person, model)
    order = service.Order("gan_sampling", {"model": str(model), "label": "dots"})
    with desk.person.database.begin() as session:
        job = service.submit(session, desk.person.owner, order, desk.settings)
        assert job.state == State.QUEUED
    desk.keeper([]).turn(0.0)
    assert kept(desk.person, model) == before
    with pytest.raises(RefusedError) as refused, desk.person.database.begin() as session:
        service.submit(session, desk.person.owner, order, desk.settings)
    assert faults(refused) == [("/params/label", "does_not_fit")]


def test_a_model_out_of_reach_is_looked_at_again_and_a_damaged_one_is_not(
    ada: Studio, tmp_path: Path
) -> None:
    away, damaged, whole = (bring(ada, tmp_path, seed=seed) for seed in range(3))
    with ada.database.begin() as session:
        rows = {row.id: row.sha256 for row in session.scalars(select(File))}
    places = {id_: Path(ada.storage.place(sha256)) for id_, sha256 in rows.items()}
    content = places[away].read_bytes()
    places[away].unlink()
    places[damaged].write_bytes(b"no model")
    forget(ada, away, damaged, whole)
    pulses: list[None] = []
    assert facts.learn(ada.database, ada.storage, lambda: pulses.append(None)) == 2
    assert len(pulses) == 3
    assert [kept(ada, away), kept(ada, damaged)] == [None, {}]
    assert facts.read(kept(ada, damaged)) is None
    places[away].write_bytes(content)
    assert facts.learn(ada.database, ada.storage, lambda: None) == 1
    assert kept(ada, away) == kept(ada, whole)
