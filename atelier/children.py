"""Child processes of the stack: started under guard, watched by file descriptor, stopped whole."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from atelier.guard import guarded

LOG_BYTES = 5_000_000
FIRST_BACKOFF = 0.5
LONGEST_BACKOFF = 5.0
# One that lived this long is not failing at its start: its backoff begins anew.
STEADY_SECONDS = 60.0


@dataclass(frozen=True)
class Program:
    """How one process is started and stopped.

    ``last_words`` is the signal the kernel sends when ``atelier up`` dies; ``stop_signal`` and
    ``stop_seconds`` are how we end it ourselves before SIGKILL.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    folder: Path
    user: tuple[int, int] | None = None
    last_words: int = signal.SIGKILL
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 10.0


@dataclass
class Child:
    """A program and, while it runs, its process. Start it from a thread that outlives it."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    pidfd: int = -1
    started: float = 0.0
    backoff: float = FIRST_BACKOFF
    again_at: float = field(default=0.0)

    @property
    def name(self) -> str:
        """What people call it: ``web``, ``worker:cpu:0``."""
        return self.program.name

    @property
    def pid(self) -> int:
        """Its process id; -1 when it does not run."""
        return self.process.pid if self.process else -1

    @property
    def running(self) -> bool:
        """Whether it was started and its end has not been taken note of."""
        return self.process is not None

    def start(self, given: bytes | None = None) -> None:
        """Start it: own session, own log, nothing of our terminal; ``given`` is its input."""
        program = self.program
        with open_log(program.log) as log:
            self.process = subprocess.Popen(
                guarded(program.argv, program.user, program.last_words),
                stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=program.folder,
                env=dict(program.environment),
                start_new_session=True,
                umask=0o077,
            )
        self.pidfd = os.pidfd_open(self.process.pid)
        self.started = time.monotonic()
        if self.process.stdin:
            with contextlib.suppress(BrokenPipeError):  # its exit status tells what went wrong
                self.process.stdin.write(given or b"")
                self.process.stdin.close()

    def ended(self) -> int | None:
        """Its exit status when it has ended by itself (negative: a signal), else None.

        What is left of its process group dies with it.
        """
        if self.process is None or not ready(self.pidfd, 0):
            return None
        # Before the status is taken the process id cannot belong to anyone else.
        self._signal_group(signal.SIGKILL)
        status = self.process.wait()
        os.close(self.pidfd)
        self.process = None
        return status

    def delay_restart(self) -> float:
        """Seconds to wait before it is started again: twice as long each time it fails soon."""
        if time.monotonic() - self.started > STEADY_SECONDS:
            self.backoff = FIRST_BACKOFF
        delay = self.backoff
        self.backoff = min(2 * self.backoff, LONGEST_BACKOFF)
        self.again_at = time.monotonic() + delay
        return delay

    def ask_to_stop(self) -> None:
        """Send its stop signal; to itself alone, as it knows best how to end its own."""
        if self.process is not None:
            self.process.send_signal(self.program.stop_signal)

    def stop(self) -> bool:
        """Stop it and wait; False when it had to be killed."""
        if self.process is None:
            return True
        self.ask_to_stop()
        willing = ready(self.pidfd, self.program.stop_seconds)
        if not willing:
            self.kill()
            ready(self.pidfd, None)
        self.ended()
        return willing

    def kill(self) -> None:
        """SIGKILL to its whole process group."""
        if self.process is not None:
            self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def ready(descriptor: int, seconds: float | None) -> bool:
    """Whether the process behind a pidfd ends within ``seconds`` (None: however long)."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if seconds is None else max(0, int(seconds * 1000))))


def open_log(path: Path) -> BinaryIO:
    """A log to append to, readable by its owner alone; a large one is put aside first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def how_it_ended(status: int) -> str:
    """An exit status in words."""
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"


def last_lines(log: Path, count: int = 8) -> str:
    """The end of a log, for a message about what went wrong."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 8000))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.strip().splitlines()[-count:]) or "(nothing in the log)"
