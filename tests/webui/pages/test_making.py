"""Commissioning through the form, without JavaScript."""

from __future__ import annotations

import errno
import re
from io import BytesIO
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.datastructures import FileStorage

from jobs.access import people
from jobs.models import File, Job
from tests.webui.pages.conftest import Visitor, new_artist
from tests.webui.pages.worker_double import WorkerDouble, picture
from webui.studio import Studio

NEW = "/new/style_transfer"


def job_at(parts: Studio, where: str) -> Job:
    with parts.database.begin() as session:
        found = session.get(Job, UUID(where.rsplit("/", 1)[-1]))
    assert found is not None
    return found


def upload(name: str = "mine.png", content: bytes | None = None) -> tuple[BytesIO, str]:
    return BytesIO(picture() if content is None else content), name


def test_samples_and_a_preset_make_a_job(visitor: Visitor, parts: Studio) -> None:
    row = job_at(parts, visitor.commission(preset="draft", size="", seed=""))
    assert row.state == "queued"
    assert row.params["size"] == 256
    assert "size" not in row.given


def test_a_touched_field_outranks_the_preset(visitor: Visitor, parts: Studio) -> None:
    row = job_at(parts, visitor.commission(preset="draft", size="300"))
    assert row.params["size"] == 300


def test_a_sample_is_kept_once_per_owner(visitor: Visitor, parts: Studio, artist: UUID) -> None:
    visitor.commission(seed="1")
    visitor.commission(seed="2")
    with parts.database.begin() as session:
        query = select(func.count()).select_from(File).where(File.owner_id == artist)
        assert session.execute(query).scalar_one() == 2


def test_an_upload_outranks_the_sample_behind_it(visitor: Visitor, parts: Studio) -> None:
    row = job_at(parts, visitor.commission(**{"content.file": upload()}))
    with parts.database.begin() as session:
        kept = session.get(File, UUID(row.params["content"]))
    assert kept is not None
    assert (kept.name, kept.width) == ("mine.png", 90)


def test_several_uploads_join_what_is_chosen(visitor: Visitor, parts: Studio) -> None:
    files = [upload("a.png"), upload("b.png")]
    row = job_at(parts, visitor.commission(**{"styles.file": files}))
    assert len(row.params["styles"]) == 3


def test_a_refused_form_keeps_every_value_and_names_every_fault(visitor: Visitor) -> None:
    status, shown, _ = visitor.post(
        NEW,
        content="sample:cat.jpg",
        preset="fine",
        size="9",
        seed="abc",
        content_weight="2.5",
        **{"styles.file": upload("fine.png")},
    )
    assert status == 422
    assert 'href="#field-size"' in shown
    assert "9 is too small; at least 64 is taken." in shown
    assert "&#39;abc&#39; has the wrong type; a whole number is needed." in shown
    assert 'value="abc"' in shown
    assert 'value="2.5"' in shown
    assert re.search(r'value="sample:cat.jpg" checked', shown)
    assert re.search(r'type="checkbox" name="styles" value="[0-9a-f-]{36}" checked', shown)
    assert re.search(r'value="fine"[^>]* checked', shown)


def test_the_kept_upload_of_a_refused_form_is_taken_the_next_time(visitor: Visitor) -> None:
    styles = upload("kept.png")
    _, shown, _ = visitor.post(NEW, content="", size="512", **{"styles.file": styles})
    kept = re.search(r'name="styles" value="([0-9a-f-]{36})" checked', shown)
    assert kept
    visitor.commission(styles=kept[1])


def test_a_bad_picture_is_named_at_its_field_and_only_once(visitor: Visitor) -> None:
    sent = {"content.file": upload("bad.png", b"not a picture"), "styles": "sample:cat.jpg"}
    status, shown, _ = visitor.post(NEW, **sent)
    assert status == 422
    field = shown[shown.index('id="faults-content"') : shown.index('id="field-styles"')]
    assert field.count('class="fault"') == 1
    assert "not a PNG, JPEG or WebP" in field


def test_nothing_chosen_is_said_at_the_fields(visitor: Visitor) -> None:
    status, shown, _ = visitor.post(NEW)
    assert status == 422
    assert shown.count("This is needed and was not given.") == 4  # summary and field, twice


def test_an_upload_over_the_limit_is_said_at_its_field(visitor: Visitor) -> None:
    big = upload("big.png", b"x" * 250_000)
    status, shown, _ = visitor.post(NEW, **{"content.file": big})
    assert status == 422
    assert "big.png is too large" in shown


def test_an_upload_that_no_room_is_left_for_is_told_so_and_not_called_too_large(
    visitor: Visitor, parts: Studio, artist: UUID
) -> None:
    with parts.database.begin() as session:
        people.change_limits(session, artist, {"disk_limit": 1}, by="console")
    status, shown, _ = visitor.post(NEW, **{"content.file": upload("small.png")})
    assert status == 403
    assert "there is no room for more" in shown
    assert "is too large" not in shown


def test_a_full_disk_is_told_as_one(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FileStorage, "save", full)
    status, shown, _ = visitor.post(NEW, **{"content.file": upload("small.png")})
    assert (status, "cannot store files at the moment" in shown) == (503, True)


def test_a_body_beyond_all_limits_is_a_page_with_what_to_do(visitor: Visitor) -> None:
    answer = visitor.http.post(
        NEW,
        base_url=visitor.base,
        data=b"x" * 1_500_000,
        content_type="multipart/form-data; boundary=x",
    )
    assert answer.status_code == 413
    shown = answer.get_data(as_text=True)
    assert "Make the picture smaller" in shown


def test_anothers_file_is_unknown(visitor: Visitor, parts: Studio, app: Flask) -> None:
    other = Visitor(app, parts, new_artist(parts))
    foreign = job_at(parts, other.commission()).params["content"]
    status, shown, _ = visitor.post(NEW, content=foreign, styles="sample:cat.jpg")
    assert status == 422
    assert "There is no such file of yours" in shown


def test_pressing_twice_makes_one_job(visitor: Visitor) -> None:
    first = visitor.commission(order="one press", seed="1")
    assert visitor.commission(order="one press", seed="1") == first
    assert visitor.commission(order="one press", seed="2") != first


def test_run_again_starts_from_the_parents_values(visitor: Visitor, parts: Studio) -> None:
    where = visitor.commission(preset="fine", seed="77")
    parent = job_at(parts, where)
    shown = visitor.page(f"{NEW}?from={parent.id}")
    assert 'value="77"' in shown
    assert f'value="{parent.given["content"]}" checked' in shown
    again = visitor.commission(**{**parent.given, "seed": "78", "from": str(parent.id)})
    assert job_at(parts, again).parent_id == parent.id


def test_a_finished_work_is_a_choice_for_the_next(visitor: Visitor, worker: WorkerDouble) -> None:
    visitor.commission()
    worker.finish(worker.claim())
    shown = visitor.page("/")
    assert re.search(r'name="styles" value="[0-9a-f-]{36}"', shown)
