"""How the parts of a studio answer that its database cannot tell of, asked only now and then.

A storage that hangs, as a network folder does whose server is gone, hangs whoever asks it: a thread
of its own asks each part, and whoever would know waits for it only so long. The overview must
answer just then.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from sqlalchemy import text

from jobs.office.alarms import Services
from webui.studio import Studio

KEPT_SECONDS = 5.0
PATIENCE_SECONDS = 3.0
T = TypeVar("T")
log = logging.getLogger(__name__)


class _Part(Generic[T]):
    """What one part answered last, and whether it is being asked."""

    def __init__(self, question: Callable[[], T]) -> None:
        self._question = question
        self._lock = threading.Lock()
        self._answered, self._begun_at = threading.Event(), float("-inf")
        self._answer: T | None = None

    def ask(self) -> None:
        """See to it that it is asked, if it was not just now."""
        with self._lock:
            now = time.monotonic()
            still = not self._answered.is_set() and self._begun_at > float("-inf")
            if still or now - self._begun_at < KEPT_SECONDS:
                return
            self._answered.clear()
            self._begun_at = now
            threading.Thread(target=self._ask, name="service", daemon=True).start()

    def answer(self) -> T | None:
        """What it answered; None where it takes too long."""
        left = self._begun_at + PATIENCE_SECONDS - time.monotonic()
        return self._answer if self._answered.wait(max(0.0, left)) else None

    def _ask(self) -> None:
        try:
            self._answer = self._question()
        except Exception as failed:  # whatever a storage's client raises
            log.warning("a part of the studio cannot be asked: %s", failed)
            self._answer = None
        self._answered.set()


class _Parts:
    """Those of one studio."""

    def __init__(self, studio: Studio) -> None:
        self.of = studio.storage
        self.redis = _Part(studio.waker.broker_seconds)
        self.storage = _Part(studio.storage.answers)
        self.room = _Part(studio.storage.free_bytes)


_known: list[_Parts] = []
_knowing = threading.Lock()


def ask(studio: Studio) -> Services:
    """How they answer. One request asks, those beside it take the answer it got; what has not
    answered after :data:`PATIENCE_SECONDS` is away.

    Raises DatabaseDownError when the database is away.
    """
    began = time.perf_counter()
    with studio.database.begin() as session:
        session.execute(text("SELECT 1"))
    database_seconds = time.perf_counter() - began
    parts = _parts(studio)
    parts.redis.ask()
    parts.storage.ask()
    return Services(database_seconds, parts.redis.answer(), bool(parts.storage.answer()))


def room(studio: Studio) -> float | None:
    """Bytes that the storage still takes, infinite where that cannot be asked; None where it hangs.
    Whoever watches asks again and again, and would keep one thread of the web after the other."""
    part = _parts(studio).room
    part.ask()
    return part.answer()


def _parts(studio: Studio) -> _Parts:
    with _knowing:
        if not _known or _known[0].of is not studio.storage:
            _known[:] = [_Parts(studio)]
        return _known[0]
