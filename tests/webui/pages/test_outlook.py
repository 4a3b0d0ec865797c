"""How long a job should take, where somebody is about to commission it and where it waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import unescape
from uuid import UUID

import pytest
from playwright.sync_api import BrowserContext, expect
from sqlalchemy import delete, insert, update

from jobs import slots
from jobs.ids import new_id
from jobs.models import Dataset, Job, Slot
from tests.webui.pages.conftest import Visitor
from tests.webui.pages.worker_double import WorkerDouble
from webui.studio import Studio

NAME = "cpu:0@outlook"
GUESSED, TAKEN = "guessed from this machine's speed.", "as recent jobs took."
NEW = "/new/style_transfer"


@pytest.fixture(autouse=True)
def machine(parts: Studio) -> Iterator[None]:
    """A slow machine where nothing of what earlier tests have made counts."""
    with parts.database.begin() as session:
        session.execute(update(Job).values(work=None))
        slots.register(session, NAME, machine="north", resource="cpu", device="cpu", standby=True)
        slots.note_rate(session, NAME, 1e10)
    yield
    with parts.database.begin() as session:
        session.execute(delete(Slot).where(Slot.name == NAME))


def test_a_newcomer_sees_a_guess_and_that_it_is_one(visitor: Visitor) -> None:
    page = unescape(visitor.page("/"))
    assert GUESSED in page
    assert page.count(", guessed</small>") == 3
    assert GUESSED in unescape(visitor.page(visitor.commission()))


def test_after_the_first_job_it_is_said_as_recent_jobs_took(
    visitor: Visitor, worker: WorkerDouble
) -> None:
    visitor.commission()
    worker.finish(worker.claim())
    page = visitor.page(NEW)
    assert "It should take about 4 minutes, " + TAKEN in page
    assert "guessed" not in page
    shown = visitor.page(visitor.commission(preset="fine"))
    assert TAKEN in shown


def test_it_is_said_of_the_settings_that_were_chosen(visitor: Visitor) -> None:
    small = visitor.post(f"{NEW}/expected", preset="draft", size="64", iterations="1")
    large = visitor.post(f"{NEW}/expected", preset="fine", size="2048", iterations="1000")
    assert small[:2] == (200, f"It should take a few seconds, {GUESSED}")
    assert "hours" in large[1] or "days" in large[1]


def test_nothing_is_said_of_settings_that_would_be_refused(visitor: Visitor) -> None:
    assert visitor.post(f"{NEW}/expected", size="9999999")[:2] == (200, "")


@pytest.mark.parametrize("kind", ["style_transfer", "gan_training"])
def test_it_follows_what_is_chosen_on_the_form(
    window: Callable[..., BrowserContext], parts: Studio, artist: UUID, kind: str
) -> None:
    with parts.database.begin() as session:
        drawn = {"name": "art", "samples": {}}
        session.execute(insert(Dataset).values(id=new_id(), owner_id=artist, **drawn))
    page = window().new_page()
    page.goto(f"/new/{kind}")
    said = page.locator('[data-words="run"]')
    before = said.inner_text()
    assert before.endswith(GUESSED)
    page.locator("label.preset-card", has_text="Fine").click()
    expect(said).not_to_have_text(before)
    expect(said).to_contain_text(GUESSED)
