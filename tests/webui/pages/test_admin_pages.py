"""The administrator's pages in a real browser: empty, busy and on fire."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import delete, func, text, update

from jobs import figures, slots
from jobs.access.roles import Role
from jobs.models import Closure, DiskSample, Job, Owner, Slot
from jobs.records import audit, causes
from jobs.states import Reason
from tests.webui.pages.axe import every_look, fits, speak, violations
from tests.webui.pages.conftest import Visitor
from tests.webui.pages.worker_double import WorkerDouble
from webui.studio import Studio

Window = Callable[..., BrowserContext]
GB = 10**9
VITALS = {
    "load": 3.2,
    "gpu": 0.93,
    "gpu_memory": 61 * GB,
    "gpu_memory_total": 80 * GB,
    "temperature": 71,
    "steps_per_second": 4.2,
}


@pytest.fixture(autouse=True)
def quiet_studio(parts: Studio, artist: UUID, worker: WorkerDouble) -> None:
    """The artist administers a studio in which nothing runs and nothing is wrong."""
    with parts.database.begin() as session:
        me = {"role": Role.ADMINISTRATOR, "name": f"Ada {secrets.token_hex(2)}"}
        session.execute(update(Owner).where(Owner.id == artist).values(**me))
        over = "state = 'canceled', reason = NULL, slot = NULL, lease_until = NULL"
        session.execute(text(f"UPDATE job SET {over}"))
        session.execute(text("UPDATE owner_share SET waiting = 0, running = 0"))
        session.execute(delete(Slot))
        session.execute(delete(Closure))
        session.execute(delete(DiskSample))
        figures.note_chore(session, figures.KEEPER)


def serve(parts: Studio, name: str, resource: str, silent: bool = False) -> None:
    """A slot that serves, or did until two minutes ago."""
    with parts.database.begin() as session:
        slots.register(
            session,
            name,
            machine=name.partition("@")[2],
            resource=resource,
            device="cpu",
            standby=True,
            vitals=VITALS if resource == "gpu" else {"load": 0.4, "cpu": 0.11},
        )
        if silent:
            gone = update(Slot).where(Slot.name == name)
            session.execute(gone.values(beat_at=func.now() - timedelta(minutes=2)))


@pytest.fixture
def busy(parts: Studio, visitor: Visitor, worker: WorkerDouble) -> str:
    """One job runs, one waits; the address of the one that runs."""
    first = visitor.commission()
    hold = worker.claim()
    worker.progress(hold, 0.4, 250)
    worker.say(hold, "laying in large strokes")
    visitor.commission()
    serve(parts, "gpu:0@north", "gpu")
    serve(parts, "cpu:0@south", "cpu")
    with parts.database.begin() as session:
        session.execute(update(Job).where(Job.id == hold.job_id).values(slot="gpu:0@north"))
    return first.rsplit("/", 1)[-1]


@pytest.fixture
def on_fire(parts: Studio, busy: str, worker: WorkerDouble) -> str:
    """Nearly everything that can be wrong is; the id of a job that broke."""
    serve(parts, "cpu:0@north", "cpu", silent=True)
    serve(parts, "cpu:1@north", "cpu")
    hold = worker.claim()
    worker.fail(hold, Reason.POISONED)
    with parts.database.begin() as session:
        causes.keep(session, hold, "Traceback (most recent call last):\n  RuntimeError: nan")
        slots.quarantine(session, "cpu:1@north", "CUDA error: uncorrectable ECC error")
        session.add(Closure(scope="cpu", message="new driver"))
        session.add(Closure(scope="studio", message="New disks; back at noon."))
        session.add(DiskSample(free_bytes=2 * GB, total_bytes=100 * GB))
        session.execute(text("UPDATE chore SET at = now() - interval '5 minutes'"))
    return str(hold.job_id)


@pytest.fixture
def page(window: Window) -> Page:
    """A page that fails the test when a script breaks or breaks a rule of the house."""
    opened = window(viewport={"width": 1440, "height": 900}).new_page()
    opened.on("pageerror", lambda error: pytest.fail(str(error)))
    opened.on("console", lambda said: pytest.fail(said.text) if "Security" in said.text else None)
    return opened


def test_an_artist_finds_no_such_page(parts: Studio, artist: UUID, visitor: Visitor) -> None:
    with parts.database.begin() as session:
        session.execute(update(Owner).where(Owner.id == artist).values(role=Role.ARTIST))
    for path in ("/admin", "/admin/jobs", "/admin/requeue", "/admin/audit"):
        assert visitor.get(path)[0] == 403
    assert visitor.post("/admin/maintenance/begin", message="x")[0] == 403
    assert 'href="/admin"' not in visitor.page("/jobs")


def test_without_a_csrf_token_nothing_is_done(parts: Studio, visitor: Visitor) -> None:
    serve(parts, "cpu:0@south", "cpu")
    status, _, _ = visitor.post("/admin/slots/cpu:0@south/drain", csrf_token="0" * 64)
    assert status == 403
    with parts.database.begin() as session:
        assert session.get_one(Slot, "cpu:0@south").drained_at is None


def test_the_overview_follows_what_happens_and_moves_nothing(
    page: Page, parts: Studio, busy: str, worker: WorkerDouble
) -> None:
    page.goto("/admin")
    strip = page.locator('[data-key="slot-gpu:0@north"]')
    expect(strip).to_contain_text("200 / 500")
    expect(strip).to_contain_text("71 °C")
    expect(strip).to_contain_text("4.2")
    keep(page, "busy-1440")
    place = strip.bounding_box()
    page.get_by_text("Act gpu:0@north").click()
    page.locator('[data-key="slot-gpu:0@north"] input[name="reason"]').fill("too warm")
    worker.progress(worker.holds[-1], 0.6, 120)
    expect(strip).to_contain_text("300 / 500")
    moved = strip.bounding_box()
    assert place is not None
    assert moved is not None
    assert (moved["x"], moved["y"], moved["width"]) == (place["x"], place["y"], place["width"])
    reason = page.locator('[data-key="slot-gpu:0@north"] input[name="reason"]')
    expect(reason).to_have_value("too warm")
    expect(reason).to_be_focused()
    page.keyboard.press("Enter")
    expect(strip).to_contain_text("Let it take jobs again")
    with parts.database.begin() as session:
        row = audit.page(session, audit.Filter(), 1)[0]
    assert (row.action, row.target, row.reason) == ("slot.drained", "gpu:0@north", "too warm")


def test_each_thing_that_is_wrong_is_mended_by_its_button(
    page: Page, parts: Studio, on_fire: str
) -> None:
    page.goto("/admin")
    needs = page.locator(".needs li")
    codes = {each.get_attribute("data-alarm") for each in needs.all()}
    assert codes >= {
        *("maintenance", "queue_paused", "slot_silent", "slot_quarantined", "poisoned"),
        *("failures", "disk_full", "keeper_away", "redis_away"),
    }
    expect(page.locator(".banner")).to_contain_text("New disks; back at noon.")
    for code, words in (
        ("maintenance", "End maintenance"),
        ("queue_paused", "Resume the queue"),
        ("slot_quarantined", "Let it take jobs again"),
        ("slot_silent", "Forget it"),
    ):
        page.locator(f'[data-alarm="{code}"]').get_by_role("button", name=words).click()
        expect(page.locator(f'[data-alarm="{code}"]')).to_have_count(0)
    with parts.database.begin() as session:
        rows = audit.page(session, audit.Filter(), 4)
    assert [row.action for row in rows] == [
        *("slot.forgotten", "slot.undrained", "queue.resumed", "maintenance.ended")
    ]


def test_a_broken_job_is_found_understood_and_queued_again(
    page: Page, parts: Studio, on_fire: str
) -> None:
    page.goto("/admin")
    page.locator('[data-alarm="poisoned"]').get_by_role("link", name="Look at them").click()
    page.locator(f'[data-key="{on_fire}"] a').click()
    expect(page.locator(".cause")).to_contain_text("RuntimeError: nan")
    page.go_back()
    page.get_by_role("link", name="Queue these again").click()
    expect(page.locator(".effect")).to_have_text("1 failed job fits.")
    page.get_by_label("Reason").fill("bad cable")
    page.get_by_role("button", name="Queue 1 job again").click()
    expect(page.locator(".effect")).to_have_text("0 failed jobs fit.")
    page.goto(f"/admin/audit?target={on_fire}")
    expect(page.locator(".audit li")).to_contain_text("bad cable")
    page.get_by_role("button", name="Check the whole log").click()
    expect(page.locator(".checked")).to_contain_text("The log is whole")


def test_all_works_without_javascript(
    window: Window, parts: Studio, busy: str, worker: WorkerDouble
) -> None:
    page = window(java_script_enabled=False).new_page()
    page.goto("/admin")
    assert 'http-equiv="refresh"' in page.content()
    page.locator('[data-key="queue-gpu"] summary').click()
    page.locator('[data-key="queue-gpu"]').get_by_role("button", name="Pause the queue").click()
    expect(page.locator('[data-alarm="queue_paused"]')).to_contain_text("gpu")
    page.goto(f"/admin/jobs/{busy}?find=STROKES")
    expect(page.locator(".log")).to_have_text("laying in large strokes")
    page.get_by_label("Reason").fill("asked by phone")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".status")).to_contain_text("canceling")


@every_look
def test_every_page_can_be_used_by_everybody(
    window: Window,
    address: str,
    request: pytest.FixtureRequest,
    width: int,
    scheme: str,
    language: str,
) -> None:
    """Empty, busy and on fire."""
    context = window(viewport={"width": width, "height": 900}, color_scheme=scheme)
    speak(context, language, address)
    page = context.new_page()

    def look(path: str, how: str = "") -> None:
        page.goto(path)
        assert fits(page), (path, how)
        assert violations(page) == [], (path, how)
        what = f"{path.strip('/').replace('/', '-')[:14]}{how}"
        keep(page, f"{what}-{width}-{scheme}-{language}")

    look("/admin", "-empty")
    busy = request.getfixturevalue("busy")
    look("/admin", "-busy")
    look(f"/admin/jobs/{busy}", "-busy")
    broken = request.getfixturevalue("on_fire")
    for path in ("/admin", "/admin/jobs", f"/admin/jobs/{broken}", "/admin/requeue"):
        look(path)
    look("/admin/audit")
    look("/admin/retention")


def test_an_empty_studio_says_what_to_do(window: Window, address: str) -> None:
    context = window(viewport={"width": 360, "height": 800})
    page = context.new_page()
    page.goto("/admin")
    expect(page.get_by_text("No slot has registered yet. Start a worker.")).to_be_visible()
    assert fits(page)
    assert violations(page) == []
    keep(page, "empty-360")


def keep(page: Page, name: str) -> None:
    """The page as a picture, where ``ATELIER_LOOKS`` names a folder for it."""
    if folder := os.environ.get("ATELIER_LOOKS"):
        page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)
