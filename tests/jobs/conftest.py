"""A studio without workers, so that each test is the only one who claims."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from jobs.database import Database, connect
from jobs.ids import new_id
from jobs.models import Blob, File, Owner
from jobs.settings import Settings
from jobs.storage import Storage
from tests.commissions import Studio
from tests.schemas import emptied, own_schema

SHA256 = "ab" * 32


@pytest.fixture(scope="package")
def tables(settings: Settings) -> Iterator[Database]:
    """The database with tables of its own."""
    opened = connect(settings, connections=30)
    with own_schema(opened, "workshop"):
        yield opened


@pytest.fixture
def workshop(tables: Database) -> Database:
    """The same, empty."""
    return emptied(tables)


@pytest.fixture
def shelf(tmp_path: Path) -> Storage:
    """An empty storage."""
    return Storage(str(tmp_path / "files"))


@pytest.fixture
def ada(workshop: Database, settings: Settings, shelf: Storage) -> Studio:
    """Somebody with a picture."""
    return somebody(workshop, settings, shelf)


@pytest.fixture
def ben(workshop: Database, settings: Settings, shelf: Storage) -> Studio:
    """Somebody else."""
    return somebody(workshop, settings, shelf)


def somebody(database: Database, settings: Settings, storage: Storage) -> Studio:
    """A new owner whose one picture is known as ``Path("photo")``."""
    owner, file = new_id(), new_id()
    with database.begin() as session:
        session.execute(insert(Owner).values(id=owner, name=str(owner)))
        session.merge(Blob(sha256=SHA256, size=1))
        session.flush()
        values = {"name": "photo.png", "media_type": "image/png", "width": 64, "height": 64}
        session.execute(
            insert(File).values(id=file, owner_id=owner, sha256=SHA256, role="upload", **values)
        )
    return Studio(settings, database, storage, owner, {Path("photo"): str(file)})
