"""On the page, what does not fit is said at its field, with all that was chosen kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import BrowserContext, expect
from sqlalchemy import insert

from jobs.ids import new_id
from jobs.models import Blob, Dataset
from jobs.stored import trained
from tests.engines.models import STYLES, write_model
from tests.webui.pages.conftest import Visitor
from webui.studio import Studio
from webui.texts import LANGUAGE_COOKIE

SHA256 = "fd" * 32


@pytest.fixture
def model(parts: Studio, artist: UUID, tmp_path: Path) -> str:
    """The id of a model of 32 px that training can go on from."""
    path = write_model(tmp_path / "model", discriminator=True, latent=128)
    given = (parts.database, parts.storage, artist, path, "Small dots", parts.settings)
    return str(trained.receive(*given).id)


@pytest.fixture
def dataset(parts: Studio, artist: UUID) -> str:
    """The id of a set that is checked, of no labels."""
    return a_set(parts, artist, {})


def a_set(parts: Studio, artist: UUID, labels: dict[str, int]) -> str:
    """The id of a checked set of ten pictures."""
    id_, report = new_id(), {"pictures": 10, "labels": labels, "warnings": []}
    row = {"id": id_, "owner_id": artist, "name": "art", "state": "ready", "report": report}
    with parts.database.begin() as session:
        session.merge(Blob(sha256=SHA256, size=1))
        session.flush()
        session.execute(insert(Dataset).values(**row, sha256=SHA256))
    return str(id_)


def faults_of(page: str, field: str) -> str:
    """What is said at a field."""
    found = re.search(rf'id="faults-{field}">(.*?)</div>', page, re.DOTALL)
    assert found
    return re.sub(r"<[^>]+>", "", found[1]).replace("&#39;", "'").strip()


def sent(visitor: Visitor, model: str, dataset: str, **values: Any) -> tuple[int, str, str]:
    chosen = {"dataset": dataset, "init_from": model, "preset": "standard", **values}
    return visitor.post("/new/gan_training", **chosen)


@pytest.mark.parametrize(
    ("language", "size", "said"),
    [
        (
            "en",
            "Size",
            "The model makes pictures of 32 px, not of 64 px. Set 'Size' to 32, or begin from"
            " another model.",
        ),
        (
            "zh",
            "尺寸",
            "该模型创作 32 像素的图片，不是 64 像素。请把“尺寸”设为 32，或从另一个模型开始。",
        ),
    ],
    ids=["English", "Chinese"],
)
def test_a_size_that_is_not_the_models_is_said_at_its_field_and_nothing_chosen_is_lost(
    visitor: Visitor, model: str, dataset: str, language: str, size: str, said: str
) -> None:
    visitor.http.set_cookie(LANGUAGE_COOKIE, language, domain="127.0.0.1")
    status, page, _ = sent(visitor, model, dataset, resolution="64", width="4", batch="7")
    assert status == 422
    assert faults_of(page, "resolution") == said
    assert f'<a href="#field-resolution">{size}</a>' in page
    for name, value in (("init_from", model), ("dataset", dataset), ("resolution", "64")):
        assert re.search(rf'name="{name}" value="{value}"\s*checked', page), name
    assert re.search(r'name="batch" value="7"', page)
    status, _, where = sent(visitor, model, dataset, resolution="32", batch="7")
    assert status == 303
    assert where.startswith("/jobs/")


def test_labels_that_a_model_did_not_learn_are_said_at_their_field(
    visitor: Visitor, model: str, dataset: str
) -> None:
    status, page, _ = sent(visitor, model, dataset, conditional="yes", innovation="1")
    assert status == 422
    assert "fewer than two labels" in faults_of(page, "innovation")
    assert "none to learn" in faults_of(page, "conditional")
    assert "Turn 'Learn the labels' off" in faults_of(page, "conditional")


def test_another_preset_than_the_models_size_leaves_what_the_model_settles(
    visitor: Visitor, parts: Studio, model: str, dataset: str
) -> None:
    form = visitor.page(f"/new/gan_training?init_from={model}&dataset={dataset}")
    assert "as the model or the preset says" in form
    status, _, where = sent(visitor, model, dataset, preset="fine")
    assert status == 303
    shown = visitor.page(where)
    assert "32" in re.findall(r"<dt>Size</dt>\s*<dd>([^<]*)</dd>", shown)


def test_a_model_chosen_from_its_page_and_then_another_size_is_said_where_it_was_chosen(
    visitor: Visitor, model: str, dataset: str, window: Callable[..., BrowserContext]
) -> None:
    tab = window().new_page()
    tab.goto(f"/models/{model}")
    tab.get_by_role("link", name="Fine-tune from here").click()
    tab.locator(f'#field-dataset input[value="{dataset}"]').check()
    tab.get_by_role("radio", name="Fine").check()
    sizes = tab.locator("#field-resolution")
    expect(sizes.get_by_label("as the model says: 32", exact=True)).to_be_checked()
    sizes.get_by_text("128", exact=True).click()
    tab.get_by_role("button", name="Make it").click()
    expect(tab.locator("#faults-resolution")).to_contain_text("Set 'Size' to 32")
    expect(sizes.get_by_label("128", exact=True)).to_be_checked()


def test_a_model_chosen_by_hand_shows_its_values_instead_of_the_presets_until_it_is_let_go(
    visitor: Visitor, model: str, dataset: str, window: Callable[..., BrowserContext]
) -> None:
    tab = window().new_page()
    tab.goto(f"/new/gan_training?dataset={dataset}")
    tab.get_by_role("radio", name="Fine").check()
    tab.locator("summary", has_text="More").click()
    card, width = tab.locator(".preset-card", has_text="Fine"), tab.locator("#width")
    expect(card).to_contain_text("Size 256")
    expect(width).to_have_attribute("placeholder", "64")
    tab.locator(f'input[name="init_from"][value="{model}"]').check()
    expect(tab.locator("#field-resolution")).to_contain_text("as the model says: 32")
    expect(tab.locator("#architecture option").first).to_have_text("as the model says: dcgan")
    expect(tab.locator("#conditional option").first).to_have_text("as the model says: no")
    expect(width).to_have_attribute("placeholder", "4")
    tab.get_by_role("radio", name="Draft").check()
    expect(width).to_have_attribute("placeholder", "4")
    expect(card.get_by_text("Size 256")).to_be_hidden()
    expect(card.get_by_text("Steps 60000, Batch 8")).to_be_visible()
    tab.locator('input[name="init_from"][value=""]').check()
    expect(tab.locator("#field-resolution")).to_contain_text("as the model or the preset says")
    expect(width).to_have_attribute("placeholder", "32")
    expect(card.get_by_text("Size 256")).to_be_visible()


def test_a_model_of_labels_needs_no_tick_to_go_on_with_them(
    visitor: Visitor, parts: Studio, artist: UUID, tmp_path: Path
) -> None:
    path = write_model(
        tmp_path / "m", discriminator=True, latent=128, labels=STYLES, conditional=True
    )
    given = (parts.database, parts.storage, artist, path, "Styles", parts.settings)
    labelled = a_set(parts, artist, {"dots": 5, "ink": 5})
    chosen = str(trained.receive(*given).id)
    status, page, where = sent(visitor, chosen, labelled, conditional="")
    assert status == 303, page
    assert re.search(r"<dt>Learn the labels</dt>\s*<dd>yes", visitor.page(where))
