"""The timeline on a job's page: scrubber, picture and curves move together, by whichever hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import update

from engines import media
from jobs import lease, snapshots
from jobs.models import Job
from jobs.records.series import Column
from jobs.states import Reason, State
from tests.webui.pages.axe import fits, violations
from tests.webui.pages.conftest import BROWSER_PATIENCE_MS, Visitor
from tests.webui.pages.worker_double import WorkerDouble

Window = Callable[..., BrowserContext]
LAST = 1000


@pytest.fixture
def page(window: Window) -> Page:
    """A page that fails the test when a script breaks or breaks a rule of the house."""
    opened = window(viewport={"width": 1440, "height": 900}).new_page()
    opened.on("pageerror", lambda error: pytest.fail(str(error)))
    opened.on("console", lambda said: pytest.fail(said.text) if "Security" in said.text else None)
    return opened


@pytest.fixture
def where(visitor: Visitor, worker: WorkerDouble) -> str:
    """The address of a running job with pictures of four steps, the third the best."""
    address = visitor.commission()
    hold = worker.claim()
    worker.measure(hold, 1, LAST)
    worker.progress(hold, 0.5, 100)
    for step, colour, score in ((0, "red", None), (300, "green", 1.0), (600, "blue", 3.0)):
        worker.frame(hold, step, colour, score)
    worker.frame(hold, 900, "orange", 2.0)
    worker.preview(hold, "purple")
    return address


def shown_step(page: Page) -> int | None:
    """Of which step the picture is; None for the one of now."""
    found = re.search(r"/frames/(\d+)", page.locator("#picture").get_attribute("src") or "")
    return int(found[1]) if found else None


def marker(page: Page, name: str = "loss") -> float:
    """At which share of a curve its marker stands."""
    drawn = page.locator(f"#curve-{name} .marker").get_attribute("d") or ""
    return float(drawn[1:].split()[0]) / 1000


def expect_at(page: Page, step: int | None) -> None:
    """Picture, words, scrubber and every curve's marker stand at a picture's step, or at now."""
    words = "now" if step is None else f"step {step}"
    expect(page.locator('.scrubber [data-words="step"]')).to_have_text(words)
    source = re.compile("/preview" if step is None else f"/frames/{step}\\?")
    expect(page.locator("#picture")).to_have_attribute("src", source)
    share = 1.0 if step is None else step / LAST
    for name in ("loss", "kid"):
        assert marker(page, name) == pytest.approx(share, abs=1e-3)
    slider = page.locator(".scrubber input")
    assert (slider.get_attribute("aria-valuetext") or "").startswith(words)


def test_the_scrubber_moves_picture_and_marker_by_keyboard(page: Page, where: str) -> None:
    page.goto(where)
    slider = page.get_by_role("slider", name="Pictures kept on the way")
    expect(slider).to_have_attribute("max", "4")
    expect_at(page, None)
    slider.focus()
    for key, step in (
        ("ArrowLeft", 900),
        ("ArrowLeft", 600),
        ("Home", 0),
        ("ArrowRight", 300),
        ("End", None),
    ):
        page.keyboard.press(key)
        expect_at(page, step)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "step 600, the best so far"
    expect(page.locator('#curve-loss [data-words="value"]')).to_have_text("0.1667")


def test_a_curve_moves_picture_and_scrubber_by_keyboard_and_by_pointer(
    page: Page, where: str
) -> None:
    page.goto(where)
    curve = page.get_by_role("slider", name="Loss: move through the steps")
    curve.focus()
    page.keyboard.press("ArrowLeft")
    expect_at(page, 900)
    assert (curve.get_attribute("aria-valuetext") or "").startswith("step 900: 0.11")
    curve.scroll_into_view_if_needed()
    box = page.locator("#curve-kid .plot").bounding_box()
    assert box
    height = box["y"] + box["height"] / 2
    page.mouse.click(box["x"] + 0.33 * box["width"], height)
    expect_at(page, 300)
    page.mouse.move(box["x"] + 0.33 * box["width"], height)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.58 * box["width"], height, steps=4)
    expect_at(page, 600)
    page.mouse.up()
    page.mouse.click(box["x"] + box["width"] - 1, height)
    expect_at(page, None)


def test_the_newest_follows_the_run_unless_the_reader_has_gone_back(
    page: Page, where: str, worker: WorkerDouble
) -> None:
    page.goto(where)
    frame = page.locator(".frame").bounding_box()
    hold = worker.holds[-1]
    worker.frame(hold, 950, "yellow", 4.0)
    slider = page.locator(".scrubber input")
    expect(slider).to_have_attribute("max", "5")
    expect_at(page, None)
    expect(page.get_by_text("best so far: step 950")).to_be_visible()
    page.get_by_role("link", name="The picture before").click()
    expect_at(page, 950)
    worker.measure(hold, LAST + 1, 2 * LAST)
    worker.frame(hold, 2000, "black")
    worker.progress(hold, 0.9, 10, ("Samples lose variety.",))
    expect(slider).to_have_attribute("max", "6")
    expect(page.locator(".notices")).to_have_text("Samples lose variety.")
    assert shown_step(page) == 950
    assert marker(page) == pytest.approx(950 / 2000, abs=1e-3)
    assert "frame=950" in page.url
    page.reload()
    assert shown_step(page) == 950
    page.get_by_text("to the newest").click()
    expect(page.locator("#picture")).to_have_attribute("src", re.compile("/preview"))
    assert "frame" not in page.url
    assert page.locator(".frame").bounding_box() == frame, "the timeline moved the page"


def test_a_model_handed_out_on_the_way_appears_by_itself_and_the_picture_goes_on(
    page: Page, where: str, worker: WorkerDouble
) -> None:
    hold, id_ = worker.holds[-1], UUID(where.rsplit("/", 1)[-1])
    with worker.database.begin() as session:
        session.execute(update(Job).where(Job.id == id_).values(snapshots=["now"]))
    page.goto(where)
    picture = page.locator("#picture")
    first = picture.get_attribute("src") or ""
    file = worker.stored("gold", "PNG", (8, 8))
    work = lease.Work("model", "model-step-7.safetensors", media.MODEL, file)
    with worker.database.begin() as session:
        assert snapshots.keep(session, hold, "now", work)
    expect(page.locator(".on-the-way a").first).to_contain_text("step-7")
    worker.preview(hold, "white")
    worker.progress(hold, 0.6, 90)
    expect(picture).not_to_have_attribute("src", first)
    expect(picture).to_have_attribute("src", re.compile("/preview"))


def test_a_resume_from_before_the_picture_looked_at_takes_it_away(
    page: Page, where: str, worker: WorkerDouble
) -> None:
    page.goto(f"{where}?frame=900")
    expect_at(page, 900)
    hold = worker.holds[-1]
    worker.stop(hold, State.QUEUED, Reason.WORKER_STOPPED)
    with worker.database.begin() as session:
        lease.report_resume(session, worker.claim(), 400)
    expect(page.locator(".scrubber input")).to_have_attribute("max", "2")
    expect(page.locator('.scrubber [data-words="step"]')).to_have_text("step 300")
    assert shown_step(page) == 900 or shown_step(page) == 300


def test_playing_goes_through_every_picture_and_ends_at_now(page: Page, where: str) -> None:
    page.emulate_media(reduced_motion="no-preference")
    page.goto(where)
    page.evaluate(
        """() => { window.seen = []; new MutationObserver(() => seen.push(
            document.querySelector('.scrubber [data-words="step"]').textContent
        )).observe(document.querySelector('.scrubber [data-words="step"]'),
            {childList: true, characterData: true, subtree: true}); }"""
    )
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    seen = page.evaluate("() => seen")
    assert seen == ["step 0", "step 300", "step 600", "step 900", "now"]


def test_a_curve_can_be_made_large_and_its_values_be_read(page: Page, where: str) -> None:
    page.goto(where)
    figure = page.locator("#curve-kid")
    small = figure.bounding_box()
    figure.get_by_text("Larger").click()
    large = figure.bounding_box()
    assert small
    assert large
    assert large["width"] > 2 * small["width"]
    figure.get_by_text("Values").click()
    expect(figure.locator("tbody tr")).to_have_count(10)
    described = page.locator("#curve-loss svg").evaluate(
        "svg => svg.getElementById ? svg.querySelector('desc').textContent : ''"
    )
    assert "From 100 at step 1 to 0.1 at step 1000" in described


def test_a_figure_with_an_interval_is_told_with_it_wherever_it_is_told(
    page: Page, where: str, worker: WorkerDouble
) -> None:
    hold = worker.holds[-1]
    with worker.database.begin() as session:
        session.get_one(Job, hold.job_id).kind = "gan_training"
        columns = {name: Column() for name in ("kid", "kid_low", "kid_high")}
        for step, told in ((LAST + 1, (0.061, 0.033, 0.106)), (LAST + 500, (0.05, 0.02, 0.09))):
            for column, measured in zip(columns.values(), told, strict=True):
                column.append(step, measured)
        lease.report_metrics(session, hold, columns)
    worker.frame(hold, LAST + 1, "yellow")
    page.goto(where)
    figure = page.locator("#curve-kid")
    value = figure.locator('[data-words="value"]')
    expect(value).to_have_text("0.05, between 0.02 and 0.09")
    page.get_by_role("slider", name="Pictures kept on the way").focus()
    page.keyboard.press("ArrowLeft")
    expect(value).to_have_text("0.061, between 0.033 and 0.106")
    slider = figure.get_by_role("slider")
    said = f"step {LAST + 1}: 0.061, between 0.033 and 0.106"
    expect(slider).to_have_attribute("aria-valuetext", said)
    page.keyboard.press("ArrowLeft")
    expect(value).to_have_text("0.9")
    assert figure.locator(".whiskers, .reach").count() == 2
    figure.get_by_text("Values").click()
    row = figure.locator("tbody tr").filter(has_text=re.compile(f"^{LAST + 1}"))
    expect(row.locator("td")).to_have_text(["0.061", "0.033", "0.106"])
    expect(figure.locator("tbody tr").first.locator("td")).to_have_text(["0.1", "–", "–"])
    expect(page.locator("[data-curve^=kid]")).to_have_count(1)
    assert fits(page)
    assert violations(page) == []


def test_a_figure_that_never_changed_is_told_in_words(page: Page, where: str) -> None:
    page.goto(where)
    expect(page.get_by_text("Always the same so far: rate 0.5")).to_be_visible()
    expect(page.locator('[data-curve="rate"]')).to_have_count(0)


def test_a_figure_measured_once_is_told_and_becomes_a_curve_with_its_second_value(
    page: Page, where: str, worker: WorkerDouble
) -> None:
    hold = worker.holds[-1]

    def measure(step: int, value: float) -> None:
        column = Column()
        column.append(step, value)
        with worker.database.begin() as session:
            lease.report_metrics(session, hold, {"variety": column})

    measure(LAST + 1, 0.83)
    page.goto(where)
    told = page.locator(".figures div", has_text="variety")
    expect(told.locator("dd")).to_have_text(f"0.83 step {LAST + 1}")
    expect(page.locator('[data-curve="variety"]')).to_have_count(0)
    assert fits(page)
    assert violations(page) == []
    measure(LAST + 2, 0.7)
    # The page asks the more seldom the longer its server takes.
    expect(page.locator('[data-curve="variety"]')).to_have_count(1, timeout=6 * BROWSER_PATIENCE_MS)
    expect(told).to_have_count(0)


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
def test_the_page_is_accessible_and_fits_the_window(
    window: Window, where: str, worker: WorkerDouble, width: int, scheme: str
) -> None:
    worker.progress(worker.holds[-1], 0.5, 100, ("Samples lose variety.",))
    tab = window(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    tab.goto(f"{where}?frame=300&curve=kid")
    expect(tab.locator("#curve-kid.large")).to_be_visible()
    for fold in tab.locator("#curves summary").all():
        fold.click()
    assert violations(tab) == []
    assert fits(tab)


def test_the_best_is_the_one_that_the_run_delivers_whatever_its_pictures_scores(
    page: Page, where: str, worker: WorkerDouble
) -> None:
    hold = worker.holds[-1]
    with worker.database.begin() as session:
        told = session.get_one(Job, hold.job_id).progress
        lease.report_progress(session, hold, {**told, "best_step": 450})
    page.goto(where)
    best = page.get_by_role("link", name="best so far: step 450")
    # No picture is of that step: the last before it is shown, and the curves tell the step itself.
    best.click()
    expect_at(page, 300)
    assert page.locator("#curve-loss path.best").get_attribute("d") == "M450.0 0v200"
    worker.finish(hold)
    # The page that was open when the run ended says so too: nothing comes after its best.
    expect(page.get_by_role("link", name="best: step 450", exact=True)).to_be_visible()
    expect(page.get_by_text("Always the same: rate 0.5", exact=True)).to_be_visible()
    page.goto(where)
    expect(page.get_by_role("link", name="best: step 450", exact=True)).to_be_visible()
    words = page.locator('.scrubber [data-words="step"]')
    expect(words).to_have_text("the result, of step 450")
    page.get_by_role("link", name="The picture before").click()
    expect(words).to_have_text("step 900")
    page.get_by_text("to the newest").click()
    expect(words).to_have_text("the result, of step 450")


def test_without_javascript_links_lead_through_the_pictures(window: Window, where: str) -> None:
    page = window(java_script_enabled=False).new_page()
    page.goto(where)
    assert shown_step(page) is None
    for step in (900, 600):
        page.get_by_role("link", name="The picture before").click()
        assert shown_step(page) == step
        assert marker(page) == pytest.approx((step - 0) / LAST, abs=1e-3)
    page.get_by_role("link", name="The picture after").click()
    assert shown_step(page) == 900
    page.get_by_role("link", name="best so far: step 600").click()
    assert shown_step(page) == 600
    page.locator("#curve-loss").get_by_role("link", name="Larger").click()
    expect(page.locator("#curve-loss.large")).to_be_visible()
    assert page.get_by_role("slider").count() == 0, "a control that does nothing"


def test_a_job_that_kept_nothing_has_no_timeline(visitor: Visitor, worker: WorkerDouble) -> None:
    where = visitor.commission()
    worker.finish(worker.claim())
    shown = visitor.page(where)
    assert "data-curve=" not in shown
    assert 'class="scrub"' not in shown


def test_nobody_gets_the_timeline_of_somebody_else(
    window: Window, where: str, stranger: Visitor
) -> None:
    assert stranger.get(f"{where}/timeline")[0] in (302, 303, 401)
    assert stranger.get(f"{where}/frames/300/thumbnail")[0] in (302, 303, 401)
