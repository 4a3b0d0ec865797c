"""Runners are forked from a process that has torch imported."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from worker.forks import ForkServer, ForkServerError
from worker.nursery import Nursery, Runner
from worker.slots import SlotSpec

CPU = SlotSpec("cpu:0", "cpu", "cpu")
SECONDS = 60.0
OPEN = Path("/proc/self/fd")


class Family:
    """A nursery of the CPU, and the runners taken from it."""

    def __init__(self) -> None:
        self.nursery = Nursery(CPU)
        self._taken: list[Runner] = []

    def take(self) -> Runner:
        """A runner that is ready."""
        assert self.nursery.await_standby(SECONDS)
        self._taken.append(self.nursery.take())
        return self._taken[-1]

    def end(self) -> None:
        """End them all."""
        self.nursery.close()
        for runner in self._taken:
            runner.kill()
            runner.close()


@pytest.fixture
def family() -> Iterator[Family]:
    """A family that ends with the test."""
    started = Family()
    yield started
    started.end()


def parent_of(pid: int) -> int:
    """The process that forked ``pid``."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def test_runners_share_a_parent_but_have_sessions_of_their_own(family: Family) -> None:
    one, other = family.take(), family.take()
    assert parent_of(one.pid) == parent_of(other.pid) != os.getpid()
    assert os.getsid(one.pid) == one.pid
    assert os.getsid(other.pid) == other.pid


def test_a_runner_can_measure_its_machine_instead_of_running_a_job(family: Family) -> None:
    runner = family.take()
    rate = runner.measure(threads=1)
    assert rate is not None
    # A core of any machine does more than a hundred million operations a second.
    assert rate > 1e8
    assert runner.wait(SECONDS)


def test_how_a_runner_ended_can_be_asked_after_its_fork_server_was_let_go(family: Family) -> None:
    """The slot tends its nursery on one thread while the clerk records the end on another."""
    runner = family.take()
    family.nursery.close()
    assert runner.wait(SECONDS)
    assert runner.cause_of_death() == f"runner {runner.pid} ended with its fork server"
    assert not runner.was_killed


def test_runners_end_with_their_fork_server(family: Family) -> None:
    runner = family.take()
    os.kill(parent_of(runner.pid), signal.SIGKILL)
    assert runner.wait(SECONDS)
    assert "fork server" in runner.cause_of_death()
    assert runner.ended_with_server


def test_a_lost_fork_server_is_replaced(family: Family) -> None:
    lost = parent_of(family.take().pid)
    os.kill(lost, signal.SIGKILL)
    os.waitid(os.P_PID, lost, os.WEXITED | os.WNOWAIT)
    assert parent_of(family.take().pid) != lost


def test_a_killed_standby_is_replaced(family: Family) -> None:
    assert family.nursery.await_standby(SECONDS)
    standby = family.nursery._standby
    assert standby is not None
    os.kill(standby.pid, signal.SIGKILL)
    assert standby.wait(SECONDS)
    assert family.take().pid != standby.pid


def test_it_is_told_how_a_runner_ended(family: Family) -> None:
    runner = family.take()
    runner.kill()
    assert "SIGKILL" in runner.cause_of_death()
    assert not runner.ended_with_server


@contextmanager
def hearing(*said: tuple[dict[str, Any], list[int]]) -> Iterator[ForkServer]:
    """The worker's side, with what a server has said so far."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = object.__new__(ForkServer)
    server._channel, server._hearing = ours, threading.Lock()
    server._ready = server._closed = False
    server._forked, server._ended = None, {}
    with ours, theirs:
        for message, files in said:
            socket.send_fds(theirs, [json.dumps(message).encode()], files)
        yield server


def test_how_an_earlier_runner_of_the_same_number_ended_is_not_told_of_the_next(
    tmp_path: Path,
) -> None:
    """Numbers come again; nobody had asked of the first."""
    with (tmp_path / "pidfd").open("wb") as any_file:
        forked: tuple[dict[str, Any], list[int]] = (
            {"is": "forked", "pid": 7},
            [any_file.fileno()],
        )
        with hearing(({"is": "ended", "pid": 7, "status": 0}, []), forked) as server:
            pid, file = server.fork(0, 1, 1.0)
            os.close(file)
            assert pid == 7
            assert server.status_of(7, 0.0) is None


def test_a_runner_that_nobody_can_watch_makes_its_server_useless() -> None:
    """Where no further file is to be had, the kernel drops the one that came with the answer."""
    with hearing(({"is": "forked", "pid": 7}, [])) as server:
        with pytest.raises(ForkServerError):
            server.fork(0, 1, 1.0)
        assert server.lost


def test_a_runner_that_cannot_be_heard_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no further thread is to be had; a slot tries again every two seconds."""
    asked = []

    class Server:
        """Forks anything."""

        def fork(self, stdin: int, stdout: int, _timeout: float) -> tuple[int, int]:
            reader = subprocess.Popen(["cat"], stdin=stdin, stdout=subprocess.DEVNULL)
            asked.append(reader)
            return reader.pid, os.pidfd_open(reader.pid)

    def none_left(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = set(OPEN.iterdir())
    monkeypatch.setattr(threading.Thread, "start", none_left)
    with pytest.raises(RuntimeError):
        Runner(cast(ForkServer, Server()))
    assert set(OPEN.iterdir()) <= before
    assert asked[0].wait(10) == 0, "it was not told that nobody wants it"


def test_a_runner_holds_none_of_its_servers_and_siblings_files(family: Family) -> None:
    sibling = family.take()
    runner = family.take()
    assert not [name for name in files_of(runner.pid) if name.startswith(("socket:", "anon_inode"))]
    shared = files_of(sibling.pid) & files_of(runner.pid) - {*output_of_this_process()}
    assert not [name for name in shared if name.startswith("pipe:")]


def files_of(pid: int) -> set[str]:
    """What a process has open."""
    return {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}


def output_of_this_process() -> set[str]:
    """What every child writes its own output to."""
    return {str(Path(f"/proc/self/fd/{number}").readlink()) for number in (1, 2)}
