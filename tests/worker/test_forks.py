"""Runners are forked from a process that has torch imported."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.nursery import Nursery, Runner
from worker.slots import SlotSpec

CPU = SlotSpec("cpu:0", "cpu", "cpu")
SECONDS = 60.0


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
