"""What any program can do over HTTP about being told: wishes, webhooks, deliveries."""

from __future__ import annotations

from typing import TypedDict

from atelier.transport import Transport, segment


class Notices(TypedDict):
    """Mail to an address (None: none), of jobs that took at least ``long_seconds``."""

    mail: str | None
    long_seconds: int


class Webhook(TypedDict, total=False):
    """Where programs are told; ``secret`` stands in the answer that makes it, and nowhere else."""

    id: str
    url: str
    created_at: str
    disabled_at: str | None
    secret: str


class Delivery(TypedDict):
    """Something told or to be told; ``status`` is waiting, delivered or failed."""

    id: str
    job_id: str | None
    webhook_id: str | None
    mail: str | None
    type: str
    status: str
    attempts: int
    answer: str
    created_at: str
    tried_at: str | None
    due_at: str | None


class Telling(Transport):
    """How somebody is told that a long job has ended."""

    def notices(self) -> Notices:
        """What one wants to be told."""
        found: Notices = self._json("GET", "/me/notices")
        return found

    def change_notices(self, **changes: str | int | None) -> Notices:
        """Want something else: ``mail``, ``long_seconds``."""
        changed: Notices = self._json("PUT", "/me/notices", body=changes)
        return changed

    def webhooks(self) -> list[Webhook]:
        """One's webhooks."""
        return list(self._json("GET", "/me/webhooks")["results"])

    def add_webhook(self, url: str) -> Webhook:
        """A new webhook, with its secret."""
        made: Webhook = self._json("POST", "/me/webhooks", body={"url": url})
        return made

    def remove_webhook(self, webhook_id: str) -> None:
        """Forget a webhook."""
        self._send("DELETE", f"/me/webhooks/{segment(webhook_id)}")

    def deliveries(self) -> list[Delivery]:
        """What was and is to be delivered, newest first."""
        return list(self._json("GET", "/me/deliveries")["results"])

    def replay(self, delivery_id: str) -> Delivery:
        """Deliver again, now, under the same id."""
        told: Delivery = self._json("POST", f"/me/deliveries/{segment(delivery_id)}/replay")
        return told
