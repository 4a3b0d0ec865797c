"""From the command line: a training that goes on from a model, and one that does not fit it."""

from __future__ import annotations

from pathlib import Path

from tests.archives import labelled, zipped
from tests.atelier.conftest import Cli
from tests.engines.models import write_model


def test_a_model_and_a_set_are_all_that_a_training_from_it_takes(cli: Cli, tmp_path: Path) -> None:
    write_model(tmp_path / "dots.safetensors", discriminator=True, latent=128)
    (tmp_path / "art.zip").write_bytes(zipped(labelled(3)))
    for brought in (("models", "add", "dots.safetensors"), ("datasets", "add", "art.zip")):
        said = cli(*brought)
        assert said.status == 0, said.err
    asked = ("submit", "gan-training", "--init-from", "dots", "--dataset", "art")
    refused = cli(*asked, "--resolution", "64")
    assert (refused.status, refused.out) == (2, "")
    assert (
        "  /params/resolution: The model makes pictures of 32 px, not of 64 px. Set 'Size' to 32,"
        " or begin from another model."
    ) in refused.err.splitlines()
    taken = cli(*asked, "--preset", "fine", "--json")
    assert taken.status == 0, taken.err
    job = taken.document
    assert [job["params"][name] for name in ("resolution", "width", "batch")] == [32, 4, 8]
    cli("cancel", job["id"])
