"""Logs as programs read them: every process, one JSON object a line, with what it is about."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from atelier.local import Stack
from jobs import process_log
from jobs.database import connect
from jobs.settings import Settings
from jobs.storage import Storage
from tests.commissions import tiny
from tests.jobs.conftest import somebody
from tests.ports import port_near
from tests.worker.test_attempts import runner_of, saved_once
from worker.logbook import Logbook

JSON = Settings.read({"ATELIER_LOG_FORMAT": "json", "ATELIER_HOSTNAME": "north"})


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """A logger of this test's own."""
    made = logging.getLogger("tests.process_log")
    made.propagate = False
    made.setLevel("INFO")
    yield made
    made.handlers.clear()


def written(log: logging.Logger, settings: Settings) -> StringIO:
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(process_log.formatter("keeper", settings))
    log.addHandler(handler)
    return stream


def test_a_line_tells_where_it_comes_from_and_what_it_is_about(log: logging.Logger) -> None:
    stream = written(log, JSON)
    with process_log.bound(slot="gpu:0@north"), process_log.bound(job="j", fence=3):
        log.warning("two\nlines")
    log.info("after")
    first, after = map(json.loads, stream.getvalue().splitlines())
    assert datetime.fromisoformat(first.pop("time")).tzinfo is not None
    assert first == {
        "level": "WARNING",
        "process": "keeper",
        "machine": "north",
        "pid": os.getpid(),
        "logger": log.name,
        "message": "two\nlines",
        "job": "j",
        "fence": "3",
        "slot": "gpu:0@north",
    }
    assert not set(after) & set(process_log.ABOUT)


def test_a_traceback_stays_within_its_line(log: logging.Logger) -> None:
    stream = written(log, JSON)
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("it failed")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["traceback"].endswith("ValueError: broken")


def test_people_see_what_a_message_leaves_out_and_nothing_twice(log: logging.Logger) -> None:
    stream = written(log, Settings.read({}))
    with process_log.bound(job="0198-j", request="abc"):
        log.info("job 0198-j: stored")
    assert stream.getvalue().endswith(f" INFO {log.name} job 0198-j: stored request=abc\n")


def test_only_what_is_declared_can_be_bound() -> None:
    with pytest.raises(ValueError, match="mood"):
        process_log.bind(mood="bright")


def test_what_ends_a_process_is_told_in_the_same_form() -> None:
    program = (
        "from jobs import process_log\nfrom jobs.settings import Settings\n"
        "process_log.begin('keeper', Settings.read({'ATELIER_LOG_FORMAT': 'json'}))\n"
        "1 / 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    (line,) = done.stderr.splitlines()
    told = json.loads(line)
    assert (done.returncode, told["level"]) == (1, "CRITICAL")
    assert "ZeroDivisionError" in told["traceback"]


def test_an_artist_reads_words_also_where_the_machine_logs_json(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    book = Logbook(path, 1)
    form = process_log.JsonLines("runner", "north")
    secret = logging.LogRecord("torch", logging.INFO, "", 0, "a library speaks", None, None)
    ours = logging.LogRecord("runner", logging.ERROR, "", 0, "failed: stalled", None, None)
    path.write_text(f"{form.format(secret)}\n{form.format(ours)}\n{{broken\n")
    said = book.unsent(ended=True).decode()
    assert " ERROR runner failed: stalled\n" in said
    assert "library" not in said
    assert said.count("1 line for the administrator") == 2
    assert '"message"' not in said


@pytest.fixture(scope="module")
def logging_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A small studio that logs JSON."""
    folder = tmp_path_factory.mktemp("logging")
    settings = Settings.read(
        {
            "ATELIER_DATA": str(folder / "var"),
            "PORT": str(port_near(18_400)),
            "ATELIER_SLOTS": "cpu:1",
            "ATELIER_THREADS": "1",
            "ATELIER_LEASE": "6",
            "ATELIER_LOG_FORMAT": "json",
        }
    )
    with Stack(settings) as up:
        up.wait_ready()
        yield up


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def test_every_process_of_ours_writes_json_with_the_job_in_it(
    logging_stack: Stack, photo: Path, painting: Path
) -> None:
    settings = logging_stack.settings
    database = connect(settings)
    studio = somebody(database, settings, Storage(settings.storage))
    job_id = studio.submit(tiny(studio.upload(photo), studio.upload(painting), 60))
    saved_once(studio, job_id)
    os.kill(runner_of(studio, job_id), signal.SIGKILL)
    studio.wait_for_end(job_id)
    database.close()
    logging_stack.stop()
    logs = settings.logs
    for name in ("web", "keeper", "migrate", "worker-cpu-0"):
        assert lines_of(logs / f"{name}.log"), name
    about_it = [line for line in lines_of(logs / "worker-cpu-0.log") if "job" in line]
    assert {line["job"] for line in about_it} == {str(job_id)}
    assert {line["owner"] for line in about_it} == {str(studio.owner)}
    assert {line["fence"] for line in about_it} == {"1", "2"}
    # The clerk's thread knows it, too: it records what the runner died of.
    assert any("SIGKILL" in line["message"] for line in about_it)
    run = lines_of(logs / "jobs" / f"{job_id}.log")
    assert {line["process"] for line in run} == {"runner"}
    assert {line["job"] for line in run} == {str(job_id)}
