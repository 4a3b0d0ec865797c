"""What the judge is shown: steps begun, answers that clients were given, jobs as stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Begun:
    """A step that a runner began, at ``at`` seconds on the machine's boot clock."""

    job: str
    fence: int
    slot: str
    pid: int
    step: int
    at: float


@dataclass(frozen=True)
class Answer:
    """What a client was told: ``what`` it asked, and the job's status in the answer."""

    job: str
    what: str
    status: str


@dataclass(frozen=True)
class Stored:
    """A job after the attack; ``moves`` in order, as (from, to, reason).

    ``result`` are the SHA-256 of its works in order, ``whole`` whether storage holds those bytes.
    """

    job: str
    status: str
    moves: tuple[tuple[str | None, str, str | None], ...]
    result: str | None
    whole: bool = True


def begun(folder: Path) -> Iterator[Begun]:
    """All traces; a last line cut off by a kill is left out."""
    for path in sorted(folder.glob("*.jsonl")):
        for entry in _lines(path):
            yield Begun(**entry)


def answers(path: Path) -> Iterator[Answer]:
    """A client's log."""
    for entry in _lines(path):
        yield Answer(entry["job"], entry["what"], entry["status"])


def by_job(entries: Iterable[Begun]) -> dict[str, list[Begun]]:
    """Steps of each job in the order in which they began."""
    grouped: dict[str, list[Begun]] = {}
    for entry in sorted(entries, key=lambda entry: entry.at):
        grouped.setdefault(entry.job, []).append(entry)
    return grouped


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield json.loads(line)
