"""``atelier up`` as a person meets it: it starts, stays, stops, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from atelier.local import Stack
from jobs.settings import Settings
from tests.atelier.watching import ATELIER, Up, processes_of, until
from tests.ports import port_near

NAMES = ("celery", "keeper", "worker.runner", "valkey-server", "postgres", "gunicorn", "atelier up")


@pytest.fixture
def port() -> str:
    return str(port_near(19_000))


@pytest.fixture
def up(data: Path, port: str) -> Iterator[Up]:
    started = Up(data, PORT=port)
    started.wait_ready()
    yield started
    started.process.kill()
    started.process.wait()


def await_words(up: Up, words: str) -> None:
    until(lambda: words in up.said, 10, words)


def everything_runs(data: Path) -> bool:
    lines = " ".join(processes_of(data).values())
    return all(name in lines for name in NAMES)


def test_killed_outright_it_leaves_no_process_behind(up: Up) -> None:
    # The runner's environment is bare, but it works below the data folder.
    until(lambda: everything_runs(up.data), 30, f"all of {NAMES}")
    up.process.kill()
    up.process.wait()
    until(lambda: not processes_of(up.data), 5, "end of all processes")


def test_ctrl_c_stops_it_in_order(up: Up) -> None:
    assert stat.S_IMODE((up.data / "token").stat().st_mode) == 0o600
    verified = subprocess.run(
        [*ATELIER, "admin", "verify"],
        env={**os.environ, "ATELIER_DATA": str(up.data)},
        capture_output=True,
        text=True,
    )
    assert verified.stdout == "Looked at 0 jobs and 0 stored files: well.\n", verified.stderr
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(60) == 0
    assert not processes_of(up.data)
    assert up.said.endswith("Stopped.\n")
    assert "killed it" not in up.said
    assert not (up.data / "address").exists()
    log = (up.data / "logs" / "postgres.log").read_text()
    assert "database system is shut down" in log


def test_what_dies_is_started_again_and_a_second_up_is_refused(up: Up) -> None:
    second = subprocess.run(
        [*ATELIER, "up"],
        env={**os.environ, "ATELIER_DATA": str(up.data)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert f"process {up.process.pid}" in second.stderr
    assert "ATELIER_DATA" in second.stderr
    for name, part in (("web", "gunicorn"), ("postgres", "bin/postgres"), ("valkey", "valkey-s")):
        os.kill(min(pid for pid, line in processes_of(up.data).items() if part in line), 9)
        await_words(up, f"{name} ended (killed by SIGKILL); starting it again")
    ready = f"{up.address()}/readyz"
    until(lambda: _status(ready) == 200, 20, "ready again")


def test_a_taken_port_is_named_and_the_next_one_used(data: Path, port: str) -> None:
    with socket.create_server(("127.0.0.1", int(port))):
        started = Up(data, PORT=port)
        started.wait_ready()
        assert f"Port {port} is taken; using " in started.said
        assert started.address() != f"http://127.0.0.1:{port}"
        assert _status(f"{started.address()}/readyz") == 200
        started.process.kill()
        started.process.wait()


@pytest.mark.parametrize("moment", ["initdb", "--single", "bin/postgres -D", "migrations"])
def test_killed_while_it_starts_it_leaves_nothing_and_starts_again(
    data: Path, port: str, moment: str
) -> None:
    started = Up(data, PORT=port)
    until(
        lambda: any(moment in line for line in processes_of(data).values()),
        30,
        f"{moment} to be seen",
    )
    started.process.kill()
    started.process.wait()
    until(lambda: not processes_of(data), 10, "end of all processes")
    with Stack(Settings.read({"ATELIER_DATA": str(data)}), ["postgres", "migrate"]) as stack:
        assert stack.settings.database_url


def test_stopped_while_it_starts_it_stops(data: Path, port: str) -> None:
    started = Up(data, PORT=port)
    until(lambda: any("postgres" in line for line in processes_of(data).values()), 30, "start")
    started.process.send_signal(signal.SIGTERM)
    started.process.wait(30)
    assert not processes_of(data)
    assert "Traceback" not in started.said


def test_a_setting_that_cannot_be_used_is_named(data: Path) -> None:
    started = Up(data, PORT="eighty")
    assert started.process.wait(20) == 2
    assert "PORT='eighty'" in started.said
    assert "Traceback" not in started.said


def _status(url: str) -> int:
    try:
        return requests.get(url, timeout=5).status_code
    except requests.ConnectionError:
        return 0
