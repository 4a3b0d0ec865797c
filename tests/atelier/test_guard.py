"""A guarded program cannot outlive whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from atelier import guard
from atelier.children import ready
from tests.atelier.watching import until

SLEEP = ["sleep", "600"]


def test_a_guarded_child_dies_with_its_parent() -> None:
    script = textwrap.dedent(f"""
        import subprocess, time
        from atelier.guard import guarded
        print(subprocess.Popen(guarded({SLEEP!r})).pid, flush=True)
        time.sleep(600)
    """)
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    with parent.stdout:
        child = int(parent.stdout.readline())
    until(lambda: b"sleep" in Path(f"/proc/{child}/cmdline").read_bytes(), 5, "exec")
    watched = os.pidfd_open(child)
    parent.kill()
    parent.wait()
    assert ready(watched, 5)
    os.close(watched)


def test_it_refuses_to_start_when_the_parent_is_gone_already() -> None:
    argv = guard.guarded(["echo", "alive"])
    argv[argv.index("--parent") + 1] = "1"
    done = subprocess.run(argv, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (guard.REFUSED, b"")


def test_it_says_which_program_is_missing() -> None:
    done = subprocess.run(guard.guarded(["/no/such"]), capture_output=True, check=False, text=True)
    assert done.returncode == guard.REFUSED
    assert done.stderr == "/no/such: No such file or directory\n"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_it_drops_privileges_and_is_still_bound_to_its_parent() -> None:
    nobody = (65534, 65534)
    asked = subprocess.run(guard.guarded(["id", "-u"], nobody), check=True, capture_output=True)
    assert asked.stdout == b"65534\n"
    child = subprocess.Popen(guard.guarded(SLEEP, nobody, signal.SIGTERM))
    until(lambda: b"sleep" in Path(f"/proc/{child.pid}/cmdline").read_bytes(), 5, "exec")
    assert "Groups:\t \n" in Path(f"/proc/{child.pid}/status").read_text()
    child.kill()
    child.wait()
