"""Telling people that a long job has ended: what they want, the outbox, the log of deliveries.

A delivery is written in the transaction that ends the job, so none is lost and none is told of what
did not happen; :mod:`jobs.courier` sends it. Its id is the receiver's means against hearing twice.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from jobs import attempts
from jobs.ids import new_id
from jobs.models import Delivery, Job, NoticeWish, Webhook
from jobs.refusals import Fault, RefusedError
from jobs.states import State

# The schedule of Standard Webhooks 1.0, in seconds after the attempt before; the first at once.
RETRIES = (0, 5, 300, 1800, 7200, 18_000, 36_000)
LONG_SECONDS = range(7 * 86_400 + 1)
DEFAULT_LONG_SECONDS = 300
WEBHOOKS_EACH = 10
URL_LENGTH = 2000
SECRET_PREFIX = "whsec_"  # noqa: S105  (what a secret begins with, by the standard)
DELIVERIES_SHOWN = 100
# A mail goes to whatever address somebody names: the studio's server is not lent for flooding one.
REPLAYS_PER_HOUR = 30
TOLD = (State.SUCCEEDED, State.FAILED)
# One address, without anything that could end a header.
ADDRESS = re.compile(r"[^\s@<>\",;:\\()\[\]]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z0-9-]{2,63}")


@dataclass(frozen=True)
class Wish:
    """What somebody wants: mail to an address (None: none), for jobs of at least ``long`` s."""

    mail: str | None
    long_seconds: int


def wish_of(session: Session, owner_id: UUID) -> Wish:
    """What somebody wants to be told."""
    row = session.get(NoticeWish, owner_id)
    return Wish(row.mail, row.long_seconds) if row else Wish(None, DEFAULT_LONG_SECONDS)


def change_wish(session: Session, owner_id: UUID, mail: str | None, long_seconds: int) -> Wish:
    """Want something else. Raises :class:`RefusedError` naming what cannot be."""
    faults = []
    if long_seconds not in LONG_SECONDS:
        limits = {"value": long_seconds, "low": LONG_SECONDS[0], "high": LONG_SECONDS[-1]}
        faults.append(Fault("/long_seconds", "out_of_range", limits))
    if mail and not ADDRESS.fullmatch(mail):
        faults.append(Fault("/mail", "not_a_mail_address", {"value": mail[:80]}))
    if faults:
        raise RefusedError("invalid", faults=faults)
    values = {"mail": mail or None, "long_seconds": long_seconds}
    session.execute(
        upsert(NoticeWish)
        .values(owner_id=owner_id, **values)
        .on_conflict_do_update(index_elements=[NoticeWish.owner_id], set_=values)
    )
    return Wish(mail or None, long_seconds)


def webhooks(session: Session, owner_id: UUID) -> Sequence[Webhook]:
    """Somebody's webhooks, oldest first."""
    query = select(Webhook).where(Webhook.owner_id == owner_id).order_by(Webhook.id)
    return session.scalars(query).all()


def add_webhook(session: Session, owner_id: UUID, url: str) -> Webhook:
    """A new webhook with a secret of its own. Raises :class:`RefusedError`."""
    parts = urlsplit(url) if len(url) <= URL_LENGTH else urlsplit("")
    plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or not plain:
        raise RefusedError("invalid", faults=[Fault("/url", "not_a_url", {"value": url[:80]})])
    if len(webhooks(session, owner_id)) >= WEBHOOKS_EACH:
        limits = {"value": WEBHOOKS_EACH + 1, "limit": WEBHOOKS_EACH}
        raise RefusedError("invalid", faults=[Fault("/url", "too_many", limits)])
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    made = insert(Webhook).values(id=new_id(), owner_id=owner_id, url=url, secret=secret)
    return session.execute(made.returning(Webhook)).scalar_one()


def remove_webhook(session: Session, owner_id: UUID, webhook_id: UUID) -> None:
    """Forget a webhook and what was to be delivered to it. Raises :class:`RefusedError`."""
    mine = (Webhook.id == webhook_id) & (Webhook.owner_id == owner_id)
    if session.execute(select(Webhook.id).where(mine).with_for_update()).first() is None:
        raise RefusedError("unknown_webhook")
    session.execute(delete(Delivery).where(Delivery.webhook_id == webhook_id))
    session.execute(delete(Webhook).where(mine))


def deliveries(session: Session, owner_id: UUID) -> Sequence[Delivery]:
    """What was and is to be delivered to somebody, newest first."""
    query = select(Delivery).where(Delivery.owner_id == owner_id).order_by(Delivery.id.desc())
    return session.scalars(query.limit(DELIVERIES_SHOWN)).all()


def replay(session: Session, owner_id: UUID, delivery_id: UUID) -> Delivery:
    """Deliver again, now, under the same id. Raises :class:`RefusedError`."""
    attempts.meter(session, "replay", str(owner_id), REPLAYS_PER_HOUR, seconds=3600)
    row = session.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.owner_id == owner_id)
        .values(attempts=0, state="waiting", due_at=func.clock_timestamp())
        .returning(Delivery)
    ).scalar_one_or_none()
    if row is None:
        raise RefusedError("unknown_delivery")
    return row


def tell_end(session: Session, job: Job) -> None:
    """Write down for delivery that a job has ended, where its owner wants to know; call it in the
    transaction of the end."""
    if State(job.state) not in TOLD or job.ended_at is None:
        return
    wish = session.get(NoticeWish, job.owner_id)
    hooks = [hook for hook in webhooks(session, job.owner_id) if hook.disabled_at is None]
    mail = wish.mail if wish else None
    if not hooks and not mail:
        return
    long = timedelta(seconds=wish.long_seconds if wish else DEFAULT_LONG_SECONDS)
    if job.ended_at - job.created_at < long:
        return
    body = message(job)
    rows: list[dict[str, Any]] = [{"webhook_id": hook.id, "mail": None} for hook in hooks]
    if mail:
        rows.append({"webhook_id": None, "mail": mail})
    for row in rows:
        known = {"id": new_id(), "owner_id": job.owner_id, "job_id": job.id, "body": body}
        session.execute(insert(Delivery).values(**known, **row))


def message(job: Job) -> dict[str, Any]:
    """What is told of an ended job: small; the API knows the rest."""
    return {
        "type": f"job.{job.state}",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": {
            "id": str(job.id),
            "kind": job.kind,
            "status": job.state,
            "reason": job.reason,
            "tags": job.tags,
            "run_seconds": round(job.run_seconds, 3),
        },
    }
