"""The studio in figures, for whoever watches it: a few cheap queries, right from any process.

What has happened is counted where it happens, in the tally that the owner's share already locks,
so no question here reads the jobs that have ended.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import case, func, literal, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from jobs.models import Chore, Job, Slot, Tally
from jobs.states import State

# A slot that has not beaten for so long is told as silent.
SILENT = timedelta(seconds=30)
KEEPER = "keeper"


@dataclass(frozen=True)
class Moves:
    """How often jobs of a kind went from ``source`` (empty: commissioned) to ``target``.

    ``run_seconds`` is what the attempts that ended so have computed.
    """

    kind: str
    resource: str
    source: str
    target: str
    reason: str
    many: int
    run_seconds: float


@dataclass(frozen=True)
class Queue:
    """What waits for a resource: how many jobs, and since how many seconds the first of them."""

    resource: str
    waiting: int
    oldest_wait: float


@dataclass(frozen=True)
class SlotState:
    """A slot: ``busy``, ``ready``, ``preparing``, ``drained``, ``quarantined`` or ``silent``.

    ``vitals`` is what its worker measured; :mod:`worker.vitals` says what is in it.
    """

    name: str
    machine: str
    resource: str
    state: str
    beat_age: float
    vitals: dict[str, Any]


@dataclass(frozen=True)
class Figures:
    """Everything at one moment. Ages and latencies in seconds; None: the keeper never turned."""

    moves: tuple[Moves, ...]
    queues: tuple[Queue, ...]
    slots: tuple[SlotState, ...]
    keeper_age: float | None
    database_seconds: float

    def jobs(self) -> dict[tuple[str, str, str], int]:
        """How many jobs there are by (state, kind, resource)."""
        found: dict[tuple[str, str, str], int] = {}
        known = {str(state) for state in State}
        for move in self.moves:
            for state, change in ((move.source, -move.many), (move.target, move.many)):
                if state in known:
                    key = (state, move.kind, move.resource)
                    found[key] = found.get(key, 0) + change
        return found


def read(session: Session) -> Figures:
    """The figures of now."""
    began = time.perf_counter()
    session.execute(text("SELECT 1"))
    latency = time.perf_counter() - began
    return Figures(
        moves=_moves(session),
        queues=_queues(session),
        slots=_slots(session),
        keeper_age=_age(session, KEEPER),
        database_seconds=latency,
    )


def note_chore(session: Session, name: str) -> None:
    """Say that a chore was done just now."""
    now = func.clock_timestamp()
    statement = upsert(Chore).values(name=name, at=now)
    session.execute(statement.on_conflict_do_update(index_elements=[Chore.name], set_={"at": now}))


def _moves(session: Session) -> tuple[Moves, ...]:
    key = (Tally.kind, Tally.resource, Tally.source, Tally.target, Tally.reason)
    sums = (func.sum(Tally.many), func.sum(Tally.run_seconds))
    rows = session.execute(select(*key, *sums).group_by(*key).order_by(*key))
    return tuple(Moves(*row[:5], int(row[5]), float(row[6])) for row in rows)


def _queues(session: Session) -> tuple[Queue, ...]:
    waited = func.extract("epoch", func.clock_timestamp() - func.min(Job.queued_at))
    rows = session.execute(
        select(Job.resource, func.count(), waited)
        .where(Job.state == str(State.QUEUED))
        .group_by(Job.resource)
    )
    found = {resource: Queue(resource, many, float(age)) for resource, many, age in rows}
    return tuple(found.get(name, Queue(name, 0, 0.0)) for name in ("cpu", "gpu"))


def _slots(session: Session) -> tuple[SlotState, ...]:
    age = func.extract("epoch", func.clock_timestamp() - Slot.beat_at)
    busy = select(Job.id).where(Job.slot == Slot.name, Job.state == str(State.RUNNING)).exists()
    state = case(
        (age > SILENT.total_seconds(), literal("silent")),
        (Slot.drained_because.is_not(None), literal("quarantined")),
        (busy, literal("busy")),
        (Slot.drained_at.is_not(None), literal("drained")),
        (Slot.standby, literal("ready")),
        else_=literal("preparing"),
    )
    rows = session.execute(
        select(Slot.name, Slot.machine, Slot.resource, state, age, Slot.vitals).order_by(Slot.name)
    )
    return tuple(
        SlotState(name, machine, resource, word, float(beat), vitals or {})
        for name, machine, resource, word, beat, vitals in rows
    )


def _age(session: Session, chore: str) -> float | None:
    age = func.extract("epoch", func.clock_timestamp() - Chore.at)
    found = session.execute(select(age).where(Chore.name == chore)).scalar_one_or_none()
    return None if found is None else float(found)
