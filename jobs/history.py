"""What a job's events tell: folded from the first to the last, they say how its row must look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jobs.models import Job
from jobs.states import MOVES, State, Wanted


class History:
    """A job as its events tell it.

    ``known`` holds the columns of its row that follow from them; behind a gap little is known
    until an event says it again. ``gaps`` are missing events, ``faults`` impossible ones.
    """

    def __init__(self) -> None:
        self.known: dict[str, Any] = {"state": None, "fence": 0, "attempt": 0, "smaller": 0}
        self.seq = 0
        self.gaps: list[str] = []
        self.faults: list[str] = []

    def hear(self, seq: int, type_: str, data: Mapping[str, Any]) -> None:
        """Take in the next event by number."""
        if seq != self.seq + 1:
            self._miss(seq - 1)
        self.seq = seq
        if type_ in ("wanted", "reason", "fence"):
            self.known[type_] = data.get(type_)
        elif type_ == "status":
            self._move(data)

    def differences(self, job: Job) -> Iterator[str]:
        """Where the row says something else than the events."""
        if job.seq > self.seq:
            self._miss(job.seq)
        for column, value in {**self.known, "seq": max(self.seq, 1)}.items():
            found = getattr(job, column)
            if found != value:
                yield f"its row says {column} = {_shown(found)}, its events say {_shown(value)}"

    def _miss(self, last: int) -> None:
        first = self.seq + 1
        self.gaps.append(f"event {first} is" if first == last else f"events {first}-{last} are")
        self.known.clear()
        self.seq = last

    def _move(self, data: Mapping[str, Any]) -> None:
        where, source, target = f"event {self.seq}", _state(data, "from"), _state(data, "to")
        if target is None:
            self.faults.append(f"{where} leads to {_shown(data.get('to'))}, which is no state")
            return
        before = self.known.get("state", source)
        if before != source:
            left = _shown(data.get("from"))
            self.faults.append(f"{where} leaves {left}, but the job was {_shown(before)}")
        begins = self.seq == 1 and source is None and target is State.QUEUED
        if not begins and (source, target) not in MOVES:
            way = f"from {_shown(data.get('from'))} to {target}"
            self.faults.append(f"{where} moves it {way}, which no job may do")
        fence = data.get("fence", 0)
        if "fence" in self.known:
            due = self.known["fence"] + (target is State.RUNNING)
            if fence != due:
                self.faults.append(f"{where} shows fence {_shown(fence)}, but {due} was due")
        told = {"state": target, "reason": data.get("reason"), "wanted": Wanted.RUN, "fence": fence}
        self.known.update(told)
        for column in ("attempt", "smaller"):
            if column in data:
                self.known[column] = data[column]


def _state(data: Mapping[str, Any], end: str) -> State | None:
    name = data.get(end)
    return State(name) if name in set(State) else None


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value)
