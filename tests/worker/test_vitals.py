"""What a slot measures of itself: real processes, a real machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.atelier.watching import until
from worker import vitals
from worker.slots import SlotSpec
from worker.vitals import Vitals

CPU = SlotSpec("cpu:0", "cpu", "cpu")
# A child that computes, below a parent that sleeps: the tree is what counts.
BUSY = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"


def test_the_machine_is_measured_also_while_nothing_runs() -> None:
    measured = Vitals(CPU, least_seconds=0)
    assert "cpu" not in (measured.due() or {}), "a share of time needs two looks"
    busy = time.monotonic() + 0.1
    while time.monotonic() < busy:
        pass
    told = measured.due()
    assert told is not None
    assert 0 <= told["cpu"] <= 1
    assert 0 < told["memory"] < told["memory_total"]
    assert {"load", "cpu", "memory", "memory_total"} == set(told)


def test_a_run_is_measured_with_all_it_has_started() -> None:
    measured = Vitals(CPU, least_seconds=0)
    runner = subprocess.Popen([sys.executable, "-c", BUSY], start_new_session=True)
    try:
        measured.begin(runner.pid)
        until(lambda: vitals.tree(runner.pid)[0] > 0.3, 30, "the child to compute")
        measured.due()
        before = vitals.tree(runner.pid)[0]
        until(lambda: vitals.tree(runner.pid)[0] > before + 0.2, 30, "the child to go on")
        told = measured.due()
        assert told is not None
        assert told["job_cpu"] > 0
        assert told["job_memory"] > 5_000_000
    finally:
        os.killpg(runner.pid, signal.SIGKILL)
        runner.wait()
    measured.end()
    assert "job_memory" not in (measured.due() or {})


def test_a_process_that_is_gone_is_no_error() -> None:
    assert vitals.tree(2**22 - 1) == (0.0, 0)


def test_steps_per_second_are_those_of_the_last_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    measured = Vitals(CPU, least_seconds=0)
    stepped = measured.begin(2**22 - 1)
    for step in range(200):  # ten steps a second at first, then two
        stepped(step, 1000)
        now[0] += 0.1 if step < 100 else 0.5
    told = measured.due()
    assert told is not None
    assert (told["step"], told["total"], told["steps_per_second"]) == (199, 1000, 2.0)


def test_it_is_measured_only_every_few_seconds() -> None:
    measured = Vitals(CPU)
    assert measured.due() is not None
    assert measured.due() is None


def test_without_a_driver_a_gpu_tells_nothing() -> None:
    assert vitals.gpu(None) == {}
    assert vitals.gpu("GPU-00000000-0000-0000-0000-000000000000") == {}
