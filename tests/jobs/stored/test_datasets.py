"""Sets of pictures: what is brought is checked once, and kept as long as it is needed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from engines.datasets.pack import Pack
from jobs.database import Database
from jobs.ids import new_id
from jobs.models import Blob, Dataset
from jobs.office import verify
from jobs.refusals import RefusedError
from jobs.storage import StorageError
from jobs.stored import checking, datasets
from jobs.stored.checking import Check
from jobs.stored.checks import TRY_AGAIN, Checks
from jobs.stored.datasets import Brought, SampleOrder
from tests.archives import HOSTILE, art, labelled
from tests.jobs.stored.desk import Desk


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
