"""Over the API, what does not fit the set or the model of a job is refused with what fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from engines.gan_training.config import NARROWEST, WIDEST
from jobs.ids import new_id
from jobs.models import Blob, Dataset
from jobs.stored import trained
from tests.engines.models import STYLES, write_model
from tests.webui.quiet import Caller, problem

LABELS = {"dots": 5, "ink": 5}
SHA256 = "ab" * 32
LEARNED = {"labels": STYLES, "conditional": True}

TRAINING: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "another size": (
        {},
        {"resolution": 64},
        "resolution",
        "The model makes pictures of 32 px, not of 64 px. Set 'Size' to 32, or begin from another"
        " model.",
    ),
    "other networks": (
        {},
        {"architecture": "light"},
        "architecture",
        "The model's networks are dcgan, not light. Set 'Networks' to dcgan, or begin from another"
        " model.",
    ),
    "another width": (
        {},
        {"width": 8},
        "width",
        "The model's networks are 4 wide, not 8. Set 'Width of the networks' to 4, or begin from"
        " another model.",
    ),
    "no labels learned": (
        {},
        {"conditional": True},
        "conditional",
        "The model has learned no labels. Turn 'Learn the labels' off, or begin from another"
        " model.",
    ),
    "labels learned": (
        LEARNED,
        {"conditional": False},
        "conditional",
        "The model has learned labels. Turn 'Learn the labels' on, or begin from another model.",
    ),
    "no judge": (
        {"discriminator": False},
        {},
        "init_from",
        "The model can make pictures, but the network that judges them is not in its file. Begin"
        " from another model.",
    ),
    "an odd latent": (
        {"latent": 16},
        {},
        "init_from",
        "The model draws from 16 random numbers, not from 128. Begin from another model.",
    ),
}
SAMPLING: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "no styles": (
        {},
        {"label": "dots"},
        "label",
        "The model knows no styles, so it cannot draw in 'dots'. Leave the style open, or choose a"
        " model that knows styles.",
    ),
    "another style": (
        LEARNED,
        {"label": "impressionism"},
        "label",
        "The model knows no style 'impressionism'. It knows: dots, waves, ink. Choose one of the"
        " styles it knows.",
    ),
    "too many pictures": (
        {"resolution": 512, "width": 1},
        {"count": 256},
        "count",
        "256 pictures of 512 px are too many; at most 244 fit. Draw fewer at a time, with another"
        " seed for each.",
    ),
}


def bring(caller: Caller, folder: Path, **config: Any) -> str:
    """The id of a model that is brought."""
    path = write_model(folder / "model", **{"latent": 128, "discriminator": True, **config})
    parts = caller.quiet.studio
    given = (parts.database, parts.storage, caller.owner, path, "m", parts.settings)
    return str(trained.receive(*given).id)


def a_set(caller: Caller, **report: Any) -> str:
    """The id of a checked set: ten pictures of two labels, but for what ``report`` says."""
    id_, told = new_id(), {"pictures": 10, "labels": LABELS, **report}
    row = {"id": id_, "owner_id": caller.owner, "name": "art", "state": "ready"}
    with caller.quiet.database.begin() as session:
        session.merge(Blob(sha256=SHA256, size=1))
        session.flush()
        session.execute(insert(Dataset).values(**row, sha256=SHA256, report=told))
    return str(id_)


@pytest.mark.parametrize("name", TRAINING)
def test_a_training_that_does_not_fit_its_model_is_refused_by_name(
    caller: Caller, tmp_path: Path, name: str
) -> None:
    config, changes, field, said = TRAINING[name]
    names = {"dataset": a_set(caller), "init_from": bring(caller, tmp_path, **config)}
    order = {"kind": "gan_training", "params": {**names, **changes}}
    body = problem(caller.post("/jobs", json=order), 422, "invalid", f"/params/{field}")
    assert body["errors"] == [
        {"pointer": f"/params/{field}", "code": "does_not_fit", "detail": said}
    ]
    assert caller.get("/jobs").get_json()["results"] == []


@pytest.mark.parametrize("name", SAMPLING)
def test_a_sampling_that_does_not_fit_its_model_is_refused_by_name(
    caller: Caller, tmp_path: Path, name: str
) -> None:
    config, changes, field, said = SAMPLING[name]
    params = {"model": bring(caller, tmp_path, **config), **changes}
    order = {"kind": "gan_sampling", "params": params}
    body = problem(caller.post("/jobs", json=order), 422, "invalid", f"/params/{field}")
    assert [error["detail"] for error in body["errors"]] == [said]


def test_everything_that_does_not_fit_is_said_at_once_in_the_askers_language(
    caller: Caller, tmp_path: Path
) -> None:
    names = {"dataset": a_set(caller, labels={}), "init_from": bring(caller, tmp_path)}
    params = {**names, "resolution": 64, "width": 8, "innovation": 1.0}
    answer = caller.post(
        "/jobs",
        json={"kind": "gan_training", "params": params},
        headers={"Accept-Language": "zh"},
    )
    named = [f"/params/{name}" for name in ("innovation", "resolution", "width")]
    errors = problem(answer, 422, "invalid", *named)["errors"]
    assert errors[0]["detail"].startswith("图集的标签少于两个，而创新为 1 时需要标签。")
    assert "请把“尺寸”设为 32" in errors[1]["detail"]


def test_a_model_alone_says_what_a_training_from_it_looks_like(
    caller: Caller, tmp_path: Path
) -> None:
    model = bring(caller, tmp_path, architecture="light", latent=256, **LEARNED)
    params = {"dataset": a_set(caller), "init_from": model, "preset": "fine"}
    made = caller.post("/jobs", json={"kind": "gan_training", "params": params})
    assert made.status_code == 202, made.get_json()
    told = made.get_json()["params"]
    names = ("architecture", "resolution", "width", "conditional", "batch")
    assert [told[name] for name in names] == ["light", 32, 4, True, 8]


def test_a_training_that_fits_its_model_in_other_words_of_the_same_is_taken(
    caller: Caller, tmp_path: Path
) -> None:
    names = {"dataset": a_set(caller), "init_from": bring(caller, tmp_path)}
    shape = {"architecture": "dcgan", "resolution": 32, "width": 4, "conditional": False}
    made = caller.post("/jobs", json={"kind": "gan_training", "params": {**names, **shape}})
    assert made.status_code == 202, made.get_json()


@pytest.mark.parametrize("width", [NARROWEST, WIDEST])
def test_a_training_goes_on_from_a_model_of_any_width_that_is_taken(
    caller: Caller, tmp_path: Path, width: int
) -> None:
    names = {"dataset": a_set(caller), "init_from": bring(caller, tmp_path, width=width)}
    made = caller.post("/jobs", json={"kind": "gan_training", "params": names})
    assert made.status_code == 202, made.get_json()
    assert made.get_json()["params"]["width"] == width


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (NARROWEST - 1, f"0 is too small; at least {NARROWEST} is taken."),
        (WIDEST + 1, f"257 is too large; at most {WIDEST} is taken."),
    ],
)
def test_a_width_that_no_model_may_have_is_named_with_the_limit(
    caller: Caller, width: int, said: str
) -> None:
    params = {"dataset": a_set(caller), "width": width}
    answer = caller.post("/jobs", json={"kind": "gan_training", "params": params})
    (error,) = problem(answer, 422, "invalid", "/params/width")["errors"]
    assert error["detail"] == said


def test_a_change_that_is_named_twice_counts_once(caller: Caller) -> None:
    params = {"dataset": a_set(caller), "policies": ["cutout", "colour", "cutout"]}
    made = caller.post("/jobs", json={"kind": "gan_training", "params": params})
    assert made.status_code == 202, made.get_json()
    assert made.get_json()["params"]["policies"] == ["cutout", "colour"]
