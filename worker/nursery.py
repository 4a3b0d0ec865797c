"""Runner processes: one always waits with torch imported, so that a job starts at once."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from jobs.settings import bare_environment
from worker.protocol import Assignment, Do, Say, Sender, Stop, messages
from worker.slots import SlotSpec

READY_SECONDS = 120.0

log = logging.getLogger(__name__)


class Runner:
    """A child process of the calling thread, in a session of its own."""

    def __init__(self, slot: SlotSpec) -> None:
        """Start it. The thread that calls must outlive it: the kernel kills it with the thread."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "worker.runner", "--parent", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(slot),
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._sender = Sender(self._process.stdin)
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._closed = False
        self.born = time.monotonic()
        self.ready = threading.Event()
        threading.Thread(target=self._listen, name="runner-ear", daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process id, which is also its process group and session."""
        return self._process.pid

    def start(self, assignment: Assignment) -> None:
        """Give it its job."""
        self._tell(Do.START, assignment=assignment.to_json())

    def lease(self, until: float) -> None:
        """Tell it how far its lease reaches on the boot clock."""
        self._tell(Do.LEASE, until=until)

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
        """Whether the process has ended and was waited for."""
        return self._process.poll() is not None

    def signal_group(self, number: int) -> None:
        """Signal the process and whatever it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """End it now and wait until it is gone."""
        self.signal_group(signal.SIGKILL)
        self._process.wait()

    def wait(self, timeout: float) -> bool:
        """Wait for its end; whether it came."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def cause_of_death(self) -> str:
        """How it ended, in words for the log."""
        code = self._process.returncode
        if code is not None and code < 0:
            return f"runner {self.pid} was ended by {signal.Signals(-code).name}"
        return f"runner {self.pid} exited with status {code}"

    def _tell(self, what: Do, **values: Any) -> None:
        # A dead runner hears nothing; its end is noticed where its process is waited for.
        with contextlib.suppress(OSError):
            self._sender.send(what, **values)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            for message in messages(self._process.stdout):
                if message["is"] == Say.READY:
                    self.ready.set()
                else:
                    self._said.put(message)
        finally:
            self._said.put(None)


class Nursery:
    """Keeps one runner waiting. Every call must come from one thread, which must stay alive."""

    def __init__(self, slot: SlotSpec) -> None:
        self._slot = slot
        self._standby: Runner | None = None

    def keep(self) -> None:
        """Replace the standby if it died or never got ready."""
        standby = self._standby
        if standby is not None and (standby.gone or self._overdue(standby)):
            log.warning("standby lost: %s", standby.cause_of_death())
            standby.kill()
            self._standby = None
        if self._standby is None:
            self._standby = Runner(self._slot)

    def await_ready(self, timeout: float) -> bool:
        """Wait for the standby to be ready; whether it is."""
        return self._standby is not None and self._standby.ready.wait(timeout)

    def take(self) -> Runner:
        """The standby, which is no longer one."""
        if self._standby is None:
            self._standby = Runner(self._slot)
        taken, self._standby = self._standby, None
        return taken

    def close(self) -> None:
        """End the standby."""
        if self._standby is not None:
            self._standby.kill()
            self._standby = None

    @staticmethod
    def _overdue(standby: Runner) -> bool:
        return not standby.ready.is_set() and time.monotonic() - standby.born > READY_SECONDS


def _environment(slot: SlotSpec) -> dict[str, str]:
    visible = "" if slot.resource == "cpu" else slot.device
    pinned = {"CUDA_VISIBLE_DEVICES": visible, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return {**bare_environment(), **pinned}
