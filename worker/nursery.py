"""Runner processes: one always waits with torch imported, so that a job starts at once."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import select
import signal
import threading
import time
from typing import Any

from worker.forks import ForkServer, ForkServerError
from worker.protocol import Assignment, Do, Say, Sender, Stop, messages
from worker.slots import SlotSpec

IMPORT_SECONDS = 120.0
FORK_SECONDS = 5.0
# A fork is ready within milliseconds. One that is not by then never will be.
READY_SECONDS = 30.0
MEASURE_SECONDS = 60.0

log = logging.getLogger(__name__)


class Runner:
    """A process that runs one attempt, in a session of its own."""

    def __init__(self, server: ForkServer) -> None:
        """Fork it. Raises :class:`ForkServerError`, and OSError or RuntimeError where no further
        file or thread is to be had; nothing is left open then, which ends what was forked."""
        self._server = server
        with contextlib.ExitStack() as undo, contextlib.ExitStack() as theirs:
            theirs_in, ours_in = os.pipe()
            theirs.callback(os.close, theirs_in)
            self._sender = Sender(undo.enter_context(os.fdopen(ours_in, "wb")))
            ours_out, theirs_out = os.pipe()
            theirs.callback(os.close, theirs_out)
            self._mouth = undo.enter_context(os.fdopen(ours_out, "rb"))
            self._pid, self._pidfd = server.fork(theirs_in, theirs_out, FORK_SECONDS)
            undo.callback(os.close, self._pidfd)
            self.born = time.monotonic()
            self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()
            self._closed = self._ended = False
            self._status: int | None = None
            self.ready = threading.Event()
            threading.Thread(target=self._listen, name="runner-ear", daemon=True).start()
            undo.pop_all()

    @property
    def pid(self) -> int:
        """Its process id, which is also its process group and session."""
        return self._pid

    def start(self, assignment: Assignment) -> None:
        """Give it its job."""
        self._tell(Do.START, assignment=assignment.to_json())

    def measure(self, threads: int) -> float | None:
        """Have it measure its machine with so many threads instead, after which it ends: operations
        a second of a matrix product, None where it does not say within :data:`MEASURE_SECONDS`."""
        self._tell(Do.MEASURE, threads=threads)
        message = self.next_message(MEASURE_SECONDS)
        return float(message["rate"]) if message and message["is"] == Say.RATE else None

    def lease(self, until: float) -> None:
        """Tell it how far its lease reaches on the boot clock."""
        self._tell(Do.LEASE, until=until)

    def snapshot(self, of: str) -> None:
        """Ask it to hand out a model at its next step boundary."""
        self._tell(Do.SNAPSHOT, of=of)

    def stop(self, why: Stop) -> None:
        """Ask it to stop at its next step boundary."""
        self._tell(Do.STOP, why=str(why))

    def next_message(self, timeout: float) -> dict[str, Any] | None:
        """What it says next; None after ``timeout`` seconds or when it will say no more."""
        if self._closed:
            return None
        try:
            message = self._said.get(timeout=timeout)
        except queue.Empty:
            return None
        self._closed = message is None
        return message

    @property
    def silent(self) -> bool:
        """Whether it has closed its pipe and everything it said was heard."""
        return self._closed

    @property
    def gone(self) -> bool:
        """Whether the process has ended: no thread of it is left, its memory is free."""
        return self.wait(0.0)

    def signal_group(self, number: int) -> None:
        """Signal the process and whatever it has started."""
        if self.gone:
            return
        try:
            os.killpg(self._pid, number)
        except ProcessLookupError:  # just forked: it has not made its group yet
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """End it now and wait until it is gone."""
        self.signal_group(signal.SIGKILL)
        self.wait(None)

    def wait(self, timeout: float | None) -> bool:
        """Wait for its end; whether it came. A pidfd tells even if its parent is gone too.

        What it has started ends with it. At once or never: its number may later be another's.
        """
        if self._ended:
            return True
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        self._ended = bool(poll.poll(None if timeout is None else 1000 * timeout))
        if self._ended:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
        return self._ended

    def cause_of_death(self) -> str:
        """How it ended, in words for the log."""
        if self._status is None:
            self._status = self._server.status_of(self._pid)
        if self._status is None:
            return f"runner {self._pid} ended with its fork server"
        if self._status < 0:
            return f"runner {self._pid} was ended by {signal.Signals(-self._status).name}"
        return f"runner {self._pid} exited with status {self._status}"

    @property
    def was_killed(self) -> bool:
        """Whether SIGKILL ended it, as the kernel does when memory runs out."""
        self.cause_of_death()
        return self._status == -signal.SIGKILL

    @property
    def ended_with_server(self) -> bool:
        """Whether it was its fork server that was lost, and this process with it."""
        self.cause_of_death()
        return self._status is None and self._server.lost

    def close(self) -> None:
        """Let go of the files that lead to a process that is gone."""
        with contextlib.suppress(OSError):
            self._sender.close()
        os.close(self._pidfd)

    def _tell(self, what: Do, **values: Any) -> None:
        # A dead runner hears nothing; its end is noticed where its process is waited for.
        with contextlib.suppress(OSError):
            self._sender.send(what, **values)

    def _listen(self) -> None:
        try:
            with self._mouth as mouth:
                for message in messages(mouth):
                    if message["is"] == Say.READY:
                        self.ready.set()
                    else:
                        self._said.put(message)
        finally:  # who waits for its end hears of it, whatever was among its words
            self._said.put(None)


class Nursery:
    """Keeps one runner waiting. Every call must come from one thread, which must stay alive."""

    def __init__(self, slot: SlotSpec) -> None:
        self._slot = slot
        self._server: ForkServer | None = None
        self._standby: Runner | None = None

    def tend(self) -> None:
        """See that the fork server lives; never waits."""
        server = self._server
        if server is not None and server.gone:
            log.warning("the fork server of slot %s was lost", self._slot.name)
            self.close()
        if self._server is None:
            self._server = ForkServer(self._slot)

    def await_standby(self, timeout: float) -> bool:
        """See that a runner waits; whether one does within ``timeout`` seconds."""
        until = time.monotonic() + timeout
        if self._standby is not None and self._standby.gone:
            log.warning("standby lost: %s", self._standby.cause_of_death())
            self._drop_standby()
        self.tend()
        assert self._server is not None
        if not self._server.await_ready(timeout):
            if time.monotonic() - self._server.born > IMPORT_SECONDS:
                self.close()
            return False
        if self._standby is None:
            try:
                self._standby = Runner(self._server)
            except ForkServerError as hung:
                log.warning("the fork server of slot %s: %s", self._slot.name, hung)
                self.close()
                return False
        if self._standby.ready.wait(max(until - time.monotonic(), FORK_SECONDS)):
            return True
        if time.monotonic() - self._standby.born > READY_SECONDS:
            log.warning(
                "standby %s does not become ready; another takes its place", self._standby.pid
            )
            self._drop_standby()
        return False

    def take(self) -> Runner:
        """The standby, which is no longer one; :meth:`await_standby` must have said True."""
        assert self._standby is not None
        taken, self._standby = self._standby, None
        return taken

    def close(self) -> None:
        """End the standby and the fork server, and with it every runner it has forked."""
        self._drop_standby()
        if self._server is not None:
            self._server.kill()
            self._server = None

    def _drop_standby(self) -> None:
        if self._standby is not None:
            self._standby.kill()
            self._standby.close()
            self._standby = None
