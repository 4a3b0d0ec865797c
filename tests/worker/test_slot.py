"""A job that a slot cannot bring to a run for a reason that nobody thought of."""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from engines import media
from jobs import lease
from jobs.database import Database, connect
from jobs.lease import Claim
from jobs.models import Blob, Checkpoint, Job
from jobs.models import Slot as Registered
from jobs.records import causes
from jobs.settings import Settings
from jobs.states import State
from jobs.storage import Storage, StorageError, Stored
from jobs.stored import sweeping
from tests.commissions import Studio, tiny
from tests.jobs.conftest import somebody
from tests.schemas import emptied, own_schema
from worker import tasks
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

    def measure(self, threads: int) -> float:
        return 1e9 * threads


@pytest.fixture(scope="module")
def tables(settings: Settings) -> Iterator[Database]:
    """Tables that no worker looks at."""
    opened = connect(settings)
    with own_schema(opened, "slot"):
        yield opened


@pytest.fixture
def person(tables: Database, settings: Settings, tmp_path: Path) -> Studio:
    """Somebody in a studio where nothing was done yet."""
    return somebody(emptied(tables), settings, Storage(str(tmp_path / "files")))


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


def test_a_slot_keeps_what_its_machine_does_with_the_threads_of_a_run(
    person: Studio, slot: Slot
) -> None:
    slot._register(ready=True)
    slot._measure(cast(Nursery, Standby()))
    with person.database.begin() as session:
        rate = session.scalars(select(Registered.rate)).one()
    assert rate == 1e9 * person.settings.cpu_threads


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


def test_an_input_on_a_bad_sector_does_not_stand_before_all_others_for_ever(
    person: Studio, waiting: UUID, tmp_path: Path
) -> None:
    """The storage answers, so it is this file: tried again, but not for ever."""

    class Bad(Storage):
        """Cannot read what it holds."""

        def fetch(self, sha256: str, target: Path, pulse: Any = None) -> None:
            failed = OSError(errno.EIO, "input/output error")
            raise StorageError(f"cannot read {sha256}") from failed

    bad = Bad(str(tmp_path / "files"))
    settings = person.settings.changed(data=tmp_path / "var")
    slot = Slot(settings, SlotSpec("cpu:0", "cpu", "cpu"), person.database, bad)
    for _ in range(lease.DEATHS_TOLERATED):
        assert not turn(slot)
    assert person.job(waiting).state == State.FAILED


def test_while_the_storage_is_not_mounted_nothing_is_taken_again_and_again(
    person: Studio, waiting: UUID, slot: Slot, tmp_path: Path
) -> None:
    (tmp_path / "something").write_bytes(b"stored")
    person.storage.put(person.database, tmp_path / "something")
    (tmp_path / "files").rename(tmp_path / "unmounted")
    assert slot._has_storage()
    assert not turn(slot)
    assert person.job(waiting).reason == "storage_away"
    assert not slot._has_storage()
    (tmp_path / "unmounted").rename(tmp_path / "files")
    assert slot._has_storage()


def test_a_worker_does_not_stay_without_its_slot_when_that_breaks_at_its_start(
    person: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would look alive, take wakes, and never run anything."""
    monkeypatch.setattr("worker.slot.LOOK_SECONDS", 0.01)
    serves = threading.Event()

    class Serving(Slot):
        """Only says that it serves."""

        def _serve(self) -> None:
            serves.set()
            self._shutdown.wait(10.0)

    (tmp_path / "var").mkdir()
    in_the_way = tmp_path / "var" / "scratch"
    in_the_way.write_bytes(b"no folder")
    settings = person.settings.changed(data=tmp_path / "var")
    slot = Serving(settings, SlotSpec("cpu:0", "cpu", "cpu"), person.database, person.storage)
    slot.start()
    assert not serves.wait(0.1)
    in_the_way.unlink()
    assert serves.wait(10.0)
    slot.stop()
    slot.join(10.0)
    assert not slot._thread.is_alive()


def test_a_worker_that_can_open_no_slot_ends_and_says_why(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Celery logs what breaks at its start, and goes on: it would take wakes for nobody."""
    monkeypatch.setattr(tasks, "settings", settings.changed(storage_url="nowhere://bucket"))
    with pytest.raises(SystemExit, match="nowhere"):
        tasks._open_slot()


def test_what_breaks_beside_a_run_does_not_end_it(
    slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a machine without a file to spare, which then tells nothing of itself."""

    def none_left(_path: Path, *_how: Any) -> str:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(Path, "read_text", none_left)
    assert slot._register(ready=False)
    monkeypatch.setattr(slot, "_register", lambda ready: none_left(Path()))
    slot._tend(cast(Nursery, Standby()), False)


class Storing(Storage):
    """Takes nothing while it is ``away``."""

    away = False

    def put(self, database: Any, source: Path) -> Stored:
        if self.away:
            raise StorageError("out of reach")
        return super().put(database, source)


@pytest.fixture
def desk(person: Studio, waiting: UUID, tmp_path: Path) -> Iterator[tuple[Clerk, Storing, Claim]]:
    """A clerk with a job, and its storage."""
    with person.database.begin() as session:
        claim = lease.claim(session, "cpu:0@test", "cpu", 60.0, 100)
    assert claim is not None
    storage = Storing(str(tmp_path / "files"))
    clerk = Clerk(person.database, storage, claim, Logbook(tmp_path / "log", 1))
    yield clerk, storage, claim
    clerk.close()


def told(path: Path, **more: Any) -> dict[str, Any]:
    """A file that a runner says it wrote."""
    path.write_bytes(path.name.encode())
    return {"path": str(path), **more}


def state(path: Path) -> dict[str, Any]:
    return told(path, step=3, state_version=1, threads=1, score=None)


def saved(person: Studio) -> list[int]:
    with person.database.begin() as session:
        return list(session.scalars(select(Checkpoint.step)))


def after_all(clerk: Clerk) -> None:
    """When everything said so far is written."""
    clerk._desk.submit(lambda: None).result()


def test_what_cannot_be_stored_leaves_no_file(
    person: Studio, desk: tuple[Clerk, Storing, Claim], tmp_path: Path
) -> None:
    """A state a minute would fill the machine's own disk while the storage is away."""
    clerk, storage, _ = desk
    storage.away = True
    clerk.keep_checkpoint(state(tmp_path / "checkpoint-3"))
    clerk.keep_preview(told(tmp_path / "preview-3"))
    after_all(clerk)
    assert not list(tmp_path.glob("*-3"))
    storage.away = False
    clerk.keep_checkpoint(state(tmp_path / "checkpoint-3"))
    after_all(clerk)
    assert saved(person) == [3]


def test_a_picture_that_cannot_be_read_keeps_no_checkpoint_from_being_kept(
    person: Studio, desk: tuple[Clerk, Storing, Claim], tmp_path: Path
) -> None:
    """What comes before a checkpoint is brought before it, but not waited for for ever."""
    clerk, _, _ = desk
    lost = {"path": str(tmp_path / "gone.jpg"), "step": 2, "width": 8, "height": 8, "score": None}
    clerk.keep_frame(lost)
    clerk.keep_checkpoint(state(tmp_path / "checkpoint-3"))
    after_all(clerk)
    assert saved(person) == [3]


def test_works_that_waited_for_long_are_there_when_their_rows_come(
    person: Studio, waiting: UUID, desk: tuple[Clerk, Storing, Claim], tmp_path: Path
) -> None:
    """Nothing referred to them for more than an hour, and the keeper swept them."""
    clerk, storage, _ = desk
    how = {"role": "result", "media_type": "image/png", "width": 8, "height": 8}
    clerk.add_output(told(tmp_path / "work", name="work.png", **how))
    after_all(clerk)
    clerk._made_at -= 3700.0
    with person.database.begin() as session:
        session.execute(
            update(Blob).values(touched_at=Blob.touched_at - text("interval '2 hours'"))
        )
    sweeping.sweep_bytes(person.database, storage, lambda: None)
    clerk.note_end(Say.DONE, {})
    clerk.conclude(None, False, cast(Any, None)).result()
    assert person.job(waiting).state == State.SUCCEEDED
    (work,) = person.outputs(waiting)
    storage.check(work.sha256)


def test_a_run_that_is_lost_with_its_fork_server_did_not_die_of_itself(
    person: Studio, waiting: UUID, desk: tuple[Clerk, Storing, Claim]
) -> None:
    """Deaths of services never count: five of them would fail a healthy job."""

    class Lost:
        """A runner whose server was killed."""

        ended_with_server, was_killed = True, False

        def cause_of_death(self) -> str:
            return "ended with its fork server"

    clerk, _, _ = desk
    clerk.conclude(None, False, cast(Any, Lost())).result()
    job = person.job(waiting)
    assert (job.state, job.reason, job.deaths) == (State.QUEUED, "worker_lost", 0)


def test_an_error_of_the_machine_is_tried_again_elsewhere_and_fails_no_job_at_once(
    person: Studio, waiting: UUID, desk: tuple[Clerk, Storing, Claim]
) -> None:
    """As that of a disk that takes nothing any more."""
    clerk, _, _ = desk
    clerk.note_end(Say.FAILED, {"reason": "worker_lost", "error": None})
    clerk.conclude(None, False, cast(Any, None)).result()
    job = person.job(waiting)
    assert (job.state, job.reason, job.deaths) == (State.QUEUED, "worker_lost", 1)
    assert not clerk.device_failed


class Quiet:
    """A runner that says nothing."""

    silent = gone = False

    def __init__(self) -> None:
        """Nobody signalled it yet."""
        self.signals: list[int] = []

    def signal_group(self, number: int) -> None:
        self.signals.append(number)


def test_a_worker_that_was_stopped_as_a_whole_takes_that_for_no_silence_of_its_runner(
    person: Studio, desk: tuple[Clerk, Storing, Claim]
) -> None:
    """As in a container that is paused for longer than a run may be silent."""
    clerk, _, claim = desk
    runner = Quiet()
    watching = Supervisor(
        person.database, claim, cast(Any, runner), clerk, lease_seconds=60.0, stall_seconds=60.0
    )
    watching._life_at -= 100.0
    watching._turned_at -= 100.0
    watching._excuse_own_pause()
    watching._watch_for_stall()
    assert runner.signals == []
    watching._life_at -= 100.0
    watching._excuse_own_pause()
    watching._watch_for_stall()
    assert runner.signals == [signal.SIGKILL]


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
