"""Delivers what :mod:`jobs.post.notices` wrote down: webhooks and mails, each until it arrived or
was tried as often as the schedule says.

A delivery is taken by moving its due time ahead, sent outside of any transaction, and then marked:
any number of couriers may work, and one that dies leaves its delivery to the next. Several threads
send, and never two for one person: whose receivers are slow waits for them alone.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, update

from jobs.database import Database, DatabaseDownError
from jobs.models import Delivery, Owner, Webhook
from jobs.post import mail, notices, webhooks
from jobs.post.webhooks import UndeliverableError
from jobs.settings import Settings

LOOK_SECONDS = 1.0
# Whose receivers keep a connection open keep one of them.
THREADS = 4
# Longer than a sending may take; then the delivery is due again.
HELD = timedelta(seconds=120)
FORGET_SECONDS = 3600.0
LOG_LIFETIME = "30 days"
GONE = 410

log = logging.getLogger(__name__)


class Courier:
    """Sends what is due, each person's one after the other. Safe to share between threads."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings
        self._forget_at = 0.0
        self._taking = threading.Lock()
        self._served: set[UUID] = set()

    def begin(self, stopping: threading.Event) -> None:
        """Deliver from now on, in threads of its own that end with the process."""
        for number in range(THREADS):
            name = f"courier-{number}"
            threading.Thread(target=self.run, args=(stopping,), name=name, daemon=True).start()

    def run(self, stopping: threading.Event) -> None:
        """Deliver until told to stop."""
        while not stopping.is_set():
            try:
                self._forget()
                while not stopping.is_set() and self.deliver_next():
                    pass
            except DatabaseDownError:
                log.warning("deliveries wait: the database is away")
            except Exception:  # a defect of ours must not end all deliveries
                log.exception("deliveries failed in a way nobody thought of")
            stopping.wait(LOOK_SECONDS)

    def deliver_next(self) -> bool:
        """Send what is due first, of those whom nobody else serves; False when nothing is.

        Raises DatabaseDownError.
        """
        with self._taking:
            taken = self._take()
            if taken is None:
                return False
            owner = taken[0].owner_id
            self._served.add(owner)
        try:
            self._deliver(*taken)
        finally:
            with self._taking:
                self._served.discard(owner)
        return True

    def _deliver(self, row: Delivery, hook: Webhook | None, language: str | None) -> None:
        try:
            if hook is not None:
                status = self._post(row, hook)
                arrived, told = 200 <= status < 300, f"HTTP {status}"
            else:
                assert row.mail is not None
                message = mail.compose(row.body, row.mail, language, self._settings)
                mail.send(message, self._settings)
                status, arrived, told = 0, True, ""
        except UndeliverableError as failed:
            status, arrived, told = 0, False, str(failed)
        except Exception as broke:  # a defect of one delivery: else it would be tried for ever
            log.exception("delivery %s broke in a way nobody thought of", row.id)
            status, arrived, told = 0, False, f"it could not be sent: {type(broke).__name__}"
        self._mark(row, arrived, told, disable=hook is not None and status == GONE)

    def _forget(self) -> None:
        """Once an hour forget what was told long ago, or waits for a closed account."""
        if time.monotonic() < self._forget_at:
            return
        old = Delivery.created_at < func.now() - text(f"interval '{LOG_LIFETIME}'")
        closed = select(Owner.id).where(Owner.disabled_at.is_not(None))
        over = (Delivery.state != "waiting") | Delivery.owner_id.in_(closed)
        with self._database.begin() as session:
            session.execute(delete(Delivery).where(over, old))
        self._forget_at = time.monotonic() + FORGET_SECONDS

    def _take(self) -> tuple[Delivery, Webhook | None, str | None] | None:
        with self._database.begin() as session:
            due = (
                select(Delivery)
                .join(Owner, Owner.id == Delivery.owner_id)
                .where(
                    Delivery.state == "waiting",
                    Delivery.due_at <= func.clock_timestamp(),
                    Delivery.owner_id.not_in(self._served),
                    Owner.disabled_at.is_(None),  # who was shut out is told nothing more
                )
                .order_by(Delivery.due_at)
                .limit(1)
                .with_for_update(skip_locked=True, of=Delivery)
            )
            row = session.scalars(due).first()
            if row is None:
                return None
            hook = session.get(Webhook, row.webhook_id) if row.webhook_id else None
            language = session.scalars(
                select(Owner.language).where(Owner.id == row.owner_id)
            ).first()
            held = update(Delivery).where(Delivery.id == row.id)
            session.execute(
                held.values(
                    attempts=Delivery.attempts + 1, due_at=func.clock_timestamp() + HELD
                ).execution_options(synchronize_session=False)
            )
            return row, hook, language

    def _post(self, row: Delivery, hook: Webhook) -> int:
        body = json.dumps(row.body, separators=(",", ":"), ensure_ascii=False).encode()
        target = webhooks.resolve(hook.url, self._settings.webhook_private)
        now, id_ = int(time.time()), f"msg_{row.id.hex}"
        headers = {
            "content-type": "application/json",
            "webhook-id": id_,
            "webhook-timestamp": str(now),
            "webhook-signature": webhooks.sign(hook.secret, id_, now, body),
        }
        return webhooks.send(target, headers, body)

    def _mark(self, row: Delivery, arrived: bool, told: str, disable: bool) -> None:
        tried = row.attempts + 1
        values: dict[str, Any] = {"answer": told, "tried_at": func.clock_timestamp()}
        if arrived:
            values["state"] = "delivered"
        elif disable or tried >= len(notices.RETRIES):
            values["state"] = "failed"
            log.warning("delivery %s is given up: %s", row.id, told)
        else:
            pause = timedelta(seconds=notices.RETRIES[tried])
            values["due_at"] = func.clock_timestamp() + pause
        with self._database.begin() as session:
            if disable:  # first, as whoever removes the webhook does
                session.execute(
                    update(Webhook)
                    .where(Webhook.id == row.webhook_id)
                    .values(disabled_at=func.clock_timestamp())
                    .execution_options(synchronize_session=False)
                )
            session.execute(
                update(Delivery)
                .where(Delivery.id == row.id)
                .values(**values)
                .execution_options(synchronize_session=False)
            )
