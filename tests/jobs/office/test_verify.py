"""A correct studio has no findings; every kind of damage is found, named, and told how to mend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import event, func, insert, text, update

from jobs import lease, service
from jobs.database import Database
from jobs.ids import new_id
from jobs.keeper import Keeper
from jobs.lease import Hold, SavedState, Work
from jobs.models import Job, Owner
from jobs.office import verify
from jobs.office.verify import Finding, Verifier
from jobs.settings import Settings
from jobs.states import Reason, State
from jobs.storage import Storage, Stored
from jobs.stored import retention
from tests.commissions import Studio, tiny


@pytest.fixture
def eve(workshop: Database, settings: Settings, shelf: Storage, photo: Path) -> Studio:
    """Somebody with a picture whose bytes are there."""
    owner = new_id()
    with workshop.begin() as session:
        session.execute(insert(Owner).values(id=owner, name=str(owner)))
    person = Studio(settings, workshop, shelf, owner)
    person.upload(photo)
    return person


class Worker:
    """Moves jobs of one person along by the same calls as a worker."""

    def __init__(self, person: Studio, folder: Path) -> None:
        self.person, self.folder = person, folder

    def submit(self) -> UUID:
        picture = next(iter(self.person.ids.values()))
        return self.person.submit(tiny(picture, picture, 5))

    def claim(self, seconds: float = 60.0) -> Hold:
        with self.person.database.begin() as session:
            claim = lease.claim(session, "cpu:0@test", "cpu", seconds, 100)
        assert claim is not None
        return claim.hold

    def stored(self, content: bytes) -> Stored:
        source = self.folder / "work"
        source.write_bytes(content)
        return self.person.storage.put(self.person.database, source)

    def save(self, hold: Hold, step: int, content: bytes, score: float | None = None) -> Stored:
        stored = self.stored(content)
        with self.person.database.begin() as session:
            lease.commit_checkpoint(session, hold, SavedState(stored.sha256, step, 1, 1, score))
        return stored

    def show(self, hold: Hold, content: bytes) -> Stored:
        stored = self.stored(content)
        with self.person.database.begin() as session:
            lease.report_preview(session, hold, stored)
        return stored

    def finish(self, hold: Hold, content: bytes) -> Stored:
        stored = self.stored(content)
        with self.person.database.begin() as session:
            lease.finish(session, hold, [Work("result", "art.png", "image/png", stored)], 1.0)
        return stored

    def stop(self, hold: Hold, target: State, reason: Reason) -> None:
        with self.person.database.begin() as session:
            lease.stop(session, hold, target, reason, 1.0)

    def done(self) -> UUID:
        """A job that succeeded."""
        job_id = self.submit()
        self.finish(self.claim(), str(job_id).encode())
        return job_id


@pytest.fixture
def worker(eve: Studio, tmp_path: Path) -> Worker:
    return Worker(eve, tmp_path)


@pytest.fixture
def verifier(workshop: Database, shelf: Storage) -> Verifier:
    return Verifier(workshop, shelf)


def damage(database: Database, statement: str, **values: object) -> None:
    with database.begin() as session:
        session.execute(text(statement), values)


def only(verifier: Verifier) -> Finding:
    (found,) = verifier.findings()
    assert found.fix
    return found


def test_a_best_checkpoint_that_the_rules_let_go_of_is_not_missed(
    eve: Studio, worker: Worker, verifier: Verifier
) -> None:
    """Neither then, nor when the job is tried again and does not get that far."""
    job_id = worker.submit()
    worker.save(worker.claim(), 3, b"state", score=0.9)
    with eve.database.begin() as session:
        hold = lease.Hold(job_id, 1)
        lease.stop(session, hold, State.FAILED, Reason.INTERNAL_ERROR, 1.0)
        session.execute(update(Job).values(ended_at=func.now() - text("interval '2 days'")))
        retention.replace(session, eve.owner, [retention.Rule(retention.What.CHECKPOINTS, 1)])
    assert retention.apply(eve.database) == {retention.What.CHECKPOINTS: 1}
    assert list(verifier.findings()) == []
    eve.ask(service.retry, job_id)
    worker.save(worker.claim(), 2, b"other state", score=0.5)
    assert list(verifier.findings()) == []


def test_a_studio_in_which_everything_happened_once_has_no_findings(
    eve: Studio, worker: Worker, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it is read in batches smaller than it is."""
    monkeypatch.setattr(verify, "JOBS_AT_A_TIME", 2)
    monkeypatch.setattr(verify, "BLOBS_AT_A_TIME", 2)
    monkeypatch.setattr(verify, "EVENTS_AT_A_TIME", 2)
    worker.done()
    paused = worker.submit()
    hold = worker.claim()
    worker.save(hold, 3, b"state")
    worker.show(hold, b"preview")
    eve.ask(service.pause, paused)
    worker.stop(hold, State.PAUSED, Reason.PAUSED_BY_USER)
    eve.ask(service.resume, paused)
    hold = worker.claim()
    worker.stop(hold, State.FAILED, Reason.INTERNAL_ERROR)
    eve.ask(service.retry, paused)
    worker.claim(seconds=-1.0)
    Keeper(eve.database, eve.storage, lambda _: None, eve.settings).rescue()
    wish = worker.submit()
    worker.claim()
    worker.claim()
    eve.ask(service.pause, wish)
    eve.ask(service.resume, wish)
    eve.ask(service.cancel, wish)
    eve.ask(service.cancel, worker.submit())
    worker.submit()
    assert list(verifier.findings()) == []
    assert verifier.jobs == 5
    assert verifier.blobs == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("state = 'canceled'", "state = canceled, its events say succeeded"),
        ("reason = 'stalled'", "reason = stalled, its events say nothing"),
        ("wanted = 'pause'", "wanted = pause, its events say run"),
        ("fence = 7", "fence = 7, its events say 1"),
        ("attempt = 2", "attempt = 2, its events say 1"),
        ("seq = 2", "seq = 2, its events say 3"),
    ],
)
def test_a_changed_row_is_named_with_what_its_events_say(
    workshop: Database, worker: Worker, verifier: Verifier, change: str, words: str
) -> None:
    job_id, _ = worker.done(), worker.done()
    damage(workshop, f"UPDATE job SET {change} WHERE id = :id", id=job_id)
    found = only(verifier)
    assert (found.check, found.subject, found.job_id) == ("row", f"job {job_id}", str(job_id))
    assert found.wrong == f"its row says {words}"


@pytest.mark.parametrize(
    ("where", "words"),
    [("seq = 2", "event 2 is gone"), ("seq = 3", "event 3 is gone"), ("TRUE", "events 1-3 are")],
)
def test_a_deleted_event_is_missed(
    workshop: Database, worker: Worker, verifier: Verifier, where: str, words: str
) -> None:
    job_id, _ = worker.done(), worker.done()
    damage(workshop, f"DELETE FROM event WHERE job_id = :id AND {where}", id=job_id)
    found = only(verifier)
    assert (found.check, found.job_id) == ("gap", str(job_id))
    assert words in found.wrong


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ('{"from": "paused"}', "event 3 leaves paused, but the job was running"),
        ('{"to": "running"}', "from running to running, which no job may do"),
        ('{"to": "done"}', "event 3 leads to done, which is no state"),
        ('{"fence": 4}', "event 3 shows fence 4, but 1 was due"),
    ],
)
def test_an_impossible_event_is_named(
    workshop: Database, worker: Worker, verifier: Verifier, told: str, words: str
) -> None:
    job_id = worker.done()
    change = "UPDATE event SET data = data || CAST(:told AS jsonb) WHERE job_id = :id AND seq = 3"
    damage(workshop, change, told=told, id=job_id)
    found = list(verifier.findings())
    assert {finding.job_id for finding in found} == {str(job_id)}
    assert any(finding.check == "event" and words in finding.wrong for finding in found)


def test_a_wrong_count_is_found_and_counted_anew(
    eve: Studio, worker: Worker, verifier: Verifier
) -> None:
    worker.submit()
    worker.submit()
    worker.claim()
    damage(eve.database, "UPDATE owner_share SET waiting = 5, running = 0")
    found = only(verifier)
    assert found.subject == f"share of owner {eve.owner} on cpu"
    assert found.wrong == "it says 5 waiting and 0 running, the rows say 1 and 1"
    assert "atelier admin recount" in found.fix
    assert verify.recount(eve.database) == 1
    assert list(verifier.findings()) == []
    assert verify.recount(eve.database) == 0


def test_a_lost_share_is_found_and_made_anew(
    eve: Studio, worker: Worker, verifier: Verifier
) -> None:
    worker.submit()
    damage(eve.database, "DELETE FROM owner_share")
    assert only(verifier).check == "count"
    assert verify.recount(eve.database) == 1
    assert list(verifier.findings()) == []


def test_a_success_without_a_work_is_found(
    workshop: Database, worker: Worker, verifier: Verifier
) -> None:
    job_id = worker.done()
    damage(workshop, "DELETE FROM file WHERE job_id = :id", id=job_id)
    found = only(verifier)
    assert (found.check, found.job_id) == ("outputs", str(job_id))
    assert f"atelier rerun {job_id}" in found.fix


@pytest.fixture(params=["upload", "result", "checkpoint", "preview"])
def kept(
    request: pytest.FixtureRequest, eve: Studio, worker: Worker
) -> Iterator[tuple[str, str, UUID | None]]:
    """Something stored: its hash, how it is named, and its job."""
    job_id = worker.submit()
    hold = worker.claim()
    match request.param:
        case "upload":
            with eve.database.begin() as session:
                row = session.execute(text("SELECT sha256, name, id FROM file")).one()
            yield row.sha256, f"upload {row.name} (file {row.id})", None
        case "result":
            yield worker.finish(hold, b"art").sha256, f"result art.png of job {job_id}", job_id
        case "checkpoint":
            subject = f"checkpoint at step 3 of job {job_id}"
            yield worker.save(hold, 3, b"state").sha256, subject, job_id
        case "preview":
            yield worker.show(hold, b"preview").sha256, f"preview of job {job_id}", job_id


def test_a_flipped_byte_is_found_and_the_file_named(
    shelf: Storage, verifier: Verifier, kept: tuple[str, str, UUID | None]
) -> None:
    sha256, subject, job_id = kept
    path = Path(shelf.place(sha256))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found = only(verifier)
    assert (found.check, found.subject, found.job_id) == ("bytes", subject, job_id and str(job_id))
    assert found.wrong == f"stored file {sha256} is damaged ({path})"


def test_a_missing_file_is_found_and_named(
    shelf: Storage, verifier: Verifier, kept: tuple[str, str, UUID | None]
) -> None:
    sha256, subject, _ = kept
    shelf.remove(sha256)
    found = only(verifier)
    assert (found.subject, f"{sha256} is missing" in found.wrong) == (subject, True)


def test_bytes_that_nothing_refers_to_are_nobodys_loss(
    shelf: Storage, worker: Worker, verifier: Verifier
) -> None:
    shelf.remove(worker.stored(b"forgotten").sha256)
    assert list(verifier.findings()) == []


def test_it_is_right_while_jobs_run(eve: Studio, worker: Worker, verifier: Verifier) -> None:
    """Whatever it reads, the next thing it asks for has changed meanwhile."""
    moves: list[Callable[[], object]] = []

    def run_on(_: object, __: object, statement: str, *___: object) -> None:
        if moves and statement.startswith("SELECT") and "FOR UPDATE" not in statement:
            move, rest = moves[0], moves[1:]
            moves.clear()  # what the move asks is no reason for the next
            move()
            moves.extend(rest)

    job_id = worker.submit()
    held: list[Hold] = []

    moves += [
        lambda: held.append(worker.claim()),
        lambda: worker.save(held[0], 3, b"state"),
        lambda: eve.ask(service.pause, job_id),
        lambda: worker.stop(held[0], State.PAUSED, Reason.PAUSED_BY_USER),
        lambda: eve.ask(service.resume, job_id),
        lambda: worker.finish(worker.claim(), b"art"),
    ]
    event.listen(eve.database.engine, "after_cursor_execute", run_on)
    try:
        while moves:
            assert list(verifier.findings()) == []
    finally:
        event.remove(eve.database.engine, "after_cursor_execute", run_on)
    assert eve.job(job_id).state == State.SUCCEEDED
    assert list(verifier.findings()) == []


def test_bytes_that_are_retired_during_the_look_are_no_finding(
    worker: Worker, verifier: Verifier, shelf: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.submit()
    hold = worker.claim()
    first = worker.save(hold, 1, b"state 1")
    check = shelf.check

    def retired_first(sha256: str) -> None:
        if sha256 == first.sha256:
            for step in range(2, 6):
                worker.save(hold, step, f"state {step}".encode())
            shelf.remove(sha256)
        check(sha256)

    monkeypatch.setattr(shelf, "check", retired_first)
    assert list(verifier.findings()) == []
    assert not shelf.holds(first.sha256)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("DELETE FROM checkpoint WHERE score = 0.9", "its best checkpoint, of score 0.9, is gone"),
        ("UPDATE job SET best_score = NULL", "it keeps 4 checkpoints"),
    ],
)
def test_checkpoints_are_the_newest_three_and_the_best(
    worker: Worker, verifier: Verifier, workshop: Database, damage: str, words: str
) -> None:
    """What is kept follows from the scores; what does not is found."""
    worker.submit()
    hold = worker.claim()
    for step, score in enumerate((0.9, 0.1, 0.2, 0.3), start=1):
        stored = worker.stored(str(step).encode())
        with workshop.begin() as session:
            lease.commit_checkpoint(session, hold, SavedState(stored.sha256, step, 1, 1, score))
    assert list(verifier.findings()) == []
    with workshop.begin() as session:
        session.execute(text(damage))
    (found,) = verifier.findings()
    assert (found.check, found.wrong) == ("checkpoints", words)
