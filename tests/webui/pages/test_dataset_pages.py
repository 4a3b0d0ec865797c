"""The pages of datasets, without JavaScript and in a real browser, at both widths."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from jobs.models import Dataset
from jobs.stored.checking import Check
from tests.archives import HOSTILE, art, labelled, zipped
from tests.webui.pages.conftest import Visitor
from webui.studio import Studio

WIDTHS = [{"width": 360, "height": 740}, {"width": 1440, "height": 900}]
DROP = """
([bytes, name]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], name));
  for (const type of ["dragover", "drop"]) {
    const event = new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true });
    document.querySelector(".drop").dispatchEvent(event);
  }
}
"""


def checked(parts: Studio, address: str) -> Dataset:
    """Check the dataset whose page is at ``address``, here and now."""
    id_ = address.rstrip("/").rpartition("/")[2]
    with parts.database.begin() as session:
        row = session.get(Dataset, id_)
        assert row is not None
    Check(parts.database, parts.storage, parts.settings).run(row.id)
    with parts.database.begin() as session:
        found = session.get(Dataset, id_)
        assert found is not None
    return found


def brought(visitor: Visitor, content: bytes, name: str = "set.zip", **fields: str) -> str:
    """Send the form as a browser without JavaScript does; where it leads."""
    status, shown, where = visitor.post("/datasets", **fields, file=(BytesIO(content), name))
    assert status == 303, shown
    return where


def test_an_empty_page_invites_and_one_press_draws_a_set(visitor: Visitor, parts: Studio) -> None:
    assert "Nothing here yet." in visitor.page("/datasets")
    status, _, where = visitor.post("/datasets/sample")
    assert status == 303
    assert "being checked" in visitor.page(where)


def test_a_set_is_brought_looked_through_and_deleted_without_javascript(
    visitor: Visitor, parts: Studio
) -> None:
    where = brought(visitor, zipped(labelled()), name="set.zip", **{"licence": "CC0"})
    checked(parts, where)
    page = visitor.page(where)
    assert "6 pictures, 3 labels" in page
    assert page.count("/thumbnails/") == 6
    assert visitor.page(f"{where}?label=colour-grids").count("/thumbnails/") == 2
    listed = visitor.page("/datasets")
    assert "/sheet" in listed
    status, _, back = visitor.post(f"{where}/delete")
    assert (status, back) == (303, "/datasets")
    assert visitor.get(where)[0] == 404


def test_name_and_origin_can_be_noted_later(
    window: Callable[..., BrowserContext], visitor: Visitor, parts: Studio
) -> None:
    where = brought(visitor, zipped(labelled()), name="set.zip")
    checked(parts, where)
    page = window(viewport=WIDTHS[0]).new_page()
    page.goto(where)
    expect(page.get_by_text("Nothing is noted about where")).to_be_visible()
    page.get_by_role("link", name="not noted").click()
    page.locator("#about").get_by_label("Name").fill("My walls")
    page.locator("#about").get_by_label("Licence or origin").fill("my own photographs")
    page.get_by_role("button", name="Note it").click()
    expect(page.get_by_role("heading", name="My walls")).to_be_visible()
    expect(page.locator(".facts").get_by_text("my own photographs")).to_be_visible()
    expect(page.get_by_text("Nothing is noted about where")).to_have_count(0)
    fits(page)
    status, shown, _ = visitor.post(f"{where}/about", name=" ", licence="")
    assert status == 422
    assert "My walls" in shown


def test_a_refused_set_and_a_refused_upload_say_what_to_do(visitor: Visitor, parts: Studio) -> None:
    where = brought(visitor, HOSTILE["an encrypted file"][0]())
    checked(parts, where)
    assert "Make a ZIP without a password." in visitor.page(where)
    assert "Make a ZIP without a password." in visitor.page("/datasets")
    status, shown, _ = visitor.post("/datasets", file=(BytesIO(b""), ""))
    assert status == 422
    assert "This is needed and was not given." in shown


def test_the_middle_size_is_not_said_to_be_above_half_of_them(
    visitor: Visitor, parts: Studio
) -> None:
    files = {f"{n}.png": art("ink", n, 64) for n in range(4)}
    where = brought(visitor, zipped({**files, "small.png": art("dots", 0, 32)}))
    checked(parts, where)
    assert "32 to 64 px, the middle one 64 px" in visitor.page(where)


def test_a_dataset_is_chosen_by_its_address_and_one_in_use_stays(
    visitor: Visitor, parts: Studio, learning: str
) -> None:
    where = brought(visitor, zipped(labelled()), **{"name": "Mine"})
    id_ = where.rpartition("/")[2]
    assert f"/new/{learning}?dataset={id_}" in visitor.page(where)
    form = visitor.page(f"/new/{learning}?dataset={id_}")
    assert f'value="{id_}" checked' in form
    assert "Mine (being checked)" in form
    status, _, job = visitor.post(f"/new/{learning}", dataset=id_)
    assert status == 303
    shown = visitor.page(job)
    assert "Its pictures are still being checked" in shown
    assert f"{job}/resume" not in shown, "a button that would do nothing"
    assert f"{job}/pause" in shown
    status, shown, _ = visitor.post(f"{where}/delete")
    assert status == 409
    assert job.rpartition("/")[2] in shown


@pytest.mark.parametrize("size", WIDTHS, ids=["phone", "desk"])
def test_a_dropped_zip_is_checked_before_ones_eyes(
    window: Callable[..., BrowserContext], parts: Studio, size: dict[str, int]
) -> None:
    page = window(viewport=size).new_page()
    page.goto("/datasets")
    fits(page)
    files = {**labelled(), "set/ink/torn.png": art("ink", 0)[:300]}
    page.evaluate(DROP, [list(zipped(files)), "holiday.zip"])
    expect(page.get_by_role("heading", name="holiday")).to_be_visible()
    expect(page.get_by_text("It is being checked.")).to_be_visible()
    checked(parts, page.url)
    expect(page.get_by_role("heading", name="6 pictures, 3 labels")).to_be_visible()
    expect(page.get_by_text("a model will remember the pictures")).to_be_visible()
    expect(page.get_by_text("set/ink/torn.png")).to_be_visible()
    fits(page)
    page.goto("/datasets")
    expect(page.get_by_role("img", name="Pictures of holiday")).to_be_visible()
    fits(page)


def test_a_folder_is_brought_by_its_control_and_what_is_refused_is_said_beside_it(
    window: Callable[..., BrowserContext], parts: Studio, tmp_path: Path
) -> None:
    page = window().new_page()
    page.goto("/datasets")
    page.get_by_role("button", name="Bring this set").click()
    expect(page.get_by_text("Choose pictures, a folder or a ZIP first.")).to_be_visible()
    for name, content in labelled().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    page.get_by_label("A whole folder").set_input_files(tmp_path / "set")
    page.get_by_role("button", name="Bring this set").click()
    expect(page.get_by_role("heading", name="set", exact=True)).to_be_visible()
    report = checked(parts, page.url).report
    assert report is not None
    assert len(report["labels"]) == 3


def fits(page: Page) -> None:
    """Nothing hangs over the side."""
    width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, f"{width} px too wide at {page.url}"
