"""Bringing inputs may take long: the job stays its worker's meanwhile, and can be called off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest

from jobs import lease, rescue, service
from jobs.database import Database, connect
from jobs.lease import Claim
from jobs.moves import FenceLostError
from jobs.settings import Settings
from jobs.storage import CHUNK, Storage
from tests.commissions import Studio, tiny
from tests.jobs.conftest import somebody
from tests.schemas import emptied, own_schema
from worker.errand import CalledOffError, Errand
from worker.protocol import Stop

# A beat is due between any two pieces.
SHORT = 0.01
PIECES = 8


@pytest.fixture(scope="module")
def tables(settings: Settings) -> Iterator[Database]:
    """Tables that no worker looks at."""
    opened = connect(settings)
    with own_schema(opened, "errand"):
        yield opened


@pytest.fixture
def desk(tables: Database) -> Database:
    """The same, empty."""
    return emptied(tables)


@pytest.fixture
def person(desk: Database, settings: Settings, tmp_path: Path) -> Studio:
    """Somebody with a job that is claimed."""
    made = somebody(desk, settings, Storage(str(tmp_path / "files")))
    picture = made.ids[Path("photo")]
    made.submit(tiny(picture, picture, 1))
    return made


@pytest.fixture
def claim(desk: Database, person: Studio) -> Claim:
    """Its lease has all but run out."""
    with desk.begin() as session:
        found = lease.claim(session, "cpu:0@errand", "cpu", 0.0, 10)
    assert found is not None
    return found


def bring(
    person: Studio, claim: Claim, tmp_path: Path, meanwhile: Callable[[UUID], object]
) -> Errand:
    """Fetch something large; ``meanwhile`` is done once, between two pieces."""
    large = tmp_path / "large"
    large.write_bytes(bytes(PIECES * CHUNK))
    stored = person.storage.put(person.database, large)
    shutdown = threading.Event()
    errand = Errand(person.database, claim.hold, SHORT, 0.0, shutdown)
    asked: list[object] = []

    def pulse() -> None:
        if not asked:
            asked.append(meanwhile(claim.hold.job_id))
            if asked == [Stop.YIELD]:
                shutdown.set()
        threading.Event().wait(SHORT)
        errand.pulse()

    try:
        person.storage.fetch(stored.sha256, tmp_path / "input", pulse)
    finally:
        assert list(tmp_path.glob("input.part")) == []
    return errand


def leased_until(person: Studio, claim: Claim) -> datetime:
    """As the row says."""
    until = person.job(claim.hold.job_id).lease_until
    assert until is not None
    return until


def test_a_job_whose_inputs_are_brought_stays_its_workers(
    person: Studio, claim: Claim, tmp_path: Path
) -> None:
    before = leased_until(person, claim)
    errand = bring(person, claim, tmp_path, lambda _: None)
    assert leased_until(person, claim) > before
    assert errand.until > 0.0
    assert (tmp_path / "input").stat().st_size == PIECES * CHUNK


@pytest.mark.parametrize(
    ("act", "stop"), [(service.cancel, Stop.CANCEL), (service.pause, Stop.PAUSE)]
)
def test_what_its_owner_asks_meanwhile_is_heard(
    person: Studio, claim: Claim, tmp_path: Path, act: Callable[..., object], stop: Stop
) -> None:
    with pytest.raises(CalledOffError) as called:
        bring(person, claim, tmp_path, lambda job_id: person.ask(act, job_id))  # type: ignore[arg-type]
    assert called.value.stop is stop
    assert not (tmp_path / "input").exists()


def test_a_worker_that_has_to_go_drops_it(person: Studio, claim: Claim, tmp_path: Path) -> None:
    with pytest.raises(CalledOffError) as called:
        bring(person, claim, tmp_path, lambda _: Stop.YIELD)
    assert called.value.stop is Stop.YIELD


def test_who_was_outlived_drops_it(person: Studio, claim: Claim, tmp_path: Path) -> None:
    def outlive(job_id: UUID) -> None:
        with person.database.begin() as session:
            assert rescue.rescue_expired(session, job_id) is not None

    with pytest.raises(FenceLostError):
        bring(person, claim, tmp_path, outlive)
