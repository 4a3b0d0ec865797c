"""One person's sets of pictures, brought and checked where a test says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from jobs import service
from jobs.keeper import Keeper
from jobs.models import Dataset
from jobs.stored import datasets
from jobs.stored.checking import Check
from jobs.stored.datasets import Brought
from tests.archives import labelled, zipped
from tests.commissions import Studio


class Desk:
    """One person's datasets, checked where a test says so."""

    def __init__(self, person: Studio, folder: Path) -> None:
        self.person, self.folder = person, folder
        self.settings = person.settings.changed(data=folder / "var", upload_bytes=1_000_000)

    def bring(self, files: dict[str, bytes] | bytes, **said: Any) -> UUID:
        """Send an archive."""
        upload = self.folder / "upload.zip"
        upload.write_bytes(files if isinstance(files, bytes) else zipped(files))
        row = datasets.receive(
            self.person.database,
            self.person.storage,
            self.person.owner,
            upload,
            Brought(**said),
            self.settings,
        )
        return row.id

    def check(self, dataset_id: UUID) -> Dataset:
        """What the keeper's child would do, here and now."""
        Check(self.person.database, self.person.storage, self.settings).run(dataset_id)
        return self.row(dataset_id)

    def row(self, dataset_id: UUID) -> Dataset:
        """The dataset as it is now."""
        with self.person.database.begin() as session:
            return datasets.get(session, self.person.owner, dataset_id)

    def ready(self, **said: Any) -> Dataset:
        """A small set that is ready."""
        return self.check(self.bring(labelled(), **said))

    def order(self, kind: str, dataset_id: UUID, **params: Any) -> UUID:
        """Commission a job that learns from a dataset."""
        with self.person.database.begin() as session:
            order = service.Order(kind, {"dataset": str(dataset_id), **params})
            return service.submit(session, self.person.owner, order, self.settings).id

    def keeper(self, woken: list[str]) -> Keeper:
        """A keeper of this person's studio."""
        return Keeper(self.person.database, self.person.storage, woken.append, self.settings)
