"""One real studio for the whole run: PostgreSQL, Valkey, web, keeper and a worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest
from sqlalchemy import insert

from atelier.local import Stack
from engines.registry import KINDS
from jobs.database import Database, connect
from jobs.ids import new_id
from jobs.models import Owner
from jobs.settings import Settings
from jobs.storage import Storage
from tests.learning import LEARNING
from tests.ports import port_near

SAMPLES = Path(__file__).parent.parent / "atelier" / "samples"
LEASE_SECONDS = 6


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A running local studio with one CPU slot and a short lease."""
    with TemporaryDirectory(prefix="atelier-tests-") as folder, _running(Path(folder)) as started:
        yield started


@contextmanager
def _running(folder: Path) -> Iterator[Stack]:
    # Open to the database's own user: else its cluster would lie, and stay, outside this folder.
    folder.chmod(0o711)
    settings = Settings.read(
        {
            "ATELIER_DATA": str(folder / "var"),
            "PORT": str(port_near(18_000)),
            "ATELIER_LEASE": str(LEASE_SECONDS),
            "ATELIER_SLOTS": "cpu:1",
            # One thread: tests share their cores with a database, a browser and each other.
            "ATELIER_THREADS": "1",
        }
    )
    with Stack(settings) as started:
        started.wait_ready()
        yield started


@pytest.fixture(scope="session")
def settings(stack: Stack) -> Settings:
    """The settings of the running studio."""
    return stack.settings


@pytest.fixture(scope="session")
def database(settings: Settings) -> Iterator[Database]:
    """The studio's database."""
    opened = connect(settings, connections=12)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def storage(settings: Settings) -> Storage:
    """The studio's file storage."""
    return Storage(settings.storage)


@pytest.fixture
def owner(database: Database) -> UUID:
    """Somebody new, so that tests do not see each other's jobs."""
    id_ = new_id()
    with database.begin() as session:
        session.execute(insert(Owner).values(id=id_, name=str(id_)))
    return id_


@pytest.fixture(scope="session")
def photo() -> Path:
    """A real photo."""
    return SAMPLES / "photos" / "cat.jpg"


@pytest.fixture(scope="session")
def painting() -> Path:
    """A real painting."""
    return SAMPLES / "paintings" / "van-gogh-cafe-terrace-at-night.jpg"


@pytest.fixture
def learning(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a kind that learns from a dataset; no worker knows it."""
    monkeypatch.setitem(KINDS, LEARNING.name, LEARNING)
    return LEARNING.name
