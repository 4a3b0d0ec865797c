"""Jobs and the sets that they name: they wait for the check, and hold what they are given."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from jobs import lease, service
from jobs.models import Job
from jobs.office import administration, verify
from jobs.records import audit
from jobs.refusals import RefusedError
from jobs.states import State
from jobs.stored import datasets
from tests.archives import art, labelled, zipped
from tests.commissions import Studio
from tests.jobs.stored.desk import Desk


def test_a_job_on_a_checking_dataset_waits_and_starts_by_itself(desk: Desk, learning: str) -> None:
    dataset_id = desk.bring(labelled())
    job_id = desk.order(learning, dataset_id)
    woken: list[str] = []
    keeper = desk.keeper(woken)
    keeper.settle_awaiting()
    assert desk.person.job(job_id).reason == "awaiting_dataset"
    assert desk.person.ask(service.resume, job_id).state == State.PAUSED, "resumed too early"
    with desk.person.database.begin() as session:
        assert lease.claim(session, "cpu:0@test", "cpu", 60, 10) is None
    pack = desk.check(dataset_id).sha256
    keeper.settle_awaiting()
    row = desk.person.job(job_id)
    assert (row.state, row.reason) == (State.QUEUED, "dataset_ready")
    assert row.inputs == {str(dataset_id): pack}
    assert woken == ["cpu"]
    assert desk.person.moves(job_id) == [
        (None, "queued", None),
        ("queued", "paused", "awaiting_dataset"),
        ("paused", "queued", "dataset_ready"),
    ]
    assert list(verify.Verifier(desk.person.database, desk.person.storage)._of_jobs()) == []


def test_a_job_whose_dataset_is_refused_fails_in_words(desk: Desk, learning: str) -> None:
    dataset_id = desk.bring(zipped({}))
    job_id = desk.order(learning, dataset_id)
    desk.check(dataset_id)
    desk.keeper([]).settle_awaiting()
    row = desk.person.job(job_id)
    assert (row.state, row.reason) == (State.FAILED, "bad_input")
    assert row.error is not None
    assert row.error["pointer"] == "/dataset"
    assert row.ended_at is not None
    again = desk.person.ask(service.retry, job_id)
    assert (again.state, again.reason) == (State.FAILED, "bad_input")
    assert list(verify.Verifier(desk.person.database, desk.person.storage)._of_jobs()) == []


def test_an_administrator_cannot_queue_a_job_again_whose_dataset_is_not_there(
    desk: Desk, learning: str
) -> None:
    """No slot could run it, and each would try for ever."""
    dataset_id = desk.bring(zipped({}))
    job_id = desk.order(learning, dataset_id)
    desk.check(dataset_id)
    desk.keeper([]).settle_awaiting()
    with desk.person.database.begin() as session:
        administration.requeue(session, desk.person.owner, job_id)
    row = desk.person.job(job_id)
    assert (row.state, row.reason) == (State.FAILED, "bad_input")


def test_a_waiting_job_that_was_canceled_and_retried_waits_again(desk: Desk, learning: str) -> None:
    job_id = desk.order(learning, desk.bring(labelled()))
    assert desk.person.ask(service.cancel, job_id).state == State.CANCELED
    assert desk.person.ask(service.retry, job_id).reason == "awaiting_dataset"


def test_a_waiting_job_that_its_owner_pauses_rests_until_it_is_resumed(
    desk: Desk, learning: str
) -> None:
    """Also when its set is ready before; when it is not, it waits for it again."""
    dataset_id = desk.bring(labelled())
    early, late = desk.order(learning, dataset_id), desk.order(learning, dataset_id)
    for job_id in (early, late):
        paused = desk.person.ask(service.pause, job_id)
        assert (paused.state, paused.reason) == (State.PAUSED, "paused_by_user")
    assert desk.person.ask(service.resume, early).reason == "awaiting_dataset"
    pack = desk.check(dataset_id).sha256
    desk.keeper([]).settle_awaiting()
    assert desk.person.job(early).state == State.QUEUED
    assert desk.person.job(late).reason == "paused_by_user"
    desk.person.ask(service.resume, late)
    row = desk.person.job(late)
    assert (row.state, row.inputs) == (State.QUEUED, {str(dataset_id): pack})
    assert list(verify.Verifier(desk.person.database, desk.person.storage)._of_jobs()) == []


def test_a_waiting_job_that_is_retried_when_its_set_is_ready_gets_its_pack(
    desk: Desk, learning: str
) -> None:
    dataset_id = desk.bring(labelled())
    job_id = desk.order(learning, dataset_id)
    desk.person.ask(service.cancel, job_id)
    pack = desk.check(dataset_id).sha256
    desk.person.ask(service.retry, job_id)
    row = desk.person.job(job_id)
    assert (row.state, row.inputs) == (State.QUEUED, {str(dataset_id): pack})


@pytest.mark.parametrize("usable", [True, False])
def test_a_job_whose_parameters_are_of_an_older_version_waits_for_its_set_all_the_same(
    desk: Desk, learning: str, usable: bool
) -> None:
    dataset_id = desk.bring(labelled() if usable else zipped({}))
    job_id = desk.order(learning, dataset_id)
    with desk.person.database.begin() as session:
        session.execute(update(Job).values(params={"set": str(dataset_id)}))
    desk.keeper([]).settle_awaiting()
    assert desk.person.job(job_id).reason == "awaiting_dataset", "started without its set"
    pack = desk.check(dataset_id).sha256
    desk.keeper([]).settle_awaiting()
    row = desk.person.job(job_id)
    if usable:
        assert (row.state, row.inputs) == (State.QUEUED, {str(dataset_id): pack})
    else:
        assert (row.state, row.reason) == (State.FAILED, "bad_input")


def test_a_job_on_a_ready_dataset_does_not_wait(desk: Desk, learning: str) -> None:
    ready = desk.ready()
    row = desk.person.job(desk.order(learning, ready.id))
    assert (row.state, row.inputs) == (State.QUEUED, {str(ready.id): ready.sha256})


def test_what_needs_labels_is_refused_by_name_before_it_waits_where_the_set_has_none(
    desk: Desk,
) -> None:
    plain = desk.check(desk.bring({f"{n}.png": art("ink", n) for n in range(8)}))
    with pytest.raises(RefusedError) as refused:
        desk.order("gan_training", plain.id, innovation=1.0, conditional=True)
    found = [(fault.pointer, fault.code) for fault in refused.value.faults]
    assert found == [(f"/params/{n}", "does_not_fit") for n in ("innovation", "conditional")]
    row = desk.person.job(desk.order("gan_training", plain.id))
    assert row.state == State.QUEUED


def test_a_dataset_that_is_refused_or_somebody_elses_is_refused_by_name(
    desk: Desk, learning: str, ben: Studio
) -> None:
    refused_id = desk.check(desk.bring(zipped({}))).id
    for dataset_id, person, code in (
        (refused_id, desk.person, "dataset_refused"),
        (desk.ready().id, ben, "unknown_dataset"),
    ):
        with pytest.raises(RefusedError) as refused:
            Desk(person, desk.folder).order(learning, dataset_id)
        assert [(f.pointer, f.code) for f in refused.value.faults] == [("/params/dataset", code)]


def test_a_dataset_in_use_is_not_deleted_and_says_by_what(desk: Desk, learning: str) -> None:
    for dataset_id in (desk.ready().id, desk.bring({"a.png": art("dots", 1)})):
        job_id = desk.order(learning, dataset_id)
        with pytest.raises(RefusedError) as refused, desk.person.database.begin() as session:
            datasets.delete(session, desk.person.owner, dataset_id)
        assert refused.value.code == "dataset_in_use"
        assert str(job_id) in refused.value.values["users"]
        desk.person.ask(service.cancel, job_id)
        with desk.person.database.begin() as session:
            datasets.delete(session, desk.person.owner, dataset_id)
            told = audit.page(session, audit.Filter(action="dataset.deleted"), 1)
        assert [row.target for row in told] == [f"dataset {dataset_id}"]
        with pytest.raises(RefusedError) as again:
            desk.person.ask(service.retry, job_id)
        faults = [(fault.code, fault.values["value"]) for fault in again.value.faults]
        assert faults == [("unknown_file", str(dataset_id))]
