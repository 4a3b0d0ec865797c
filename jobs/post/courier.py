"""Delivers what :mod:`jobs.post.notices` wrote down: webhooks and mails, each until it arrived or
was tried as often as the schedule says.

A delivery is taken by moving its due time ahead, sent outside of any transaction, and then marked:
any number of couriers may work, and one that dies leaves its delivery to the next.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, select, text, update

from jobs.database import Database, DatabaseDownError
from jobs.models import Delivery, Owner, Webhook
from jobs.post import mail, notices, webhooks
from jobs.post.webhooks import UndeliverableError
from jobs.settings import Settings

LOOK_SECONDS = 1.0
# Longer than a sending may take; then the delivery is due again.
HELD = timedelta(seconds=120)
FORGET_SECONDS = 3600.0
LOG_LIFETIME = "30 days"
GONE = 410

log = logging.getLogger(__name__)


class Courier:
    """Sends what is due, one after the other."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings
        self._forget_at = 0.0

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
        """Send what is due first; False when nothing is. Raises DatabaseDownError."""
        taken = self._take()
        if taken is None:
            return False
        row, hook, language = taken
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
        return True

    def _forget(self) -> None:
        """Once an hour forget what was told long ago."""
        if time.monotonic() < self._forget_at:
            return
        old = Delivery.created_at < func.now() - text(f"interval '{LOG_LIFETIME}'")
        with self._database.begin() as session:
            session.execute(delete(Delivery).where(Delivery.state != "waiting", old))
        self._forget_at = time.monotonic() + FORGET_SECONDS

    def _take(self) -> tuple[Delivery, Webhook | None, str | None] | None:
        with self._database.begin() as session:
            due = (
                select(Delivery)
                .where(Delivery.state == "waiting", Delivery.due_at <= func.clock_timestamp())
                .order_by(Delivery.due_at)
                .limit(1)
                .with_for_update(skip_locked=True)
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
