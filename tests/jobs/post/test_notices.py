"""What is told of a job's end, to whom: written with the end, kept, sent again when asked."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from jobs import service
from jobs.models import Job, Webhook
from jobs.post import notices, webhooks
from jobs.post.courier import Courier
from jobs.refusals import RefusedError
from jobs.settings import Settings
from jobs.states import State
from jobs.stored import deletion
from tests.commissions import Studio
from tests.jobs.post.outbox import Receiver, hook, outbox, wants
from tests.jobs.stored.test_deletion import ended, order


def test_only_long_jobs_that_succeeded_or_failed_are_told(
    ada: Studio, ben: Studio, tmp_path: Path, receiver: Receiver
) -> None:
    wants(ada, long_seconds=3600)
    hook(ada, receiver.url)
    ended(ada, tmp_path)
    assert outbox(ada) == []
    wants(ada)
    ended(ada, tmp_path, State.CANCELED)
    assert outbox(ada) == []
    ended(ada, tmp_path, State.FAILED)
    assert [row.body["type"] for row in outbox(ada)] == ["job.failed"]
    ended(ben, tmp_path)
    assert outbox(ben) == []


def test_what_is_rolled_back_is_never_told(ada: Studio, tmp_path: Path) -> None:
    wants(ada)
    hook(ada, "http://127.0.0.1:9/")
    job_id = ended(ada, tmp_path)
    with ada.database.engine.connect() as connection, Session(connection) as session:
        notices.tell_end(session, session.get_one(Job, job_id))
        assert len(notices.deliveries(session, ada.owner)) == 2
        session.rollback()
    assert len(outbox(ada)) == 1


def test_deliveries_are_not_replayed_in_masses(
    ada: Studio, ben: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "REPLAYS_PER_HOUR", 2)
    for studio in (ada, ben):
        wants(studio, mail="somebody@example.org")
        ended(studio, tmp_path)
    (row,) = outbox(ada)
    for _ in range(notices.REPLAYS_PER_HOUR):
        with ada.database.begin() as session:
            notices.replay(session, ada.owner, row.id)
    with pytest.raises(RefusedError, match="too_many_requests"), ada.database.begin() as session:
        notices.replay(session, ada.owner, row.id)
    with ben.database.begin() as session:
        notices.replay(session, ben.owner, outbox(ben)[0].id)


def test_a_webhook_of_one_job_is_told_of_its_end_however_short_it_was(
    ada: Studio, tmp_path: Path, receiver: Receiver, open_settings: Settings
) -> None:
    wants(ada, long_seconds=3600)
    long = hook(ada, receiver.url + "/long")
    with ada.database.begin() as session:
        mine = notices.webhook_of_job(session, ada.owner, receiver.url + "/mine")
        again = notices.webhook_of_job(session, ada.owner, mine.url)
        known = notices.webhook_of_job(session, ada.owner, long.url)
    assert (again.id, known.id) == (mine.id, long.id)
    ended(ada, tmp_path)
    quiet, job = order(ada), order(ada)
    with ada.database.begin() as session:
        session.get_one(Job, job).webhook_id = mine.id
    for each in (quiet, job):
        ada.ask(service.cancel, each)
    assert len(outbox(ada)) == 1, "the others were short, and named no webhook"
    Courier(ada.database, open_settings).deliver_next()
    ((headers, body),) = receiver.heard
    said = json.loads(body)
    assert (headers["path"], said["type"], said["data"]["id"]) == (
        "/mine",
        "job.canceled",
        str(job),
    )
    id_, timestamp = headers["webhook-id"], int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == webhooks.sign(mine.secret, id_, timestamp, body)
    with ada.database.begin() as session:
        notices.remove_webhook(session, ada.owner, mine.id)
        notices.tell_end(session, session.get_one(Job, job))
        assert notices.deliveries(session, ada.owner) == [], "who was removed is told nothing"


def test_a_job_that_names_an_ended_webhook_has_it_called_again(ada: Studio) -> None:
    with ada.database.begin() as session:
        ended_by_410 = notices.webhook_of_job(session, ada.owner, "https://host.example/")
        session.execute(text("UPDATE webhook SET disabled_at = now()"))
        session.refresh(ended_by_410)
        again = notices.webhook_of_job(session, ada.owner, "https://host.example/")
        assert (again.id, again.disabled_at) == (ended_by_410.id, None)


def test_an_address_of_jobs_becomes_one_for_all_under_its_secret(ada: Studio) -> None:
    with ada.database.begin() as session:
        of_jobs = notices.webhook_of_job(session, ada.owner, "https://host.example/")
        general = notices.add_webhook(session, ada.owner, of_jobs.url)
        assert (general.id, general.of_jobs) == (of_jobs.id, False)
        assert len(notices.webhooks(session, ada.owner)) == 1


def test_addresses_of_jobs_that_ended_make_room_for_those_of_others(
    ada: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "JOB_WEBHOOKS_EACH", 2)
    waiting, other = order(ada), order(ada)
    with ada.database.begin() as session:
        needed, told = (
            notices.webhook_of_job(session, ada.owner, f"https://host.example/{number}")
            for number in range(2)
        )
        session.get_one(Job, waiting).webhook_id = needed.id
        session.get_one(Job, other).webhook_id = told.id
    third = "https://host.example/3"
    with pytest.raises(RefusedError, match="too_many"), ada.database.begin() as session:
        notices.webhook_of_job(session, ada.owner, third)
    ada.ask(service.cancel, other)
    with pytest.raises(RefusedError, match="too_many"), ada.database.begin() as session:
        notices.webhook_of_job(session, ada.owner, third)
    with ada.database.begin() as session:
        session.execute(text("UPDATE delivery SET state = 'delivered'"))
        notices.webhook_of_job(session, ada.owner, third)
        left = {hook.url for hook in notices.webhooks(session, ada.owner)}
    assert left == {needed.url, third}


def test_one_address_named_by_two_orders_at_once_has_one_secret(ada: Studio) -> None:
    def name(_: int) -> str:
        with ada.database.begin() as session:
            return notices.webhook_of_job(session, ada.owner, "https://host.example/").secret

    with ThreadPoolExecutor(4) as at_once:
        assert len(set(at_once.map(name, range(8)))) == 1


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host.example/",
        "https://",
        "https://user:word@host.example/",
        "https://host.example/\r\nX: y",
        "javascript:alert(1)",
        f"https://host.example/{'a' * 2000}",
    ],
)
def test_an_address_that_cannot_be_called_is_refused(ada: Studio, url: str) -> None:
    with pytest.raises(RefusedError) as told:
        hook(ada, url)
    assert [fault.code for fault in told.value.faults] == ["not_a_url"]


@pytest.mark.parametrize("mail", ["ada", "ada@", "a@b.example\r\nBcc: x@y.example", "a@b.c, d@e.f"])
def test_only_one_plain_mail_address_is_taken(ada: Studio, mail: str) -> None:
    with pytest.raises(RefusedError) as told:
        wants(ada, mail)
    assert [fault.code for fault in told.value.faults] == ["not_a_mail_address"]


def test_a_deletion_leaves_the_log_of_deliveries(
    ada: Studio, tmp_path: Path, receiver: Receiver
) -> None:
    wants(ada)
    made = hook(ada, receiver.url)
    job_id = ended(ada, tmp_path)
    with ada.database.begin() as session:
        deletion.delete_job(session, ada.owner, job_id)
    (row,) = outbox(ada)
    assert (row.job_id, row.body["data"]["id"]) == (None, str(job_id))
    with ada.database.begin() as session:
        notices.remove_webhook(session, ada.owner, made.id)
    assert outbox(ada) == []
    assert isinstance(made.id, UUID)


def test_what_belongs_to_somebody_else_is_unknown(ada: Studio, ben: Studio, tmp_path: Path) -> None:
    wants(ada)
    made = hook(ada, "https://host.example/")
    ended(ada, tmp_path)
    (row,) = outbox(ada)
    with pytest.raises(RefusedError, match="unknown_webhook"), ben.database.begin() as session:
        notices.remove_webhook(session, ben.owner, made.id)
    with pytest.raises(RefusedError, match="unknown_delivery"), ben.database.begin() as session:
        notices.replay(session, ben.owner, row.id)
    with ada.database.begin() as session:
        assert session.scalars(select(Webhook.id)).all() == [made.id]
