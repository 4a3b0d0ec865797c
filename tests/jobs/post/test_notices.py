"""People are told that a long job has ended: written with the end, sent until it arrived."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from jobs import service
from jobs.models import Delivery, Job, Webhook
from jobs.post import notices, webhooks
from jobs.post.courier import Courier
from jobs.post.webhooks import UndeliverableError
from jobs.refusals import RefusedError
from jobs.settings import Settings
from jobs.states import State
from jobs.stored import deletion
from tests.commissions import Studio
from tests.jobs.stored.test_deletion import ended, order


@dataclass
class Receiver:
    """A server that keeps what it is sent and answers as it is told."""

    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    told = Receiver()

    class Listening(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard = {name.lower(): value for name, value in self.headers.items()}
            told.heard.append(({**heard, "path": self.path}, body))
            self.send_response(told.answers.pop(0) if told.answers else 204)
            self.send_header("Location", f"{told.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return None

    server = HTTPServer(("127.0.0.1", 0), Listening)
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def open_settings(settings: Settings) -> Settings:
    """Settings that allow a webhook to call this machine."""
    return settings.changed(webhook_private=True)


def wants(studio: Studio, mail: str | None = None, long_seconds: int = 0) -> None:
    with studio.database.begin() as session:
        notices.change_wish(session, studio.owner, mail, long_seconds)


def hook(studio: Studio, url: str) -> Webhook:
    with studio.database.begin() as session:
        return notices.add_webhook(session, studio.owner, url)


def outbox(studio: Studio) -> list[Delivery]:
    with studio.database.begin() as session:
        return list(notices.deliveries(session, studio.owner))


def make_due(studio: Studio) -> None:
    with studio.database.begin() as session:
        session.execute(text("UPDATE delivery SET due_at = now() WHERE state = 'waiting'"))


def test_the_signature_is_that_of_the_standards_own_example() -> None:
    # From the test suites of the libraries of Standard Webhooks.
    made = webhooks.sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_end_is_told_signed_and_once(
    ada: Studio, tmp_path: Path, receiver: Receiver, open_settings: Settings
) -> None:
    wants(ada)
    made = hook(ada, f"{receiver.url}/hooks/atelier?mine=1")
    job_id = ended(ada, tmp_path)
    courier = Courier(ada.database, open_settings)
    assert courier.deliver_next()
    assert not courier.deliver_next()
    ((headers, body),) = receiver.heard
    told = json.loads(body)
    assert (told["type"], told["data"]["id"]) == ("job.succeeded", str(job_id))
    assert headers["path"] == "/hooks/atelier?mine=1"
    assert headers["host"] == receiver.url.removeprefix("http://")
    stamp = int(headers["webhook-timestamp"])
    signed = webhooks.sign(made.secret, headers["webhook-id"], stamp, body)
    assert headers["webhook-signature"] == signed
    (row,) = outbox(ada)
    assert (row.state, row.attempts, row.answer) == ("delivered", 1, "HTTP 204")


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


def test_it_is_tried_by_the_schedule_then_given_up_and_can_be_replayed(
    ada: Studio, tmp_path: Path, receiver: Receiver, open_settings: Settings
) -> None:
    wants(ada)
    hook(ada, receiver.url)
    ended(ada, tmp_path)
    receiver.answers = [500] * len(notices.RETRIES)
    courier = Courier(ada.database, open_settings)
    pauses = []
    for _ in notices.RETRIES:
        make_due(ada)
        assert courier.deliver_next()
        (row,) = outbox(ada)
        if row.state == "waiting":
            assert row.tried_at is not None
            pauses.append(round((row.due_at - row.tried_at).total_seconds()))
    assert pauses == list(notices.RETRIES[1:])
    assert (row.state, row.attempts) == ("failed", len(notices.RETRIES))
    assert not courier.deliver_next()
    with ada.database.begin() as session:
        notices.replay(session, ada.owner, row.id)
    assert courier.deliver_next()
    assert outbox(ada)[0].state == "delivered"
    assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == 1


def test_a_delivery_that_breaks_the_courier_is_given_up_like_any_other(
    ada: Studio, tmp_path: Path, receiver: Receiver, open_settings: Settings
) -> None:
    """It says so in the log of deliveries, and holds up nobody."""
    wants(ada)
    hook(ada, receiver.url)
    ended(ada, tmp_path)
    with ada.database.begin() as session:
        session.execute(text("UPDATE webhook SET secret = 'whsec_x'"))
    courier = Courier(ada.database, open_settings)
    for _ in notices.RETRIES:
        make_due(ada)
        assert courier.deliver_next()
    (row,) = outbox(ada)
    assert (row.state, row.answer) == ("failed", "it could not be sent: Error")


def test_deliveries_are_not_replayed_in_masses(ada: Studio, ben: Studio, tmp_path: Path) -> None:
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


def test_a_redirect_is_not_followed_and_410_ends_a_webhook(
    ada: Studio, tmp_path: Path, receiver: Receiver, open_settings: Settings
) -> None:
    wants(ada)
    made = hook(ada, receiver.url)
    ended(ada, tmp_path)
    receiver.answers = [302, 410]
    courier = Courier(ada.database, open_settings)
    courier.deliver_next()
    assert [headers["path"] for headers, _ in receiver.heard] == ["/"]
    assert outbox(ada)[0].answer == "HTTP 302"
    make_due(ada)
    courier.deliver_next()
    assert outbox(ada)[0].state == "failed"
    with ada.database.begin() as session:
        assert session.get_one(Webhook, made.id).disabled_at is not None
    ended(ada, tmp_path)
    assert len(outbox(ada)) == 1, "who asked not to be called is not called"


def test_nobody_inside_is_called_unless_it_is_allowed(
    ada: Studio, tmp_path: Path, receiver: Receiver, settings: Settings
) -> None:
    wants(ada)
    hook(ada, receiver.url.replace("127.0.0.1", "localhost"))
    hook(ada, "http://no-such-name.invalid/")
    ended(ada, tmp_path)
    courier = Courier(ada.database, settings)
    while courier.deliver_next():
        pass
    assert receiver.heard == []
    answers = sorted(row.answer for row in outbox(ada))
    assert "not public" in answers[0]
    assert not re.search(r"127\.0\.0\.1|::1|Errno", " ".join(answers)), "an inner address is told"
    same = answers[0].replace("localhost", "no-such-name.invalid")
    assert same == answers[1], "whether a name lies inside is told"


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
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        *((inside, False) for inside in ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1")),
        *((inside, False) for inside in ("169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1")),
        *((inside, False) for inside in ("::1", "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1")),
        *((inside, False) for inside in ("64:ff9b::7f00:1", "2002:7f00:1::", "::", "ff02::1")),
        *((inside, False) for inside in ("64:ff9b:1::7f00:1", "fec0::1", "::10.0.0.1")),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert webhooks.is_public(address) is public


def test_a_failed_connection_tells_its_owner_neither_address_nor_port(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    caplog.set_level("INFO", "jobs.post.webhooks")
    for scheme in ("http", "https"):
        target = webhooks.Target(scheme, "host.example", "127.0.0.1", port, "/")
        with pytest.raises(UndeliverableError) as told:
            webhooks.send(target, {}, b"{}")
        assert str(told.value) == webhooks.BROKEN
    assert f"{port}" in caplog.text or "127.0.0.1" in caplog.text


def test_an_answer_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "WHOLE_SECONDS", 0.2)
    enough = threading.Event()

    def answer_for_ever(listening: socket.socket) -> None:
        opened, _ = listening.accept()
        with opened, suppress(OSError):
            while not enough.wait(0.01):
                opened.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            opened.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(2) as aside:
        aside.submit(answer_for_ever, listening)
        port = listening.getsockname()[1]
        target = webhooks.Target("http", "localhost", "127.0.0.1", port, "/")
        sent = aside.submit(webhooks.send, target, {}, b"{}")
        try:
            with pytest.raises(UndeliverableError):
                sent.result(timeout=20)
        finally:
            enough.set()


def test_a_name_is_looked_up_once_and_every_address_of_it_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def answers(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        found = ("93.184.215.14", "127.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    with pytest.raises(UndeliverableError, match="not public"):
        webhooks.resolve("https://rebind.example/hook", allow_private=False)
    target = webhooks.resolve("https://rebind.example/hook?a=1", allow_private=True)
    assert (target.address, target.host, target.port) == ("93.184.215.14", "rebind.example", 443)
    assert target.path == "/hook?a=1"
    assert asked == ["rebind.example"] * 2


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


class Postbox:
    """What an SMTP server was handed."""

    def __init__(self) -> None:
        self.kept: list[tuple[list[str], bytes]] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.kept.append((envelope.rcpt_tos, envelope.content))
        return "250 kept"


@pytest.fixture
def postbox() -> Iterator[tuple[Postbox, int]]:
    box = Postbox()
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    yield box, port
    server.stop()


@pytest.mark.parametrize(("language", "subject"), [(None, "Done: "), ("zh", "已完成：")])
def test_a_mail_arrives_in_the_readers_language(
    ada: Studio,
    tmp_path: Path,
    settings: Settings,
    postbox: tuple[Postbox, int],
    language: str | None,
    subject: str,
) -> None:
    box, port = postbox
    with ada.database.begin() as session:
        query = text("UPDATE owner SET language = :language WHERE id = :id")
        session.execute(query, {"language": language, "id": ada.owner})
    wants(ada, "ada@studio.example")
    job_id = ended(ada, tmp_path)
    sending = settings.changed(
        smtp_url=f"smtp://127.0.0.1:{port}",
        mail_from="Atelier <studio@studio.example>",
        public_url="https://studio.example",
    )
    assert Courier(ada.database, sending).deliver_next()
    ((to, content),) = box.kept
    assert to == ["ada@studio.example"]
    mail = message_from_bytes(content, policy=policy.default)
    assert str(mail["Subject"]).startswith(subject)
    body = mail.get_body()
    assert body is not None
    assert f"https://studio.example/jobs/{job_id}" in body.get_content()
    assert outbox(ada)[0].state == "delivered"


def test_a_mail_server_that_is_away_is_tried_again(
    ada: Studio, tmp_path: Path, settings: Settings
) -> None:
    wants(ada, "ada@studio.example")
    ended(ada, tmp_path)
    away = settings.changed(smtp_url="smtp://127.0.0.1:9", mail_from="a@studio.example")
    assert Courier(ada.database, away).deliver_next()
    (row,) = outbox(ada)
    assert (row.state, row.attempts) == ("waiting", 1)
    assert "refused" in row.answer


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
