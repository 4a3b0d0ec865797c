"""The Celery app and ``wake()``: messages that say only "look at the database".

A wake carries no job data, so losing every message loses nothing: idle slots also look by
themselves. Publishing happens on a thread of its own, so that no request waits for Redis.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from celery import Celery

from jobs.settings import Settings

WAKE_TASK = "worker.wake"
RESOURCES = ("cpu", "gpu")
ANSWER_SECONDS = 1.0

log = logging.getLogger(__name__)


def make_app(settings: Settings) -> Celery:
    """The Celery app: early acknowledgement, no results, no prefetch, no ETA, no revoke.

    Late acknowledgement would make Redis redeliver after its visibility timeout and run
    day-long jobs twice; a prefetching busy worker swallows wakes meant for idle ones.
    """
    app = Celery("atelier", broker=settings.redis_url, set_as_current=False)
    app.conf.update(
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=2,
        broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 2},
        task_acks_late=False,
        task_ignore_result=True,
        task_publish_retry=False,
        task_serializer="json",
        accept_content=["json"],
        worker_disable_prefetch=True,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_soft_shutdown_timeout=0,
    )
    return app


def answer_seconds(app: Celery) -> float | None:
    """How long the broker takes to answer a new connection; None when it is away."""
    began = time.monotonic()
    bounds = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS}
    try:
        with app.connection_for_write(
            connect_timeout=ANSWER_SECONDS, transport_options=bounds
        ) as connection:
            channel: Any = connection.default_channel  # of its Redis transport
            channel.client.ping()
    except Exception as away:  # kombu raises what its transport raises
        log.warning("the broker does not answer: %s", away)
        return None
    return time.monotonic() - began


class Waker:
    """Publishes wakes from a background thread; several asked at once become one."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._due: set[str] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def wake(self, resource: str) -> None:
        """Ask for a wake on the queue of ``resource``; returns at once, whatever Redis does."""
        with self._changed:
            self._due.add(resource)
            # Started late: a forked web process must not inherit a thread that is not there.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._publish, name="waker", daemon=True)
                self._thread.start()
            self._changed.notify()

    def broker_seconds(self) -> float | None:
        """How long the broker takes to answer; None when it is away."""
        return answer_seconds(self._app)

    def _publish(self) -> None:
        while True:
            with self._changed:
                while not self._due:
                    self._changed.wait()
                resource = self._due.pop()
            try:
                self._app.send_task(WAKE_TASK, queue=resource, ignore_result=True, retry=False)
            except Exception as failed:  # kombu raises what its transport raises
                # Not tried again: slots look at the database by themselves.
                log.warning("wake on %s not published: %s", resource, failed)
