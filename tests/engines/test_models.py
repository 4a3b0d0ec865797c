"""Model files from strangers: facts from the header, and what is refused."""

from __future__ import annotations

import io
import itertools
import json
import math
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engines import models
from engines.gan_training.config import ARCHITECTURES, RESOLUTIONS, ModelConfig
from engines.gan_training.networks import build_discriminator, build_generator
from engines.gan_training.shapes import discriminator_shapes, generator_shapes
from engines.models import ModelError, ModelFacts
from tests.engines.models import STYLES, write_model

ODD_DIALS = (math.nan, math.inf, 1e308, -1, 10.5, True, "1", None, [1])
EVERY = list(itertools.product(ARCHITECTURES, RESOLUTIONS, (True, False)))


@pytest.mark.parametrize(("architecture", "resolution", "labelled"), EVERY)
def test_the_listed_shapes_are_those_of_the_networks(
    architecture: Any, resolution: int, labelled: bool
) -> None:
    config = ModelConfig(architecture, resolution, 20, 6, STYLES if labelled else (), labelled)
    with torch.device("meta"):
        made, judge = build_generator(config), build_discriminator(config)
    for listed, network in (
        (generator_shapes(config), made),
        (discriminator_shapes(config), judge),
    ):
        assert listed == {name: tuple(v.shape) for name, v in network.state_dict().items()}


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    return write_model(tmp_path / "model", discriminator=True, origin={"steps": 7}).read_bytes()


def _read(content: bytes) -> models.ModelFacts:
    return models.read_facts(io.BytesIO(content), len(content))


def _changed(content: bytes, change: Any) -> bytes:
    """The file with ``change`` made to its header."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def test_a_model_says_what_it_is_from_its_header(whole: bytes, tmp_path: Path) -> None:
    facts = _read(whole)
    assert (facts.config.architecture, facts.config.resolution) == ("dcgan", 32)
    assert facts.config.origin == {"steps": 7}
    assert facts.trainable
    assert not models.inspect(write_model(tmp_path / "made")).trainable
    made = build_generator(facts.config).state_dict()
    assert facts.parameters == sum(value.numel() for value in made.values())


def test_what_a_model_is_can_be_kept_as_plain_values_whatever_its_origin_says(
    tmp_path: Path,
) -> None:
    odd = {"kid": math.nan, "best": math.inf, "nul": "a\0b", "half": "\ud800", "n\0": 1}
    origin = {**odd, "deep": {}, "long": "x" * 201, "steps": 7, "set": "art"}
    facts = models.inspect(write_model(tmp_path / "model", labels=STYLES, conditional=True))
    told = replace(facts, config=replace(facts.config, origin=origin))
    kept = json.loads(json.dumps(told.as_json(), allow_nan=False))
    assert kept["config"]["origin"] == {"steps": 7, "set": "art"}
    again = ModelFacts.of_json(kept)
    assert again == replace(told, config=replace(told.config, origin=told.origin))


def test_what_is_cut_off_or_longer_is_refused(whole: bytes) -> None:
    for content in (b"", b"short", whole[:-1], whole[: len(whole) // 2], whole + b"\0", whole[:30]):
        with pytest.raises(ModelError, match=r"cut off|empty|damaged"):
            _read(content)


def test_other_files_are_refused_within_bounds() -> None:
    huge = struct.pack("<Q", 2**63) + b"{}"
    for content in (huge, b"\x89PNG\r\n\x1a\n" + bytes(200), struct.pack("<Q", 4) + b"[[[["):
        with pytest.raises(ModelError):
            _read(content)
    with pytest.raises(ModelError, match="header is damaged"):
        _read(struct.pack("<Q", 100_000) + b"[" * 100_000)


def _describe(**changes: Any) -> Any:
    def change(header: dict[str, Any]) -> None:
        told = json.loads(header["__metadata__"]["atelier_model"])
        header["__metadata__"]["atelier_model"] = json.dumps({**told, **changes})

    return change


def _deep_description(header: dict[str, Any]) -> None:
    header["__metadata__"]["atelier_model"] = "[" * 100_000


def _first(header: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = header["generator.begin.weight"]
    return found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda header: header.pop("__metadata__"), "which networks"),
        (_describe(architecture="pickle"), "architecture"),
        (_describe(width=10**9), "width"),
        (_describe(width=8), "has the shape"),
        (_describe(resolution=64), "is missing|has the shape"),
        (_describe(resolution=32.0), "resolution"),
        (_describe(origin=5), "origin"),
        (_describe(conditional=1), "conditional"),
        (_describe(labels=["dots\0"]), "labels"),
        *((_describe(innovation=dial), "innovation .* is not between") for dial in ODD_DIALS),
        (_describe(innovation=1.0), "mixes labels"),
        (_describe(labels=["dots", "\ud800"]), "labels"),
        (_describe(unknown=1), "description cannot be read"),
        (_deep_description, "description cannot be read"),
        (lambda header: _first(header).update(shape=[-1]), "not as long"),
        (lambda header: _first(header).update(shape=[9] * 9), "wrongly"),
        (lambda header: _first(header).update(shape=[math.inf]), "wrongly"),
        (lambda header: _first(header).update(dtype="Q4"), "wrongly"),
        (lambda header: _first(header).update(data_offsets=[0, 8, 9]), "wrongly"),
        (lambda header: header.update(more=[]), "wrongly"),
        (lambda header: header.pop("generator.begin.weight"), "one after another|missing"),
    ],
)
def test_a_header_that_does_not_add_up_is_refused_in_words(
    whole: bytes, change: Any, words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        _read(_changed(whole, change))


def test_models_are_read_without_torch() -> None:
    program = "import sys, engines.models; assert not {'torch', 'safetensors'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
