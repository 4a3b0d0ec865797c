"""Models that are brought and deleted while somebody does something else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from jobs import quotas, service
from jobs.database import Database
from jobs.ids import new_id
from jobs.models import Blob, File
from jobs.records import audit
from jobs.refusals import RefusedError
from jobs.settings import Settings
from jobs.storage import Storage
from jobs.stored import trained
from tests.commissions import Studio
from tests.engines.models import write_model
from tests.jobs.stored.test_deletion import await_waiting


@pytest.fixture
def model(
    database: Database, storage: Storage, owner: UUID, tmp_path: Path, settings: Settings
) -> File:
    path = write_model(tmp_path / "model")
    return trained.receive(database, storage, owner, path, "dots.safetensors", settings)


def test_uploads_at_once_do_not_pass_the_limit_together(
    workshop: Database, ada: Studio, tmp_path: Path
) -> None:
    path = write_model(tmp_path / "model")
    room = ada.settings.changed(disk_per_owner=path.stat().st_size + 1000)

    def bring(name: str) -> None:
        trained.receive(workshop, ada.storage, ada.owner, path, name, room)

    with ThreadPoolExecutor(1) as aside:
        with workshop.begin() as session:
            # Another upload, about to be kept.
            quotas.check_disk(session, ada.owner, 1, quotas.limits_of(session, ada.owner, room))
            late = aside.submit(bring, "late")
            await_waiting(workshop)
            session.add(Blob(sha256="cd" * 32, size=2000))
            session.flush()
            shape = {"role": "upload", "name": "first", "media_type": "image/png"}
            session.add(File(id=new_id(), owner_id=ada.owner, sha256="cd" * 32, **shape))
        with pytest.raises(RefusedError, match="disk_used"):
            late.result()


def test_the_audit_log_remembers_a_model_that_was_deleted(
    workshop: Database, ada: Studio, tmp_path: Path
) -> None:
    path = write_model(tmp_path / "model")
    row = trained.receive(workshop, ada.storage, ada.owner, path, "dots", ada.settings)
    with workshop.begin() as session:
        trained.delete(session, ada.owner, row.id)
        (told,) = audit.page(session, audit.Filter(), 10)
    assert (told.action, told.target, told.actor_id) == (
        "model.deleted",
        f"model {row.id}",
        ada.owner,
    )
    assert told.before == {"name": "dots.safetensors", "job": "", "sha256": row.sha256}


def test_who_deletes_waits_for_who_commissions_and_then_finds_the_job(
    database: Database, settings: Settings, owner: UUID, model: File
) -> None:
    def delete() -> None:
        with database.begin() as session:
            trained.delete(session, owner, model.id)

    order = service.Order("gan_sampling", {"model": str(model.id)})
    with ThreadPoolExecutor(1) as aside:
        with database.begin() as session:
            job = service.submit(session, owner, order, settings)
            deletion = aside.submit(delete)
            await_waiting(database)
        with pytest.raises(RefusedError, match="model_in_use"):
            deletion.result()
    with database.begin() as session:
        service.cancel(session, owner, job.id)
