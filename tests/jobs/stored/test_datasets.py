"""Datasets: what is brought is checked once, kept as long as it is needed, and jobs wait for it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from engines.datasets.pack import Pack
from jobs import lease, service
from jobs.database import Database
from jobs.ids import new_id
from jobs.keeper import Keeper
from jobs.models import Blob, Dataset, Job
from jobs.office import administration, verify
from jobs.records import audit
from jobs.refusals import RefusedError
from jobs.states import State
from jobs.storage import StorageError
from jobs.stored import checking, datasets
from jobs.stored.checking import Check
from jobs.stored.checks import TRY_AGAIN, Checks
from jobs.stored.datasets import Brought, SampleOrder
from tests.archives import HOSTILE, art, labelled, zipped
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


@pytest.fixture
def desk(ada: Studio, tmp_path: Path) -> Desk:
    """Ada's desk."""
    return Desk(ada, tmp_path)


def test_what_is_brought_becomes_a_pack_in_storage(desk: Desk, tmp_path: Path) -> None:
    row = desk.ready(name="Three styles", licence="CC0")
    assert row.state == "ready"
    assert row.report is not None
    assert row.report["pictures"] == 6
    assert row.upload_sha256 is None
    assert row.sha256 is not None
    desk.person.storage.fetch(row.sha256, tmp_path / "pack")
    with Pack(tmp_path / "pack") as opened:
        assert len(opened) == 6
    assert not any((desk.settings.scratch / "datasets").iterdir()), "a check left its folder"


def test_the_same_content_is_stored_once_and_said_to_be_known(desk: Desk) -> None:
    first, again = desk.ready(name="First"), desk.ready(name="Again")
    assert first.sha256 == again.sha256
    assert again.report is not None
    known = [w["values"] for w in again.report["warnings"] if w["code"] == "known_already"]
    assert known == [{"name": "First"}]
    assert desk.check(first.id).checked_at == first.checked_at, "a ready one was checked again"


def test_a_hostile_upload_is_refused_and_leaves_nothing(desk: Desk) -> None:
    make, code = HOSTILE["a symbolic link"]
    row = desk.check(desk.bring(make()))
    assert row.state == "refused"
    assert row.refused is not None
    assert row.refused["code"] == code
    assert row.upload_sha256 is None
    assert row.sha256 is None
    assert not any((desk.settings.scratch / "datasets").iterdir())


def test_pictures_added_make_a_new_version_and_leave_the_old_as_it_was(desk: Desk) -> None:
    first = desk.ready()
    more = {f"ink/{n}.png": art("ink", n) for n in range(2)}
    second = desk.check(desk.bring(more, parent_id=first.id))
    assert second.parent_id == first.id
    assert second.report is not None
    assert second.report["pictures"] == 8
    assert desk.row(first.id).sha256 == first.sha256 != second.sha256


def test_a_check_that_was_killed_before_begins_again(desk: Desk) -> None:
    """What it left in its folder is in nobody's way."""
    dataset_id = desk.bring(labelled())
    left = desk.settings.scratch / "datasets" / str(dataset_id)
    (left / "work").mkdir(parents=True)
    (left / "upload.zip").write_bytes(b"half")
    assert desk.check(dataset_id).state == "ready"
    assert not left.exists()


def test_a_check_that_breaks_five_times_is_given_up_in_words(desk: Desk) -> None:
    dataset_id = desk.bring(labelled())
    states = []
    for _ in range(datasets.DEATHS_TOLERATED):
        with desk.person.database.begin() as session:
            row = datasets.note_death(session, dataset_id)
            assert row is not None
            states.append(row.state)
    assert states == [*["checking"] * 4, "refused"]
    assert desk.row(dataset_id).refused == {"code": "check_failed", "values": {"times": 5}}


def test_an_upload_that_is_gone_is_refused_and_one_out_of_reach_is_not(
    desk: Desk, tmp_path: Path
) -> None:
    dataset_id = desk.bring(labelled())
    (tmp_path / "files").rename(tmp_path / "unmounted")
    with pytest.raises(StorageError):
        desk.check(dataset_id)
    assert desk.row(dataset_id).state == "checking"
    (tmp_path / "unmounted").rename(tmp_path / "files")
    upload = desk.row(dataset_id).upload_sha256
    assert upload is not None
    desk.person.storage.remove(upload)
    assert desk.check(dataset_id).refused == {"code": "upload_lost", "values": {}}


def test_two_checks_of_one_set_have_folders_of_their_own(tmp_path: Path) -> None:
    """A keeper that lost the lead still has its own running: two that write to one folder could
    come to a pack that is neither's. What was left behind goes."""
    set_id = new_id()
    (tmp_path / f"{set_id}-old").mkdir()
    with checking._folder(tmp_path, set_id) as first:
        (first / "upload.zip").write_bytes(b"pictures")
        with checking._folder(tmp_path, set_id) as second:
            assert first != second
            assert (first / "upload.zip").exists()
        assert set(tmp_path.iterdir()) == {first}
    assert not list(tmp_path.iterdir())


def test_a_set_whose_check_must_be_tried_again_holds_up_no_other(desk: Desk) -> None:
    """Its upload may be what is out of reach; in the end it is its turn again."""
    brought = [desk.bring({"a.png": art("dots", n)}) for n in range(3)]
    started: list[UUID] = []

    class Away(Checks):
        """No check comes to an end."""

        def _started(self, dataset_id: UUID) -> Any:
            started.append(dataset_id)
            return SimpleNamespace(poll=lambda: TRY_AGAIN)

    checks = Away(desk.person.database, desk.settings)
    for turn in range(10):
        checks.turn(100.0 * turn)
        checks.turn(100.0 * turn + 10.0)
    assert started[:3] == brought
    assert set(started[3:6]) == set(brought)


def test_sample_art_for_which_there_is_no_room_is_no_death_of_its_set(
    desk: Desk, tmp_path: Path
) -> None:
    with desk.person.database.begin() as session:
        order = SampleOrder(per_style=1, size=32)
        row = datasets.draw(session, desk.person.owner, order, Brought("Art"), desk.settings)
    check = Check(desk.person.database, desk.person.storage, desk.settings)
    (tmp_path / "full").write_bytes(b"no folder")
    with pytest.raises(OSError, match="could not be written"):
        check._drawn(row, tmp_path / "full" / "art")


def test_sample_art_is_drawn_and_checked(desk: Desk) -> None:
    with desk.person.database.begin() as session:
        order = SampleOrder(per_style=1, size=32)
        row = datasets.draw(session, desk.person.owner, order, Brought("Art", "own"), desk.settings)
    done = desk.check(row.id)
    assert done.report is not None
    assert done.report["pictures"] == len(done.report["labels"]) == 7


@pytest.mark.parametrize(
    ("order", "pointers"),
    [
        (SampleOrder(0, 31, -1), ["/per_style", "/size", "/seed"]),
        (SampleOrder(501, 256, 0), ["/per_style"]),
    ],
)
def test_sample_art_out_of_range_is_refused_by_name(
    desk: Desk, order: SampleOrder, pointers: list[str]
) -> None:
    with pytest.raises(RefusedError) as refused, desk.person.database.begin() as session:
        datasets.draw(session, desk.person.owner, order, Brought(), desk.settings)
    assert [fault.pointer for fault in refused.value.faults] == pointers


def test_a_job_on_a_checking_dataset_waits_and_starts_by_itself(desk: Desk, learning: str) -> None:
    dataset_id = desk.bring(labelled())
    job_id = desk.order(learning, dataset_id)
    woken: list[str] = []
    keeper = desk.keeper(woken)
    keeper.settle_awaiting()
    assert desk.person.job(job_id).reason == "awaiting_dataset"
    assert desk.person.ask(service.resume, job_id).state == State.PAUSED, "resumed too early"
    with desk.person.database.begin() as session:
        assert lease.claim(session, "cpu:0@test", "cpu", 60, 10) is None
    pack = desk.check(dataset_id).sha256
    keeper.settle_awaiting()
    row = desk.person.job(job_id)
    assert (row.state, row.reason) == (State.QUEUED, "dataset_ready")
    assert row.inputs == {str(dataset_id): pack}
    assert woken == ["cpu"]
    assert desk.person.moves(job_id) == [
        (None, "queued", None),
        ("queued", "paused", "awaiting_dataset"),
        ("paused", "queued", "dataset_ready"),
    ]
    assert list(verify.Verifier(desk.person.database, desk.person.storage)._of_jobs()) == []


def test_a_job_whose_dataset_is_refused_fails_in_words(desk: Desk, learning: str) -> None:
    dataset_id = desk.bring(zipped({}))
    job_id = desk.order(learning, dataset_id)
    desk.check(dataset_id)
    desk.keeper([]).settle_awaiting()
    row = desk.person.job(job_id)
    assert (row.state, row.reason) == (State.FAILED, "bad_input")
    assert row.error is not None
    assert row.error["pointer"] == "/dataset"
    assert row.ended_at is not None
    again = desk.person.ask(service.retry, job_id)
    assert (again.state, again.reason) == (State.FAILED, "bad_input")
    assert list(verify.Verifier(desk.person.database, desk.person.storage)._of_jobs()) == []


def test_an_administrator_cannot_queue_a_job_again_whose_dataset_is_not_there(
    desk: Desk, learning: str
) -> None:
    """No slot could run it, and each would try for ever."""
    dataset_id = desk.bring(zipped({}))
    job_id = desk.order(learning, dataset_id)
    desk.check(dataset_id)
    desk.keeper([]).settle_awaiting()
    with desk.person.database.begin() as session:
        administration.requeue(session, desk.person.owner, job_id)
    row = desk.person.job(job_id)
    assert (row.state, row.reason) == (State.FAILED, "bad_input")


def test_a_waiting_job_that_was_canceled_and_retried_waits_again(desk: Desk, learning: str) -> None:
    job_id = desk.order(learning, desk.bring(labelled()))
    assert desk.person.ask(service.cancel, job_id).state == State.CANCELED
    assert desk.person.ask(service.retry, job_id).reason == "awaiting_dataset"


def test_a_waiting_job_that_its_owner_pauses_rests_until_it_is_resumed(
    desk: Desk, learning: str
) -> None:
    """Also when its set is ready before; when it is not, it waits for it again."""
    dataset_id = desk.bring(labelled())
    early, late = desk.order(learning, dataset_id), desk.order(learning, dataset_id)
    for job_id in (early, late):
        paused = desk.person.ask(service.pause, job_id)
        assert (paused.state, paused.reason) == (State.PAUSED, "paused_by_user")
    assert desk.person.ask(service.resume, early).reason == "awaiting_dataset"
    pack = desk.check(dataset_id).sha256
    desk.keeper([]).settle_awaiting()
    assert desk.person.job(early).state == State.QUEUED
    assert desk.person.job(late).reason == "paused_by_user"
    desk.person.ask(service.resume, late)
    row = desk.person.job(late)
    assert (row.state, row.inputs) == (State.QUEUED, {str(dataset_id): pack})
    assert list(verify.Verifier(desk.person.database, desk.person.storage)._of_jobs()) == []


def test_a_waiting_job_that_is_retried_when_its_set_is_ready_gets_its_pack(
    desk: Desk, learning: str
) -> None:
    dataset_id = desk.bring(labelled())
    job_id = desk.order(learning, dataset_id)
    desk.person.ask(service.cancel, job_id)
    pack = desk.check(dataset_id).sha256
    desk.person.ask(service.retry, job_id)
    row = desk.person.job(job_id)
    assert (row.state, row.inputs) == (State.QUEUED, {str(dataset_id): pack})


@pytest.mark.parametrize("usable", [True, False])
def test_a_job_whose_parameters_are_of_an_older_version_waits_for_its_set_all_the_same(
    desk: Desk, learning: str, usable: bool
) -> None:
    dataset_id = desk.bring(labelled() if usable else zipped({}))
    job_id = desk.order(learning, dataset_id)
    with desk.person.database.begin() as session:
        session.execute(update(Job).values(params={"set": str(dataset_id)}))
    desk.keeper([]).settle_awaiting()
    assert desk.person.job(job_id).reason == "awaiting_dataset", "started without its set"
    pack = desk.check(dataset_id).sha256
    desk.keeper([]).settle_awaiting()
    row = desk.person.job(job_id)
    if usable:
        assert (row.state, row.inputs) == (State.QUEUED, {str(dataset_id): pack})
    else:
        assert (row.state, row.reason) == (State.FAILED, "bad_input")


def test_a_job_on_a_ready_dataset_does_not_wait(desk: Desk, learning: str) -> None:
    ready = desk.ready()
    row = desk.person.job(desk.order(learning, ready.id))
    assert (row.state, row.inputs) == (State.QUEUED, {str(ready.id): ready.sha256})


def test_what_needs_labels_is_refused_by_name_before_it_waits_where_the_set_has_none(
    desk: Desk,
) -> None:
    plain = desk.check(desk.bring({f"{n}.png": art("ink", n) for n in range(8)}))
    with pytest.raises(RefusedError) as refused:
        desk.order("gan_training", plain.id, innovation=1.0, conditional=True)
    found = [(fault.pointer, fault.code) for fault in refused.value.faults]
    assert found == [(f"/params/{n}", "does_not_fit") for n in ("innovation", "conditional")]
    row = desk.person.job(desk.order("gan_training", plain.id))
    assert row.state == State.QUEUED


def test_a_dataset_that_is_refused_or_somebody_elses_is_refused_by_name(
    desk: Desk, learning: str, ben: Studio
) -> None:
    refused_id = desk.check(desk.bring(zipped({}))).id
    for dataset_id, person, code in (
        (refused_id, desk.person, "dataset_refused"),
        (desk.ready().id, ben, "unknown_dataset"),
    ):
        with pytest.raises(RefusedError) as refused:
            Desk(person, desk.folder).order(learning, dataset_id)
        assert [(f.pointer, f.code) for f in refused.value.faults] == [("/params/dataset", code)]


def test_a_dataset_in_use_is_not_deleted_and_says_by_what(desk: Desk, learning: str) -> None:
    for dataset_id in (desk.ready().id, desk.bring({"a.png": art("dots", 1)})):
        job_id = desk.order(learning, dataset_id)
        with pytest.raises(RefusedError) as refused, desk.person.database.begin() as session:
            datasets.delete(session, desk.person.owner, dataset_id)
        assert refused.value.code == "dataset_in_use"
        assert str(job_id) in refused.value.values["users"]
        desk.person.ask(service.cancel, job_id)
        with desk.person.database.begin() as session:
            datasets.delete(session, desk.person.owner, dataset_id)
            told = audit.page(session, audit.Filter(action="dataset.deleted"), 1)
        assert [row.target for row in told] == [f"dataset {dataset_id}"]
        with pytest.raises(RefusedError) as again:
            desk.person.ask(service.retry, job_id)
        faults = [(fault.code, fault.values["value"]) for fault in again.value.faults]
        assert faults == [("unknown_file", str(dataset_id))]


def test_a_version_outlives_the_one_it_was_made_from(desk: Desk) -> None:
    """Also while it is still being checked."""
    first = desk.ready()
    more = desk.bring({"ink/1.png": art("ink", 1)}, parent_id=first.id)
    with desk.person.database.begin() as session:
        datasets.delete(session, desk.person.owner, first.id)
    done = desk.check(more)
    assert done.parent_id is None
    assert done.report is not None
    assert done.report["pictures"] == 7


def test_the_sweep_keeps_what_datasets_refer_to_and_takes_the_rest(desk: Desk) -> None:
    ready, checking = desk.ready(), desk.bring({"a.png": art("dots", 1)})
    uploads = desk.row(checking).upload_sha256
    database = desk.person.database
    with database.begin() as session:
        session.execute(text("UPDATE blob SET touched_at = touched_at - interval '2 hours'"))
    desk.keeper([]).sweep()
    with database.begin() as session:
        left = set(session.scalars(select(Blob.sha256)))
    assert left >= {ready.sha256, ready.album_sha256, ready.sheet_sha256, uploads}
    assert len(left) == 5, "the checked upload is still there"  # with ada's picture


def test_lost_bytes_of_a_dataset_are_found_and_named(desk: Desk) -> None:
    row = desk.ready(name="Three styles")
    assert row.sha256 is not None
    storage = desk.person.storage
    storage.remove(row.sha256)
    found = [
        finding
        for finding in verify.Verifier(desk.person.database, storage).findings()
        if "Three styles" in finding.subject
    ]
    assert [(finding.check, finding.subject.split()[0]) for finding in found] == [("bytes", "pack")]


def test_a_set_beyond_ones_share_of_the_disk_is_refused(desk: Desk) -> None:
    desk.settings = desk.settings.changed(disk_per_owner=1000)
    with pytest.raises(RefusedError) as refused:
        desk.bring(labelled())
    assert refused.value.code == "disk_used"


def test_what_is_said_of_a_set_is_kept_within_bounds(desk: Desk) -> None:
    with pytest.raises(RefusedError) as refused:
        desk.bring(labelled(), name="x" * 201, licence="y" * 501)
    assert [fault.pointer for fault in refused.value.faults] == ["/name", "/licence"]
    with pytest.raises(RefusedError) as refused:
        desk.bring(labelled(), parent_id=desk.bring(labelled()))
    assert [fault.code for fault in refused.value.faults] == ["dataset_not_ready"]


def test_a_dataset_deleted_while_it_is_checked_is_forgotten(desk: Desk, workshop: Database) -> None:
    dataset_id = desk.bring(labelled())
    with workshop.begin() as session:
        datasets.delete(session, desk.person.owner, dataset_id)
        datasets.complete(session, dataset_id, {"warnings": []}, "a" * 64, "b" * 64, "c" * 64)
    with workshop.begin() as session:
        assert session.scalars(select(Dataset.id).where(Dataset.id == dataset_id)).all() == []
