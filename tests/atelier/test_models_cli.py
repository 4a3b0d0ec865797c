"""Trained models on the command line, on a real studio: brought, sampled, named, deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from atelier.client import Studio
from atelier.problems import ProblemError
from engines import pictures
from tests.atelier.conftest import Cli
from tests.engines.models import STYLES, write_model


def test_a_model_from_its_file_to_its_pictures_and_away(
    cli: Cli, studio: Studio, tmp_path: Path
) -> None:
    path = write_model(tmp_path / "dots.safetensors", labels=STYLES, conditional=True)
    added = cli("models", "add", path, "--name", "Dots")
    assert added.status == 0, added.err
    model = added.out.split()[1]
    assert "dcgan, 32 px" in cli("models", "show", model).out
    assert model in cli("models", "list").out
    sampled = cli(
        *("submit", "gan_sampling", "--model", "Dots", "--mode", "film", "--count", "2"),
        *("--frames", "4", "--label", "dots", "--output", "film.webp"),
    )
    assert sampled.status == 0, sampled.err
    with Image.open(tmp_path / "film.webp") as film:
        assert (getattr(film, "n_frames", 1), film.size) == (8, (32, 32))
    recipe = pictures.read_recipe(tmp_path / "film.webp")
    assert recipe is not None
    assert (recipe["kind"], recipe["params"]["model"]) == ("gan_sampling", model)
    assert recipe["inputs"] == {model: studio.model(model)["sha256"]}
    other = studio.add_model(path, "Dots")["id"]
    unclear = cli("submit", "gan_sampling", "--model", "Dots")
    assert unclear.status != 0
    assert model in unclear.err
    assert other in unclear.err
    assert "'Dots'" in cli("submit", "gan_sampling", "--model", "Dot").err
    saved = cli("models", "download", other, "--output", "back.safetensors")
    assert saved.out.strip() == "back.safetensors", saved.err
    assert (tmp_path / "back.safetensors").read_bytes() == path.read_bytes()
    ambiguous = cli("models", "show", "Dots")
    assert ambiguous.status == 2
    assert other in ambiguous.err
    assert cli("models", "delete", other).status == 0
    assert model in cli("models", "show", "Dots").out
    used = cli("models", "show", model, "--json").document["used_by"]
    assert [(use["kind"], use["status"]) for use in used] == [("gan_sampling", "succeeded")]
    assert cli("models", "rename", "Dots", "Old dots").status == 0
    assert studio.models()["results"][0]["name"] == "Old dots"
    assert studio.download(studio.model(model), tmp_path / "back").read_bytes() == path.read_bytes()
    assert cli("models", "delete", "Old dots").status == 0
    assert cli("models", "show", model).status != 0


def test_what_does_not_fit_is_refused_with_words_that_name_what_does(
    studio: Studio, tmp_path: Path
) -> None:
    path = write_model(tmp_path / "dots.safetensors", labels=STYLES, conditional=True)
    model = studio.add_model(path)["id"]
    with pytest.raises(ProblemError, match="dots, waves, ink") as refused:
        studio.submit("gan_sampling", {"model": model, "label": "impressionism"})
    assert [error["pointer"] for error in refused.value.errors] == ["/params/label"]
    assert studio.model(model)["used_by"] == []


def test_a_file_that_is_no_model_is_refused_in_words(cli: Cli, photo: Path) -> None:
    refused = cli("models", "add", photo)
    assert refused.status != 0
    assert "no model that can be used" in refused.err
