"""How the parts of a studio answer that its database cannot tell of, asked only now and then."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from sqlalchemy import text

from jobs.office.alarms import Services
from webui.studio import Studio

KEPT_SECONDS = 5.0


@dataclass
class _Kept:
    """The last answers, and when they came."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    at: float = 0.0
    redis_seconds: float | None = None
    storage_answers: bool = True
    of: object = None


_kept = _Kept()


def ask(studio: Studio) -> Services:
    """How they answer. One request asks, those beside it take the answer it got.

    Raises DatabaseDownError when the database is away.
    """
    began = time.perf_counter()
    with studio.database.begin() as session:
        session.execute(text("SELECT 1"))
    database_seconds = time.perf_counter() - began
    with _kept.lock:
        now = time.monotonic()
        if _kept.of is not studio.storage or now - _kept.at > KEPT_SECONDS:
            _kept.redis_seconds = studio.waker.broker_seconds()
            _kept.storage_answers = studio.storage.answers()
            _kept.at, _kept.of = time.monotonic(), studio.storage
        return Services(database_seconds, _kept.redis_seconds, _kept.storage_answers)
