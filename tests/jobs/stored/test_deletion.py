"""Deleting a work takes all that was made from it along, and nothing that somebody still needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from jobs import lease, service
from jobs.database import Database
from jobs.keeper import Keeper
from jobs.models import AuditRow, Base, Checkpoint, Event, File, Frame, Job, LogChunk, Tally
from jobs.moves import lock_job
from jobs.office import administration
from jobs.records import logs
from jobs.refusals import RefusedError
from jobs.settings import Settings
from jobs.states import Reason, State
from jobs.storage import Stored
from jobs.stored import deletion, retention
from tests.commissions import Studio, tiny


def order(studio: Studio, content: str | None = None) -> UUID:
    photo = studio.upload(Path("photo"))
    return studio.submit(tiny(content or photo, photo, 100))


def stored(studio: Studio, tmp_path: Path, content: bytes) -> Stored:
    path = tmp_path / "bytes"
    path.write_bytes(content)
    return studio.storage.put(studio.database, path)


def ended(studio: Studio, tmp_path: Path, state: State = State.SUCCEEDED, mark: str = "") -> UUID:
    """An ended job with a work or a checkpoint, a preview, a frame and a log."""
    job_id = order(studio)
    with studio.database.begin() as session:
        session.execute(text("UPDATE owner_share SET served_at = 'epoch'"))
        claim = lease.claim(session, "cpu:0@test", "cpu", 3600, 1000)
    assert claim is not None
    assert claim.hold.job_id == job_id

    def kept(name: str) -> Stored:
        return stored(studio, tmp_path, f"{name} of {job_id}{mark}".encode())

    preview, frame, saved, work = map(kept, ("preview", "frame", "checkpoint", "work"))
    with studio.database.begin() as session:
        lease.report_preview(session, claim.hold, preview)
        lease.commit_checkpoint(session, claim.hold, lease.SavedState(saved.sha256, 5, 1, 1))
        logs.append(session, claim.hold, b"one line\n")
        shape = {"fence": claim.hold.fence, "width": 64, "height": 64}
        session.add(Frame(job_id=job_id, step=3, sha256=frame.sha256, **shape))
    with studio.database.begin() as session:
        if state is State.SUCCEEDED:
            made = lease.Work("result", "result.png", "image/png", work, 64, 64)
            lease.finish(session, claim.hold, [made], 1.0)
        else:
            lease.stop(session, claim.hold, state, Reason.INTERNAL_ERROR, 1.0)
    return job_id


def rows(database: Database, table: Any, job_id: UUID) -> int:
    with database.begin() as session:
        query = select(func.count()).select_from(table).where(table.job_id == job_id)
        return int(session.execute(query).scalar_one())


def refused(studio: Studio, job_id: UUID) -> str:
    with pytest.raises(RefusedError) as told, studio.database.begin() as session:
        deletion.delete_job(session, studio.owner, job_id)
    return told.value.code


def test_all_goes_with_a_job_and_only_the_audit_log_and_the_tally_remember(
    ada: Studio, tmp_path: Path, settings: Settings
) -> None:
    kept, job_id = ended(ada, tmp_path), ended(ada, tmp_path)
    child = order(ada)
    with ada.database.begin() as session:
        session.get_one(Job, child).parent_id = job_id
        session.flush()
        before = deletion.of_job(session, ada.owner, job_id)
    with ada.database.begin() as session:
        removed = deletion.delete_job(session, ada.owner, job_id)
    assert removed == before
    assert (removed.works, removed.frames, removed.preview) == (1, 1, True)
    assert removed.log_bytes == len(b"one line\n")
    assert removed.bytes == sum(len(f"{name} of {job_id}") for name in ("preview", "frame", "work"))
    for table in (Event, LogChunk, Frame, Checkpoint, File):
        assert rows(ada.database, table, job_id) == 0, table
        assert table is Checkpoint or rows(ada.database, table, kept) > 0, table
    with ada.database.begin() as session:
        assert session.get(Job, job_id) is None
        assert session.get_one(Job, child).parent_id is None
        row = session.scalars(select(AuditRow).where(AuditRow.target == f"job {job_id}")).one()
        assert (row.action, row.actor_id) == ("job.deleted", ada.owner)
        gone = select(Tally.many).where(Tally.target == "deleted")
        assert session.execute(gone).scalar_one() == 1
        session.execute(text("UPDATE blob SET touched_at = now() - interval '2 hours'"))
    held = len([path for path in (tmp_path / "files").rglob("*") if path.is_file()])
    Keeper(ada.database, ada.storage, lambda _: None, settings).sweep()
    left = len([path for path in (tmp_path / "files").rglob("*") if path.is_file()])
    # Both checkpoints went when their jobs succeeded; of this job also work, preview and frame.
    assert held - left == 2 + 3


def test_what_is_shared_with_another_job_is_not_counted_as_free(
    ada: Studio, tmp_path: Path
) -> None:
    job_id, other = ended(ada, tmp_path), ended(ada, tmp_path)
    with ada.database.begin() as session:
        same = session.get_one(Job, job_id).preview_sha256
        session.get_one(Job, other).preview_sha256 = same
    with ada.database.begin() as session:
        counted = deletion.of_job(session, ada.owner, job_id).bytes
    assert counted == sum(len(f"{name} of {job_id}") for name in ("frame", "work"))


def test_what_has_not_ended_or_is_needed_stays(ada: Studio, ben: Studio, tmp_path: Path) -> None:
    job_id = ended(ada, tmp_path)
    with ada.database.begin() as session:
        work = session.scalars(select(File.id).where(File.job_id == job_id)).one()
    waiting = order(ada, str(work))
    assert refused(ada, waiting) == "not_ended"
    assert refused(ada, job_id) == "in_use"
    assert refused(ben, job_id) == "unknown_job"
    ada.ask(service.cancel, waiting)
    with ada.database.begin() as session:
        deletion.delete_job(session, ada.owner, job_id)
    # Made from what is gone now, it cannot be tried again.
    with pytest.raises(RefusedError) as told:
        ada.ask(service.retry, waiting)
    assert [fault.code for fault in told.value.faults] == ["unknown_file"]


def test_an_upload_goes_unless_a_job_waits_for_it(ada: Studio, tmp_path: Path) -> None:
    photo = UUID(ada.upload(Path("photo")))
    job_id = order(ada)

    def delete_photo() -> int:
        with ada.database.begin() as session:
            return deletion.delete_file(session, ada.owner, photo)

    with pytest.raises(RefusedError) as told:
        delete_photo()
    assert told.value.code == "in_use"
    ada.ask(service.cancel, job_id)
    made = ended_work(ada, tmp_path)
    with pytest.raises(RefusedError) as told, ada.database.begin() as session:
        deletion.delete_file(session, ada.owner, made)
    assert told.value.code == "part_of_job"
    assert delete_photo() == 1
    with pytest.raises(RefusedError, match="unknown_file"):
        delete_photo()


def ended_work(studio: Studio, tmp_path: Path) -> UUID:
    job_id = ended(studio, tmp_path)
    with studio.database.begin() as session:
        return session.scalars(select(File.id).where(File.job_id == job_id)).one()


def test_rows_that_refer_to_a_file_are_found_in_the_tables() -> None:
    found = deletion.referring(Base.metadata.tables["job"])
    named = {f"{column.table.name}.{column.name}" for column in found}
    assert {"event.job_id", "job.parent_id", "file.job_id", "frame.job_id"} <= named


@pytest.mark.parametrize("late", ["its owner", "a rule", "the keeper"])
def test_whoever_waits_for_a_job_that_is_deleted_meanwhile_finds_none(
    workshop: Database, ada: Studio, tmp_path: Path, late: str
) -> None:
    """Nobody breaks over it, above all not the keeper."""
    job_id = ended(ada, tmp_path)
    rule = retention.Rule(retention.What.LOGS, days=0)
    keeper = Keeper(workshop, ada.storage, lambda _: None, ada.settings)
    if late == "a rule":
        with workshop.begin() as session:
            retention.replace(session, ada.owner, [rule])
    if late == "the keeper":
        with workshop.begin() as session:
            rested = {"state": "paused", "reason": "disk_full"}
            session.execute(update(Job).where(Job.id == job_id).values(rested))
    acts: dict[str, Callable[[], object]] = {
        "its owner": lambda: deleted(ada, job_id),
        "a rule": lambda: retention.apply(workshop),
        "the keeper": keeper.resume_where_room,
    }
    with ThreadPoolExecutor(1) as other:
        with workshop.begin() as session:
            job = lock_job(session, job_id)
            done = other.submit(acts[late])
            await_waiting(workshop)
            deletion.remove(session, job, ada.owner)
        if late == "its owner":
            with pytest.raises(RefusedError, match="unknown_job"):
                done.result()
        else:
            done.result()


def deleted(studio: Studio, job_id: UUID) -> deletion.Removal:
    with studio.database.begin() as session:
        return deletion.delete_job(session, studio.owner, job_id)


def await_waiting(database: Database) -> None:
    """Until somebody waits for a lock."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with database.begin() as session:
            if session.execute(waiting).scalar_one():
                return
        time.sleep(0.01)
    raise AssertionError("nobody waited")


@pytest.mark.parametrize("how", ["commissioned", "retried", "queued again"])
@pytest.mark.parametrize("what", ["upload", "work"])
def test_what_a_job_takes_that_is_just_being_commissioned_or_tried_again_is_not_deleted(
    workshop: Database, ada: Studio, tmp_path: Path, what: str, how: str
) -> None:
    job_id = ended(ada, tmp_path)
    with workshop.begin() as session:
        work = session.scalars(select(File.id).where(File.job_id == job_id)).one()
    photo = UUID(ada.upload(Path("photo")))
    taken = photo if what == "upload" else work

    def removed() -> object:
        if what == "work":
            return deleted(ada, job_id)
        with workshop.begin() as session:
            return deletion.delete_file(session, ada.owner, photo)

    order = service.Order("style_transfer", tiny(str(taken), str(taken), 1))
    acts: dict[str, Callable[[Session, UUID], object]] = {
        "commissioned": lambda s, _: service.submit(s, ada.owner, order, ada.settings),
        "retried": lambda s, ended: service.retry(s, ada.owner, ended),
        "queued again": lambda s, ended: administration.requeue(s, ada.owner, ended),
    }
    with workshop.begin() as session:
        before = service.submit(session, ada.owner, order, ada.settings)
        session.execute(text("UPDATE owner_share SET served_at = 'epoch'"))
        claim = lease.claim(session, "cpu:0@test", "cpu", 3600, 1000)
        assert claim is not None
        lease.stop(session, claim.hold, State.FAILED, Reason.STALLED, 1.0)
    with ThreadPoolExecutor(1) as other:
        with workshop.begin() as session:
            acts[how](session, before.id)
            done = other.submit(removed)
            await_waiting(workshop)
        with pytest.raises(RefusedError, match="in_use"):
            done.result()
