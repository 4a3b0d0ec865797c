"""Telling people that a long job has ended: what they want, the outbox, the log of deliveries.

A delivery is written in the transaction that ends the job, so none is lost and none is told of what
did not happen; :mod:`jobs.post.courier` sends it. Its id is the receiver's means against hearing
twice.
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

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from jobs import attempts
from jobs.ids import new_id
from jobs.models import Delivery, Job, NoticeWish, Webhook
from jobs.refusals import Fault, RefusedError
from jobs.states import ENDED, State

# The schedule of Standard Webhooks 1.0, in seconds after the attempt before; the first at once.
RETRIES = (0, 5, 300, 1800, 7200, 18_000, 36_000)
LONG_SECONDS = range(7 * 86_400 + 1)
DEFAULT_LONG_SECONDS = 300
WEBHOOKS_EACH = 10
# Of addresses that only single jobs name.
JOB_WEBHOOKS_EACH = 100
URL_LENGTH = 2000
SECRET_PREFIX = "whsec_"  # noqa: S105  (what a secret begins with, by the standard)
DELIVERIES_SHOWN = 100
# A mail goes to whatever address somebody names: the studio's server is not lent for flooding one.
REPLAYS_PER_HOUR = 30
TOLD = (State.SUCCEEDED, State.FAILED)
# Who named a webhook for one job waits for its end, whatever that is.
TOLD_OF_ONE = (*TOLD, State.CANCELED)
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
    """A new webhook with a secret of its own; one that only jobs named until now goes on under its
    secret as one for all. Raises :class:`RefusedError`.
    """
    _hold(session, owner_id)
    known = webhooks(session, owner_id)
    _check(url, sum(not hook.of_jobs for hook in known), WEBHOOKS_EACH, "/url")
    for hook in known:
        if hook.of_jobs and hook.url == url:
            hook.of_jobs, hook.disabled_at = False, None
            return hook
    return _add(session, owner_id, url, of_jobs=False)


def webhook_of_job(session: Session, owner_id: UUID, url: str) -> Webhook:
    """The webhook for a job that names ``url``; jobs that name the same address share it. One that
    was ended by its receiver is called again. Raises :class:`RefusedError`.
    """
    _hold(session, owner_id)
    known = webhooks(session, owner_id)
    for hook in sorted(known, key=lambda hook: hook.disabled_at is not None):
        if hook.url == url:
            hook.disabled_at = None
            return hook
    used = sum(hook.of_jobs for hook in known)
    if used >= JOB_WEBHOOKS_EACH:
        used -= _forget_unneeded(session, owner_id)
    _check(url, used, JOB_WEBHOOKS_EACH, "/webhook")
    return _add(session, owner_id, url, of_jobs=True)


def secret_to_tell(session: Session, job: Job) -> str | None:
    """The secret of a webhook that ``job`` was the first to name, until something is signed with
    it: whoever lost the answer may send the order again."""
    hook = session.get(Webhook, job.webhook_id) if job.webhook_id else None
    if hook is None or not hook.of_jobs:
        return None
    named = select(Job.id).where(Job.owner_id == job.owner_id, Job.webhook_id == hook.id)
    first = session.scalars(named.order_by(Job.id).limit(1)).one()
    signed = select(Delivery.id).where(Delivery.webhook_id == hook.id).limit(1)
    return hook.secret if first == job.id and session.scalar(signed) is None else None


def _hold(session: Session, owner_id: UUID) -> None:
    # Two at once would both find that an address is new.
    key = func.hashtextextended(f"{owner_id}/webhooks", 0)
    session.execute(select(func.pg_advisory_xact_lock(key)))


def _forget_unneeded(session: Session, owner_id: UUID) -> int:
    """Forget the oldest webhook that only jobs named which have ended and been told."""
    ended = [str(state) for state in ENDED]
    names_it = Job.webhook_id == Webhook.id
    needed = exists().where(Job.owner_id == owner_id, names_it, Job.state.not_in(ended))
    to_tell = exists().where(Delivery.webhook_id == Webhook.id, Delivery.state == "waiting")
    mine = select(Webhook.id).where(Webhook.owner_id == owner_id, Webhook.of_jobs)
    query = mine.where(~needed, ~to_tell).order_by(Webhook.id).limit(1).with_for_update()
    oldest = session.scalar(query)
    if oldest is None:
        return 0
    remove_webhook(session, owner_id, oldest)
    return 1


def _check(url: str, used: int, most: int, pointer: str) -> None:
    if not _can_be_called(url):
        raise RefusedError("invalid", faults=[Fault(pointer, "not_a_url", {"value": url[:80]})])
    if used >= most:
        limits = {"value": most + 1, "limit": most}
        raise RefusedError("invalid", faults=[Fault(pointer, "too_many", limits)])


def _add(session: Session, owner_id: UUID, url: str, of_jobs: bool) -> Webhook:
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    row = {"id": new_id(), "owner_id": owner_id, "url": url, "secret": secret, "of_jobs": of_jobs}
    return session.execute(insert(Webhook).values(row).returning(Webhook)).scalar_one()


def _can_be_called(url: str) -> bool:
    if len(url) > URL_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        return False
    return parts.scheme in ("http", "https") and named and not parts.username


def remove_webhook(session: Session, owner_id: UUID, webhook_id: UUID) -> None:
    """Forget a webhook and what was to be delivered to it. Raises :class:`RefusedError`."""
    _hold(session, owner_id)
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
    """Write down for delivery that a job has ended, where its owner, or the order, wants it told;
    call it in the transaction of the end."""
    state = State(job.state)
    if state not in TOLD_OF_ONE or job.ended_at is None:
        return
    wish = session.get(NoticeWish, job.owner_id)
    long = timedelta(seconds=wish.long_seconds if wish else DEFAULT_LONG_SECONDS)
    told = state in TOLD and job.ended_at - job.created_at >= long
    # Held until this transaction has committed: one that is being removed is not told.
    query = select(Webhook).where(Webhook.owner_id == job.owner_id, Webhook.disabled_at.is_(None))
    wanted = Webhook.id == job.webhook_id
    mine = query.where(wanted | Webhook.of_jobs.is_(False) if told else wanted)
    held = mine.order_by(Webhook.id).with_for_update(read=True, key_share=True)
    hooks = session.scalars(held).all()
    rows: list[dict[str, Any]] = [{"webhook_id": hook.id, "mail": None} for hook in hooks]
    if told and wish and wish.mail:
        rows.append({"webhook_id": None, "mail": wish.mail})
    body = message(job)
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
