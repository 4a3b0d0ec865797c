"""What tests of being told share: a receiver, wishes, and what was written for delivery."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import text

from jobs.models import Delivery, Webhook
from jobs.post import notices
from tests.commissions import Studio


@dataclass
class Receiver:
    """A server that keeps what it is sent and answers as it is told."""

    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    url: str = ""


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
