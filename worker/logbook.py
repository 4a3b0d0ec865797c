"""What a run said in its log file, as its artist may read it.

The file on the worker's machine holds everything, tracebacks and the words of libraries
included. An artist reads the lines that the runner and the engines log, without the server's
paths; what else stands between them is only counted.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path

from jobs import process_log

# How the runner logs; LINE takes apart what this has written.
LOG_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s"
LOG_TIME = "%Y-%m-%dT%H:%M:%S"
LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z [A-Z]+ (runner|engines(?:\.\w+)*) .*")
# Two folders or more from the root; a fraction, a date or an address on the web is none.
PATH = re.compile(r"(?<![\w.:/])(?:/[\w.+@~-]+)+/([\w.+@~-]*)")

BYTES_PER_ATTEMPT = 256 * 1024
LONGEST_LINE = 2000
CUT_OFF = "(The rest of this attempt is in the log on the machine that ran it.)"
# A run that writes faster than this for each look at it is skipped through.
BYTES_PER_LOOK = 1024 * 1024


def log_to(path: Path, form: logging.Formatter | None = None) -> None:
    """Send all that this process writes and logs to a file, after what is in it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    logging.Formatter.converter = time.gmtime
    process_log.configure(form or logging.Formatter(LOG_FORMAT, LOG_TIME), "INFO")


class Logbook:
    """One attempt's part of a log file, from where the file ends now."""

    def __init__(self, path: Path, attempt: int) -> None:
        self._path = path
        self._at = path.stat().st_size if path.exists() else 0
        self._rest = b""
        self._left_out = 0
        self._room = BYTES_PER_ATTEMPT
        self._full = False
        self._unsent = b""
        self.note(f"attempt {attempt}")

    def note(self, words: str) -> None:
        """Add a line of the worker's own."""
        self._add(_own_line(words))

    def unsent(self, ended: bool = False) -> bytes:
        """Whole lines that were not :meth:`sent` yet. ``ended``: nothing more will come."""
        for line in self._new_lines(ended):
            self._take(line)
        if ended:
            self._tell_left_out()
        return self._unsent

    def sent(self, content: bytes) -> None:
        """Forget what is kept elsewhere now, or cannot be."""
        self._unsent = self._unsent.removeprefix(content)

    def _new_lines(self, ended: bool) -> list[bytes]:
        try:
            with self._path.open("rb") as log:
                size = log.seek(0, 2)
                if size - self._at > BYTES_PER_LOOK:
                    self._at = size - BYTES_PER_LOOK
                    self._rest, self._left_out = b"", self._left_out + 1
                log.seek(self._at)
                read = log.read(BYTES_PER_LOOK)
        except OSError:
            return []  # no log is no reason to end a run
        self._at += len(read)
        *lines, self._rest = (self._rest + read).split(b"\n")
        # Without an end of line for so long it is no line of ours.
        if ended or len(self._rest) > LONGEST_LINE:
            lines, self._rest = [*lines, self._rest], b""
        return [line for line in lines if line]

    def _take(self, line: bytes) -> None:
        text = _for_people(line.decode("utf-8", "replace"))
        if LINE.fullmatch(text):
            self._tell_left_out()
            self._add(PATH.sub(r"…/\1", text)[:LONGEST_LINE])
        else:
            self._left_out += 1

    def _tell_left_out(self) -> None:
        if self._left_out:
            lines = "1 line" if self._left_out == 1 else f"{self._left_out} lines"
            self._left_out = 0
            self._add(f"({lines} for the administrator, in the log on the machine that ran this)")

    def _add(self, text: str) -> None:
        line = f"{text}\n".encode()
        self._room -= len(line)
        if self._room >= 0:
            self._unsent += line
        elif not self._full:
            self._full = True
            self._unsent += f"{CUT_OFF}\n".encode()


def _for_people(text: str) -> str:
    """The line as a person reads it, where the log is written for programs."""
    if not text.startswith("{"):
        return text
    try:
        told = json.loads(text)
        words = str(told["message"]).splitlines() or [""]
        return f"{told['time']} {told['level']} {told['logger']} {words[0]}"
    except (ValueError, KeyError, TypeError):
        return text


def _own_line(words: str) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{now} INFO worker {words}"
