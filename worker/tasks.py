"""The Celery worker of one slot, and its one task: a wake.

The slot lives on a thread of its own from before the first connection to the broker until
after the last, so it also serves while Redis is away.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from celery import Celery, signals
from celery.apps import worker as celery_worker

from jobs import process_log
from jobs.database import connect
from jobs.queue import WAKE_TASK, make_app
from jobs.settings import Settings, SettingsError
from jobs.storage import Storage
from worker import bell
from worker.slot import Slot
from worker.slots import spec

STOP_SECONDS = 25.0

log = logging.getLogger(__name__)
_slots: list[Slot] = []


def _settings() -> Settings:
    try:
        return Settings.read()
    except SettingsError as wrong:
        sys.exit(str(wrong))


settings = _settings()
app: Celery = make_app(settings)
app.steps["consumer"].add(bell.Bell)


@app.task(name=WAKE_TASK)
def wake() -> None:
    """Look at the database: a job may be waiting. Returns when none is."""
    try:
        for slot in _slots:
            slot.nudge()
    finally:
        bell.ring()


@signals.setup_logging.connect
def _keep_logging(**_: Any) -> None:
    """Somebody listens, so Celery leaves the loggers alone."""


@signals.celeryd_init.connect
def _begin_log(instance: Any, **_: Any) -> None:
    process_log.begin("worker", settings)
    instance.quiet = True  # its banner is a drawing, not a line of a log
    # It tells of signals past the loggers, from within the signal.
    celery_worker.safe_say = _say  # type: ignore[attr-defined]  # its own function


def _say(words: str, *_: Any) -> None:
    process_log.say_from_signal("worker", settings, words)


@signals.worker_init.connect
def _open_slot(**_: Any) -> None:
    try:
        slot_spec = spec(settings)
        storage = Storage(settings.storage)
    except SettingsError as wrong:
        sys.exit(str(wrong))
    except Exception as broken:
        # Celery would go on without a slot, and take wakes for nobody.
        log.exception("no slot can be opened")
        sys.exit(f"no slot can be opened: {broken}")
    slot = Slot(settings, slot_spec, connect(settings, connections=4), storage)
    _slots.append(slot)
    slot.start()


@signals.worker_shutting_down.connect
def _stop_slot(**_: Any) -> None:
    for slot in _slots:
        slot.stop()


@signals.worker_shutdown.connect
def _await_slot(**_: Any) -> None:
    for slot in _slots:
        slot.stop()
        slot.join(STOP_SECONDS)
