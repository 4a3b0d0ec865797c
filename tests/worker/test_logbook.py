"""What an artist may read of a run's log: our own lines, no traceback, no path, within bounds."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import pytest

from worker import logbook
from worker.logbook import LOG_FORMAT, LOG_TIME, Logbook


def line(message: str, name: str = "runner", level: int = logging.INFO) -> str:
    """A line as the runner's logging writes it."""
    record = logging.LogRecord(name, level, "", 0, message, None, None)
    return logging.Formatter(LOG_FORMAT, LOG_TIME).format(record)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "job.log"


def write(path: Path, *lines: str) -> None:
    with path.open("a") as log:
        log.writelines(f"{each}\n" for each in lines)


def messages(content: bytes) -> list[str]:
    """What is said, without time, level and name."""
    return [
        each if each.startswith("(") else each.split(" ", 3)[3]
        for each in content.decode().splitlines()
    ]


def test_an_attempt_begins_where_the_one_before_it_ended(path: Path) -> None:
    write(path, line("of the first attempt"))
    second = Logbook(path, 2)
    write(path, line("of the second"), line("and so on", "engines.style_transfer"))
    assert messages(second.unsent()) == ["attempt 2", "of the second", "and so on"]


def test_a_machine_without_the_file_yet_is_no_failure(path: Path) -> None:
    book = Logbook(path, 1)
    assert messages(book.unsent()) == ["attempt 1"]
    write(path, line("begun"))
    assert messages(book.unsent()) == ["attempt 1", "begun"]


def test_what_was_sent_is_not_sent_again_and_what_was_not_is_kept(path: Path) -> None:
    book = Logbook(path, 1)
    first = book.unsent()
    write(path, line("meanwhile"))
    assert messages(book.unsent()) == ["attempt 1", "meanwhile"]
    book.sent(first)
    assert messages(book.unsent()) == ["meanwhile"]
    book.sent(book.unsent())
    assert book.unsent(ended=True) == b""


def test_a_line_is_only_told_whole(path: Path) -> None:
    book = Logbook(path, 1)
    book.sent(book.unsent())
    whole = line("ünfinished")
    half = len(whole.encode()) - 8  # in the middle of the letter of two bytes
    path.write_bytes(whole.encode()[:half])
    assert book.unsent() == b""
    path.write_bytes(whole.encode())
    assert book.unsent() == b""
    assert messages(book.unsent(ended=True)) == ["ünfinished"]


def test_a_traceback_and_the_words_of_libraries_are_only_counted(path: Path) -> None:
    book = Logbook(path, 1)
    book.sent(book.unsent())
    try:
        try:
            raise OSError("secret /srv/atelier/files")
        except OSError as cause:
            raise ValueError("two\nlines") from cause
    except ValueError as failed:
        trace = traceback.format_exception(failed)
    write(path, line("at step 3"), *"".join(trace).splitlines())
    write(path, line("failed: internal_error", level=logging.ERROR))
    write(path, "UserWarning: something in /usr/lib", line("hello", "PIL.Image"))
    said = messages(book.unsent(ended=True))
    count = len(list(filter(None, "".join(trace).splitlines())))
    assert said == [
        "at step 3",
        f"({count} lines for the administrator, in the log on the machine that ran this)",
        "failed: internal_error",
        "(2 lines for the administrator, in the log on the machine that ran this)",
    ]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("cannot read /srv/var/scratch/1/in.png", "cannot read …/in.png"),
        ("'/srv/var/a b'", "'…/a b'"),
        ("step 3/40, 1/2", "step 3/40, 1/2"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("of /tmp", "of /tmp"),
    ],
)
def test_paths_of_the_machine_are_shortened(path: Path, said: str, shown: str) -> None:
    book = Logbook(path, 1)
    write(path, line(said))
    assert messages(book.unsent())[-1] == shown


def test_an_attempt_that_says_too_much_is_cut_off_with_a_word(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logbook, "BYTES_PER_ATTEMPT", 300)
    book = Logbook(path, 1)
    write(path, *[line(f"number {number}") for number in range(50)])
    said = messages(book.unsent())
    assert said[1] == "number 0"
    assert said[-1] == logbook.CUT_OFF
    write(path, line("more"))
    assert messages(book.unsent(ended=True)) == said
    assert len(book.unsent()) < 300 + 100


def test_a_run_that_writes_faster_than_anybody_reads_is_skipped_through(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logbook, "BYTES_PER_LOOK", 500)
    book = Logbook(path, 1)
    write(path, *["noise" * 10] * 1000, line("the last word"))
    assert messages(book.unsent(ended=True))[-1] == "the last word"
