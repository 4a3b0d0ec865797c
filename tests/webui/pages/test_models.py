"""``/models`` and the page of a sampling job, without JavaScript and in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, expect

from engines import film, media
from tests.engines.models import STYLES, write_model
from tests.webui.pages.conftest import Visitor
from tests.webui.pages.worker_double import Made, WorkerDouble


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("models") / "model"
    origin = {"steps": 2000, "kid": 0.0123, "kid_low": 0.0041, "kid_high": 0.0207}
    return write_model(path, labels=STYLES, conditional=True, origin=origin).read_bytes()


def bring(visitor: Visitor, content: bytes, name: str = "Small dots") -> str:
    """The address of the page of a model that is brought."""
    status, shown, where = visitor.post("/models", file=(BytesIO(content), "m.bin"), name=name)
    assert status == 303, shown
    return where


def sampled(visitor: Visitor, where: str, **values: str) -> str:
    """The address of a job that samples the model at ``where``."""
    given = {"model": where.rsplit("/", 1)[-1], "mode": "pictures", "count": "3", **values}
    status, shown, job = visitor.post("/new/gan_sampling", **given)
    assert status == 303, shown
    return job


def noise(seed: int, side: int = 64) -> Image.Image:
    """Clouds of colour, so that pictures can be told apart."""
    draws = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(draws).resize((side, side), Image.Resampling.BICUBIC)


def png(seed: int, side: int = 64) -> bytes:
    buffer = BytesIO()
    noise(seed, side).save(buffer, "PNG")
    return buffer.getvalue()


def pictures(count: int) -> list[Made]:
    return [("result", f"0-{at}.png", "image/png", png(at), (64, 64)) for at in range(count)]


def a_film() -> Made:
    frames = [film.encode_frame(noise(seed)) for seed in range(6)]
    content = film.Film(frames, (64, 64), 12).encoded({"kind": "gan_sampling"})
    return ("result", "film.webp", film.MEDIA_TYPE, content, (64, 64))


def test_a_first_visit_is_invited_to_bring_a_model_or_to_train_one(visitor: Visitor) -> None:
    page = visitor.page("/models")
    assert "Nothing here yet" in page
    assert 'href="/new/gan_training"' in page
    assert '<details class="bring-model" open>' in page


def test_a_model_is_brought_named_sampled_and_deleted_without_javascript(
    visitor: Visitor, model: bytes, worker: WorkerDouble
) -> None:
    where = bring(visitor, model)
    shelf, page = visitor.page("/models"), visitor.page(where)
    for shown in (shelf, page):
        assert "Small dots" in shown
        assert "istance to" in shown
        assert "0.0123" in shown
        assert f'/new/gan_sampling?model={where.rsplit("/", 1)[-1]}"' in shown
        assert "init_from" not in shown  # its file holds no discriminator
    assert "dots, waves, ink" in page
    assert "0.0123, between 0.0041 and 0.0207" in page
    form = visitor.page(f"/new/gan_sampling?model={where.rsplit('/', 1)[-1]}")
    chosen = rf'value="{where.rsplit("/", 1)[-1]}" checked'
    assert re.search(chosen, form)
    job = sampled(visitor, where)
    status, shown, _ = visitor.post(f"{where}/delete")
    assert status == 409
    assert "is used by" in shown
    worker.deliver(worker.claim(), pictures(3))
    assert "1 job was given it" in visitor.page(where)
    assert job in visitor.page(where)
    assert visitor.post(f"{where}/name", name="Points")[2] == where
    assert "Points" in visitor.page(where)
    assert visitor.post(f"{where}/name", name=" ")[0] == 422
    assert visitor.post(f"{where}/delete")[2] == "/models"
    assert visitor.get(where)[0] == 404
    assert visitor.get(job)[0] == 200


def test_what_is_no_model_is_refused_in_words_on_the_page(visitor: Visitor) -> None:
    status, shown, _ = visitor.post("/models", file=(BytesIO(b"no model"), "m.safetensors"))
    assert status == 422
    assert "This is no model that can be used" in shown
    assert "Nothing here yet" in shown


def test_several_pictures_are_a_wall_and_each_leads_to_more_like_it(
    visitor: Visitor, model: bytes, worker: WorkerDouble
) -> None:
    where = bring(visitor, model)
    job = sampled(visitor, where, seed="7", label="waves", truncation="0.8")
    worker.deliver(worker.claim(), pictures(3))
    page = visitor.page(job)
    links = re.findall(r'href="(/new/gan_sampling\?[^"]*near[^"]*)"', page)
    assert len(links) == 3
    form = visitor.page(links[2].replace("&amp;", "&"))
    for name, value in (("near", "7:2"), ("label", "waves"), ("truncation", "0.8")):
        assert re.search(rf'name="{name}" value="{value}"', form), name
    assert '<details class="more" open>' in form
    assert f'href="{where}"' in page  # the model it was made with
    everything = re.search(r'href="(\S+/archive)">Download everything<', page)
    assert everything
    assert visitor.http.get(everything[1], base_url=visitor.base).data.startswith(b"PK")


def test_an_unknown_model_in_the_address_of_a_form_is_told_when_it_is_sent(
    visitor: Visitor,
) -> None:
    unknown = "01890000-0000-7000-8000-000000000000"
    assert visitor.get(f"/new/gan_sampling?model={unknown}&unheard=of")[0] == 200
    status, shown, _ = visitor.post("/new/gan_sampling", model=unknown)
    assert status == 422
    assert "There is no such file of yours" in shown


def test_lineage_shows_what_a_model_came_from_and_what_came_of_it(
    visitor: Visitor, model: bytes, worker: WorkerDouble
) -> None:
    where = bring(visitor, model, "Parent")
    sampled(visitor, where)
    child = ("model", "child.safetensors", media.MODEL, model, None)
    worker.deliver(worker.claim(), [*pictures(1), child])
    found = re.search(r'Model <a href="(/models/[^"]+)">child<', visitor.page(where))
    assert found
    page = visitor.page(found[1])
    assert re.search(rf'Fine-tuned from\s+<a href="{where}">Parent</a>', page)
    assert "the job that trained it" in page


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
def test_the_pages_fit_the_window(
    visitor: Visitor,
    model: bytes,
    worker: WorkerDouble,
    window: Callable[..., BrowserContext],
    width: int,
    scheme: str,
) -> None:
    where = bring(visitor, model)
    wall = sampled(visitor, where, count="5")
    worker.deliver(worker.claim(), pictures(5))
    tab = window(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    for path in ("/models", where, wall, "/new/gan_sampling"):
        tab.goto(path)
        overflow = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, path
    tab.goto(wall)
    shown = tab.locator(".many img")
    expect(shown).to_have_count(5)
    for at in range(5):
        expect(shown.nth(at)).to_have_js_property("naturalWidth", 64)


def test_a_film_plays_and_can_be_held_with_the_keyboard(
    visitor: Visitor, model: bytes, worker: WorkerDouble, window: Callable[..., BrowserContext]
) -> None:
    job = sampled(visitor, bring(visitor, model), mode="film")
    worker.deliver(worker.claim(), [a_film()])
    tab = window().new_page()
    tab.goto(job)
    expect(tab.get_by_alt_text("The film", exact=True)).to_be_visible()
    expect(tab.get_by_alt_text("The first picture of the film")).to_be_hidden()
    tab.get_by_label("Hold the film").focus()
    tab.keyboard.press("Space")
    expect(tab.get_by_alt_text("The film", exact=True)).to_be_hidden()
    expect(tab.get_by_alt_text("The first picture of the film")).to_be_visible()


def test_who_wants_no_motion_sees_a_still(
    visitor: Visitor, model: bytes, worker: WorkerDouble, window: Callable[..., BrowserContext]
) -> None:
    job = sampled(visitor, bring(visitor, model), mode="film")
    worker.deliver(worker.claim(), [a_film()])
    tab = window(reduced_motion="reduce").new_page()
    tab.goto(job)
    shown = tab.get_by_alt_text("The film", exact=True)
    expect(shown).to_have_js_property("complete", True)
    assert "/thumbnails/" in shown.evaluate("image => image.currentSrc")


def test_a_job_that_made_a_model_offers_to_go_on_from_it(
    visitor: Visitor, model: bytes, worker: WorkerDouble, tmp_path: Path
) -> None:
    """A branch is a job of the same kind with the same settings that begins from the model."""
    job = sampled(visitor, bring(visitor, model, "Parent"), mode="grid", seed="77")
    assert "Branch from here" not in visitor.page(job)
    trainable = write_model(tmp_path / "child", discriminator=True).read_bytes()
    child = ("model", "child.safetensors", media.MODEL, trainable, None)
    worker.deliver(worker.claim(), [*pictures(1), child])
    page = visitor.page(job)
    offered = {
        words: address.replace("&amp;", "&")
        for address, words in re.findall(r'href="(/new/\w+\?[^"]+)">([^<]+)<', page)
    }
    id_ = job.rsplit("/", 1)[-1]
    assert "&from=" not in offered["Fine-tune from here"]
    assert offered["Fine-tune from here"].startswith("/new/gan_training?init_from=")
    branch = visitor.page(offered["Branch from here"])
    made = re.search(r"model=([0-9a-f-]+)", offered["Branch from here"])
    assert made
    assert f"from={id_}" in offered["Branch from here"]
    assert re.search(rf'name="model" value="{made[1]}"\s+checked', branch)
    assert re.search(r'name="seed"[^>]*value="77"', branch)


def test_fine_tuning_leaves_the_shape_to_the_model_and_says_which(
    visitor: Visitor, tmp_path: Path
) -> None:
    content = write_model(
        tmp_path / "m", discriminator=True, architecture="light", labels=STYLES, conditional=True
    ).read_bytes()
    page = visitor.page(bring(visitor, content))
    found = re.search(r'href="(/new/gan_training[^"]+)">Fine-tune from here', page)
    assert found
    form = visitor.page(found[1].replace("&amp;", "&"))
    assert re.search(r'name="resolution" value="" checked>[^/]*>as the model says: 32<', form)
    assert re.search(r'name="width" value=""\s+placeholder="4"', form)
    assert re.search(r'data-open="architecture"[^/]*>as the model says: light<', form)
    assert re.search(r'data-open="conditional"[^/]*>as the model says: yes<', form)
