"""The runner's ear: what its supervisor last said, and the hold at the lease's end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import IO

from engines.kind import Snapshot
from worker.protocol import Assignment, Do, Stop, boot_clock, messages

HOLD_LIMIT_SECONDS = 15 * 60.0


class Control:
    """Listens on its own thread; the run asks at every step boundary."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._changed = threading.Condition()
        self._assignment: Assignment | None = None
        self.threads = 0
        self._step_until = 0.0
        self._stop: Stop | None = None
        self._snapshots: list[Snapshot] = []
        threading.Thread(target=self._listen, name="control", daemon=True).start()

    def await_start(self) -> Assignment | None:
        """Wait until there is a job to run; None where the machine is to be measured instead, with
        so many :attr:`threads`."""
        with self._changed:
            while self._assignment is None and not self.threads:
                self._changed.wait()
            return self._assignment

    def stop_wanted(self) -> Stop | None:
        """Whether and why the run shall stop."""
        return self._stop

    def snapshots_wanted(self) -> list[Snapshot]:
        """Which models the run shall hand out now; each time that is asked for is told once."""
        with self._changed:
            asked, self._snapshots = self._snapshots, []
            return asked

    def may_step(self, tell_holding: Callable[[], None]) -> bool:
        """Wait at a step boundary until the lease reaches far enough.

        Returns True when the run may go on (or has been told to stop, see
        :meth:`stop_wanted`), False when it has held so long that it shall leave.
        """
        began = boot_clock()
        while True:
            with self._changed:
                if self._stop is not None or boot_clock() < self._step_until:
                    return True
                if boot_clock() - began > HOLD_LIMIT_SECONDS:
                    return False
                self._changed.wait(1.0)
            tell_holding()

    def _listen(self) -> None:
        for message in messages(self._pipe):
            with self._changed:
                match message["is"]:
                    case Do.START:
                        self._assignment = Assignment.from_json(message["assignment"])
                        self._step_until = self._assignment.step_until
                    case Do.MEASURE:
                        self.threads = message["threads"]
                    case Do.LEASE:
                        self._step_until = message["until"]
                    case Do.SNAPSHOT:
                        self._snapshots.append(message["of"])
                    case Do.STOP:
                        self._stop = Stop(message["why"])
                self._changed.notify_all()
        # The supervisor is gone: whatever this run still does would be somebody else's work.
        os._exit(1)
