"""A real browser: the whole way, with and without JavaScript, small and large, by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.conftest import SAMPLES
from tests.webui.pages.conftest import Visitor
from tests.webui.pages.worker_double import WorkerDouble

Window = Callable[..., BrowserContext]
PHOTO = SAMPLES / "photos" / "cat.jpg"
PAINTING = SAMPLES / "paintings" / "van-gogh-pere-tanguy.jpg"


@pytest.fixture
def page(window: Window) -> Page:
    """A page that fails the test when a script breaks or breaks a rule of the house."""
    opened = window(viewport={"width": 1440, "height": 900}).new_page()
    opened.on("pageerror", lambda error: pytest.fail(str(error)))
    opened.on("console", lambda said: pytest.fail(said.text) if "Security" in said.text else None)
    return opened


def bring(page: Page, field: str, path: Path) -> None:
    page.set_input_files(f"#{field}-file", str(path))
    tile = page.locator(f'#field-{field} input:checked[value]:not([value^="sample:"])')
    expect(tile).to_have_count(1)


def test_the_whole_way_from_upload_to_result(page: Page, worker: WorkerDouble) -> None:
    page.goto("/")
    bring(page, "content", PHOTO)
    bring(page, "styles", PAINTING)
    page.get_by_role("button", name="Make it").click()
    page.wait_for_url("**/jobs/*")
    expect(page.locator(".status")).to_have_text("waiting")
    frame = page.locator(".frame").bounding_box()

    hold = worker.claim()
    worker.progress(hold, 0.25, 250)
    expect(page.locator(".status")).to_have_text("being made")
    expect(page.get_by_text("about 4 minutes left")).to_be_visible()
    worker.preview(hold, "orange")
    expect(page.locator("#picture")).to_be_visible()
    first = page.locator("#picture").get_attribute("src")
    worker.preview(hold, "purple")
    worker.progress(hold, 0.5, 80)
    expect(page.locator("#picture")).not_to_have_attribute("src", first or "")
    expect(page.get_by_text("about a minute left")).to_be_visible()
    assert page.locator(".frame").bounding_box() == frame, "a preview moved the page"

    worker.finish(hold)
    expect(page.get_by_role("link", name="Download", exact=True)).to_be_visible()
    assert page.locator(".frame").bounding_box() == frame, "the result moved the page"
    with page.expect_download() as download:
        page.get_by_role("link", name="Download", exact=True).click()
    assert download.value.suggested_filename == "work.png"


def test_before_and_after_can_be_compared_by_keyboard(
    page: Page, visitor: Visitor, worker: WorkerDouble
) -> None:
    where = visitor.commission()
    worker.finish(worker.claim())
    page.goto(where)
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("End")
    clip = page.locator(".before").evaluate("image => image.style.clipPath")
    assert clip == "inset(0px 0% 0px 0px)"


def test_an_unfolded_log_grows_by_itself(
    page: Page, visitor: Visitor, worker: WorkerDouble
) -> None:
    where = visitor.commission()
    page.goto(where)
    log = page.locator("#log pre")
    expect(log).to_be_hidden()
    page.get_by_text("Log", exact=True).click()
    expect(log).to_have_text("Nothing yet.")
    hold = worker.claim()
    for number in range(40):
        worker.say(hold, f"step {number}")
    expect(log).to_contain_text("step 39")
    assert log.evaluate("text => text.scrollTop > 0"), "the newest line is out of sight"
    worker.say(hold, "the end")
    worker.finish(hold)
    expect(log).to_contain_text("the end")
    expect(page.locator("#log")).to_have_attribute("open", "")


def test_a_job_can_be_paused_resumed_and_canceled(page: Page, worker: WorkerDouble) -> None:
    page.goto("/")
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".status")).to_have_text("paused")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".status")).to_have_text("waiting")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".status")).to_have_text("canceled")


def test_all_works_without_javascript(window: Window, worker: WorkerDouble) -> None:
    page = window(java_script_enabled=False).new_page()
    page.goto("/")
    page.set_input_files("#content-file", str(PHOTO))
    page.locator('label:has([value="sample:van-gogh-pere-tanguy.jpg"]) .small').click()
    page.locator("label.preset-card", has_text="Draft").click()
    page.get_by_role("button", name="Make it").click()
    page.wait_for_url("**/jobs/*")
    hold = worker.claim()
    worker.progress(hold, 0.25, 250)
    page.reload()
    expect(page.get_by_text("about 4 minutes left")).to_be_visible()
    worker.finish(hold)
    page.reload()
    expect(page.locator(".status")).to_have_text("done")
    expect(page.get_by_role("link", name="Download", exact=True)).to_be_visible()


def test_a_bad_picture_is_refused_at_once_at_its_field(page: Page, tmp_path: Path) -> None:
    bad = tmp_path / "notes.png"
    bad.write_text("not a picture")
    page.goto("/new/style_transfer")
    page.set_input_files("#content-file", str(bad))
    expect(page.locator("#faults-content")).to_contain_text("not a PNG, JPEG or WebP")


def test_a_refused_form_puts_the_reader_at_what_is_wrong(page: Page) -> None:
    page.goto("/new/style_transfer")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("#summary")).to_be_focused()
    page.locator("#summary").get_by_role("link", name="Paintings").click()
    assert page.url.endswith("#field-styles")


def test_an_open_field_follows_the_preset(page: Page) -> None:
    page.goto("/new/style_transfer")
    page.locator("label.preset-card", has_text="Fine").click()
    assert page.locator("#size").get_attribute("placeholder") == "1024"
    assert page.locator("#size").input_value() == ""


def test_the_page_says_when_the_studio_is_away_and_comes_back(
    page: Page, visitor: Visitor, worker: WorkerDouble
) -> None:
    page.goto(visitor.commission())

    def cut(route: Route) -> None:
        route.abort()

    page.route("**/api/v1/**", cut)
    expect(page.get_by_text("The studio does not answer; trying again.")).to_be_visible()
    page.unroute("**/api/v1/**", cut)
    expect(page.get_by_text("The studio does not answer; trying again.")).to_be_hidden()


def test_the_wall_follows_its_jobs(page: Page, visitor: Visitor, worker: WorkerDouble) -> None:
    visitor.commission()
    page.goto("/")
    expect(page.locator(".at-work")).to_contain_text("waiting")
    hold = worker.claim()
    worker.progress(hold, 0.5, 250)
    worker.preview(hold, "orange")
    expect(page.locator(".at-work")).to_contain_text("about 4 minutes left")
    worker.finish(hold)
    expect(page.locator(".work")).to_have_count(1)
    expect(page.locator(".at-work")).to_have_count(0)


def test_the_keyboard_is_enough(page: Page, worker: WorkerDouble) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the page")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator('#field-content input[type="radio"]').first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator('[value="sample:astronaut.jpg"]')).to_be_checked()
    page.get_by_role("button", name="Make it").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/*")
    page.keyboard.press("j")
    page.wait_for_url("**/jobs")


@pytest.mark.parametrize(
    ("width", "scheme", "language"),
    [(360, "light", "zh"), (360, "dark", "en"), (1440, "light", "en"), (1440, "dark", "zh")],
)
def test_every_page_fits_its_window(
    window: Window, visitor: Visitor, worker: WorkerDouble, width: int, scheme: str, language: str
) -> None:
    job = visitor.commission()
    worker.finish(worker.claim())
    context = window(viewport={"width": width, "height": 800}, color_scheme=scheme)
    context.set_extra_http_headers({"Accept-Language": language})
    page = context.new_page()
    for path in ("/", "/new/style_transfer", "/jobs", job, "/nowhere", "/welcome"):
        page.goto(path)
        inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert inner[0] <= inner[1], path
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(18, 18, 17)")


def test_a_slider_that_is_left_open_stands_at_its_beginning_and_sends_nothing(page: Page) -> None:
    page.goto("/new/gan_sampling")
    page.get_by_text("More", exact=True).click()
    measure = page.locator(".measure", has=page.locator("#innovation"))
    slider = measure.locator('input[type="range"]')
    assert slider.input_value() == "0"
    expect(measure.locator("#innovation")).to_have_value("")
    slider.fill("2")
    expect(measure.locator("#innovation")).to_have_value("2.00")
