"""Tells Celery's event loop that its worker is idle again, so that the next wake is read at once.

Without prefetch Celery asks Redis for a message only while no task runs, and asks anew when its
loop turns. Nothing turns the loop when a task on a thread ends, so a wake sent just then waited
for the loop's next timer, up to a second.
"""

from __future__ import annotations

import os
from typing import Any

from celery import bootsteps
from celery.worker import state

SETTLE_SECONDS = 0.005

_bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)


def ring() -> None:
    """Turn the loop as soon as the task that calls this has ended; safe on any thread."""
    os.eventfd_write(_bell, 1)


class Bell(bootsteps.StartStopStep):
    """Hangs the bell in the worker's event loop, anew after every reconnection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        """Listen; a worker without an event loop looks at the database by itself."""
        hub = consumer.hub
        if hub is None:
            return

        def until_settled() -> None:
            # The task counts as running until a little after its last line.
            if state.reserved_requests:
                hub.call_later(SETTLE_SECONDS, until_settled)

        def heard() -> None:
            os.eventfd_read(_bell)
            until_settled()

        hub.add_reader(_bell, heard)

    def stop(self, consumer: Any) -> None:
        """No longer listen."""
        if consumer.hub is not None:
            consumer.hub.remove(_bell)
