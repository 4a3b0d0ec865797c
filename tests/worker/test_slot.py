"""A job that a slot cannot bring to a run for a reason that nobody thought of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import update

from engines import media
from jobs import lease
from jobs.database import connect
from jobs.models import Job
from jobs.records import causes
from jobs.settings import Settings
from jobs.states import State
from jobs.storage import Storage, StorageError
from tests.commissions import Studio, tiny
from tests.jobs.conftest import somebody
from tests.schemas import own_schema
from worker.clerk import Clerk
from worker.logbook import Logbook
from worker.nursery import Nursery
from worker.protocol import Say
from worker.slot import Slot
from worker.slots import SlotSpec
from worker.supervisor import Supervisor


class Standby:
    """A nursery and its one runner, which is never started."""

    pid = 0

    def take(self) -> Standby:
        return self

    def kill(self) -> None:
        return None

    def close(self) -> None:
        return None


@pytest.fixture
def person(settings: Settings, tmp_path: Path) -> Iterator[Studio]:
    """Somebody in tables that no worker looks at."""
    opened = connect(settings)
    with own_schema(opened, "slot"):
        yield somebody(opened, settings, Storage(str(tmp_path / "files")))


@pytest.fixture
def waiting(person: Studio) -> UUID:
    """Their job."""
    picture = person.ids[Path("photo")]
    return person.submit(tiny(picture, picture, 1))


@pytest.fixture
def slot(person: Studio, tmp_path: Path) -> Slot:
    """A slot that nobody starts: each turn is asked for."""
    settings = person.settings.changed(data=tmp_path / "var")
    return Slot(settings, SlotSpec("cpu:0", "cpu", "cpu"), person.database, person.storage)


def turn(slot: Slot) -> bool:
    """Let it take the next job."""
    return slot._run_next(cast(Nursery, Standby()))


@pytest.mark.parametrize("broken", [{"inputs": {"x": "no hash"}}, {"kind": "of_another_version"}])
def test_what_breaks_before_a_run_is_tried_again_but_not_for_ever(
    person: Studio, waiting: UUID, slot: Slot, broken: dict[str, Any]
) -> None:
    """Each time counts as a death, and the administrator finds why."""
    with person.database.begin() as session:
        session.execute(update(Job).values(**broken))
    assert not turn(slot)
    job = person.job(waiting)
    assert (job.state, job.reason, job.deaths) == (State.QUEUED, "internal_error", 1)
    for _ in range(lease.DEATHS_TOLERATED - 1):
        assert not turn(slot)
    job = person.job(waiting)
    assert (job.state, job.reason) == (State.FAILED, "poisoned")
    with person.database.begin() as session:
        told = causes.of_job(session, waiting)
    assert len(told) == lease.DEATHS_TOLERATED
    assert "Traceback" in told[0].words


def test_trouble_of_the_machine_is_no_death_of_the_job(
    person: Studio, waiting: UUID, slot: Slot, tmp_path: Path
) -> None:
    """Another machine may well run it."""
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "scratch").write_bytes(b"in the way")
    assert not turn(slot)
    job = person.job(waiting)
    assert (job.state, job.reason, job.deaths) == (State.QUEUED, "worker_lost", 0)


def test_a_model_that_cannot_be_stored_leaves_no_file_and_is_not_asked_for_every_second(
    person: Studio, waiting: UUID, tmp_path: Path
) -> None:
    """Else a storage that is away would fill the machine's own disk, and end a healthy run."""

    class Away(Storage):
        """Takes nothing."""

        def put(self, database: Any, source: Path) -> Any:
            raise StorageError("out of reach")

    class Mute:
        """A runner that hears."""

        heard: list[str] = []  # noqa: RUF012  (one runner)

        def snapshot(self, of: str) -> None:
            self.heard.append(of)

    with person.database.begin() as session:
        claim = lease.claim(session, "cpu:0@test", "cpu", 60.0, 100)
    assert claim is not None
    with person.database.begin() as session:
        session.execute(update(Job).where(Job.id == waiting).values(snapshots=["now"]))
    logbook = Logbook(tmp_path / "log", 1)
    clerk = Clerk(person.database, Away(str(tmp_path / "away")), claim, logbook)
    runner = Mute()
    watching = Supervisor(
        person.database, claim, cast(Any, runner), clerk, lease_seconds=60.0, stall_seconds=60.0
    )
    watching._may_ask = True
    made = tmp_path / "model.safetensors"
    made.write_bytes(b"weights")
    watching._look()
    told = {"is": Say.SNAPSHOT, "of": "now", "path": str(made), "role": "model", "name": made.name}
    watching._hear({**told, "media_type": media.MODEL})
    clerk.close()
    watching._look()
    assert runner.heard == ["now"]
    assert not made.exists()
