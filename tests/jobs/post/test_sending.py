"""What was written for delivery is sent until it arrived, to nobody inside, and holds up nobody."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import text

from jobs.access import people
from jobs.models import Webhook
from jobs.post import mail, notices, webhooks
from jobs.post.courier import Courier
from jobs.post.webhooks import UndeliverableError
from jobs.settings import Settings
from tests.commissions import Studio
from tests.jobs.post.outbox import Receiver, hook, make_due, outbox, wants
from tests.jobs.stored.test_deletion import ended


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


def test_whose_receiver_is_slow_waits_for_it_alone(
    ada: Studio, ben: Studio, tmp_path: Path, receiver: Receiver, open_settings: Settings
) -> None:
    """The others are served meanwhile; a second delivery of the slow one's is not begun."""
    with socket.create_server(("127.0.0.1", 0)) as slow, ThreadPoolExecutor(1) as aside:
        for studio, url in (
            (ada, f"http://127.0.0.1:{slow.getsockname()[1]}/"),
            (ben, receiver.url),
        ):
            wants(studio)
            hook(studio, url)
        for studio in (ada, ada, ben):
            ended(studio, tmp_path)
        courier = Courier(ada.database, open_settings)
        first = aside.submit(courier.deliver_next)
        opened, _ = slow.accept()
        with opened:
            assert courier.deliver_next()
            assert len(receiver.heard) == 1
            assert not courier.deliver_next()
        assert first.result(timeout=20)
    assert sorted(row.attempts for row in outbox(ada)) == [0, 1]


def test_whose_account_is_closed_is_told_nothing_more(
    ada: Studio, tmp_path: Path, receiver: Receiver, open_settings: Settings
) -> None:
    wants(ada)
    hook(ada, receiver.url)
    ended(ada, tmp_path)
    courier = Courier(ada.database, open_settings)
    with ada.database.begin() as session:
        people.disable(session, ada.owner, by="console")
    assert not courier.deliver_next()
    with ada.database.begin() as session:
        people.enable(session, ada.owner, by="console")
    assert courier.deliver_next()
    assert len(receiver.heard) == 1


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


class Postbox:
    """What an SMTP server was handed; it takes nothing for ``unknown``."""

    def __init__(self) -> None:
        self.kept: list[tuple[list[str], bytes]] = []

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address.startswith("unknown"):
            return "550 5.1.1 <unknown>: no such user at mailstore.inside 10.0.0.7"
        envelope.rcpt_tos.append(address)
        return "250 known"

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


def test_a_mail_server_that_is_away_is_tried_again_and_its_words_are_for_the_log(
    ada: Studio, tmp_path: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    wants(ada, "ada@studio.example")
    ended(ada, tmp_path)
    away = settings.changed(smtp_url="smtp://127.0.0.1:9", mail_from="a@studio.example")
    assert Courier(ada.database, away).deliver_next()
    (row,) = outbox(ada)
    assert (row.state, row.attempts, row.answer) == ("waiting", 1, mail.AWAY)
    assert "refused" in caplog.text


def test_an_address_that_the_mail_server_does_not_know_is_told_so_and_no_more(
    ada: Studio,
    tmp_path: Path,
    settings: Settings,
    postbox: tuple[Postbox, int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    wants(ada, "unknown@studio.example")
    ended(ada, tmp_path)
    caplog.set_level("INFO", "jobs.post.mail")
    url = f"smtp://127.0.0.1:{postbox[1]}"
    sending = settings.changed(smtp_url=url, mail_from="a@studio.example")
    assert Courier(ada.database, sending).deliver_next()
    assert outbox(ada)[0].answer == mail.UNWANTED
    assert "mailstore.inside" in caplog.text
