"""How every process logs: lines for people, or one JSON object per line (ATELIER_LOG_FORMAT).

What a line is about (job, fence, slot, request, owner) is bound once, where it is known, and stands
in every line logged meanwhile on that thread:

    with process_log.bound(job=job_id, fence=3):
        log.info("checkpoint stored")
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from jobs.settings import Settings

# What may be bound, in the order in which lines show it.
ABOUT = ("job", "fence", "slot", "request", "owner")
LINE = "%(asctime)s %(levelname)s %(name)s %(message)s"

_about: ContextVar[Mapping[str, str]] = ContextVar("about")
_last = logging.getLogger("atelier")


def about() -> Mapping[str, str]:
    """What is bound on this thread now."""
    return _about.get({})


def bind(**names: object) -> None:
    """Let further lines of this thread also tell ``names``; for :func:`clear` to end."""
    unknown = names.keys() - set(ABOUT)
    if unknown:
        raise ValueError(f"no line is about {', '.join(sorted(unknown))}")
    _about.set({**about(), **{name: str(value) for name, value in names.items()}})


def clear() -> None:
    """Forget all that is bound on this thread."""
    _about.set({})


@contextmanager
def bound(**names: object) -> Iterator[None]:
    """Let the lines logged meanwhile tell ``names``."""
    before = about()
    bind(**names)
    try:
        yield
    finally:
        _about.set(before)


class Lines(logging.Formatter):
    """For people: what is bound stands behind the message, unless the message names it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's name)
        """The line without its traceback."""
        line = super().formatMessage(record)
        more = [f"{name}={value}" for name, value in _told() if value not in line]
        return " ".join([line, *more])


class JsonLines(logging.Formatter):
    """For programs: one object per line, the traceback inside it."""

    def __init__(self, process: str, machine: str) -> None:
        super().__init__()
        self._constant = {"process": process, "machine": machine, "pid": os.getpid()}

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            **self._constant,
            "logger": record.name,
            "message": record.getMessage(),
            **dict(_told()),
        }
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)


def formatter(process: str, settings: Settings) -> logging.Formatter:
    """How the process called ``process`` (web, keeper, worker, migrate) writes its lines."""
    if settings.log_format == "json":
        return JsonLines(process, settings.machine)
    return Lines(LINE)


def configure(form: logging.Formatter, level: str) -> None:
    """Let loggers write to stderr in this form, unless whoever embeds us has configured them."""
    out = logging.StreamHandler()
    out.setFormatter(form)
    logging.basicConfig(level=level, handlers=[out])


def begin(process: str, settings: Settings) -> None:
    """Log from now on as a process of its own: warnings and what ends it or a thread included."""
    configure(formatter(process, settings), settings.log_level)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def say_from_signal(process: str, settings: Settings, words: str) -> None:
    """One line from within a signal handler, where the loggers' locks may be held."""
    record = logging.LogRecord("signals", logging.INFO, "", 0, words, None, None)
    os.write(2, f"{formatter(process, settings).format(record)}\n".encode())


def _told() -> Iterator[tuple[str, str]]:
    known = about()
    return ((name, known[name]) for name in ABOUT if name in known)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        _last.critical("this process ends", exc_info=(kind, error, trace))


def _uncaught_in_thread(told: threading.ExceptHookArgs) -> None:
    if told.exc_value is not None and not issubclass(told.exc_type, SystemExit):
        name = told.thread.name if told.thread else "a thread"
        error = (told.exc_type, told.exc_value, told.exc_traceback)
        _last.critical("%s ended", name, exc_info=error)
