"""Looking at processes from outside, as an operator would."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ATELIER = [sys.executable, "-m", "atelier"]


def processes_of(folder: Path) -> dict[int, str]:
    """Every living process whose command line or environment names ``folder``, but this one."""
    wanted = os.fsencode(folder)
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes()
            named = wanted in line or wanted in (entry / "environ").read_bytes()
            inside = os.fsencode((entry / "cwd").readlink()).startswith(wanted)
        except OSError:
            continue
        if (named or inside) and int(entry.name) != os.getpid():
            found[int(entry.name)] = line.replace(b"\0", b" ").decode()
    return found


def until(true: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for something that is told by nobody; fail when it does not come."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


class Up:
    """``atelier up`` as a person starts it: a process with a terminal's worth of output."""

    def __init__(self, data: Path, **variables: str) -> None:
        self.data = data
        environment = {**os.environ, "ATELIER_DATA": str(data), "ATELIER_SLOTS": "cpu:1"}
        self._output = data.with_suffix(".out")
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [*ATELIER, "up"],
                env={**environment, **variables},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """What it printed so far."""
        return self._output.read_text()

    def wait_ready(self) -> None:
        """Until it says that it is up."""
        until(lambda: "Ctrl-C" in self.said or self.process.poll() is not None, 60, "start")
        assert self.process.poll() is None, self.said

    def address(self) -> str:
        """Where it serves."""
        return (self.data / "address").read_text()
