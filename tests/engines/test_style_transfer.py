"""What a style transfer promises beyond what every kind does."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from engines import pictures
from engines.engine import InputError, Inputs
from engines.state import StateError
from engines.style_transfer import engine as module
from engines.style_transfer import scales
from engines.style_transfer.engine import StyleTransfer
from engines.style_transfer.kind import StyleTransferParams
from engines.vision import weights
from tests.engines import tiny
from tests.engines.tiny import FILES, OTHER, PAINTING, PHOTO, SAMPLES

ENGINES = Path(module.__file__).parents[1]


def _result(**changes: Any) -> Image.Image:
    made = tiny.engine("style_transfer", **changes)
    tiny.run_to(made, made.total_steps)
    content = next(iter(made.outputs())).content
    assert isinstance(content, Image.Image)
    return content


def _colour(picture: Image.Image) -> numpy.ndarray:
    return numpy.asarray(picture.resize((1, 1), Image.Resampling.BOX), float).reshape(3)


def test_scales_grow_by_the_root_of_two_up_to_the_size_asked_for() -> None:
    assert [scale.size for scale in scales.plan(512, 128, 100)] == [128, 181, 256, 362, 512]
    assert [scale.size for scale in scales.plan(64, 128, 100)] == [64]


def test_scales_share_out_every_step_once() -> None:
    plan = scales.plan(300, 128, 7)
    assert [scale.first for scale in plan] == [0, *(scale.end for scale in plan[:-1])]
    found = [scales.index_of(step, plan) for step in range(plan[-1].end)]
    assert found == sorted(found)


def test_the_result_has_the_size_asked_for_and_the_shape_of_the_photo() -> None:
    assert _result(size=92, iterations=1).size == (92, 61)


def test_a_preset_fills_in_only_what_is_absent() -> None:
    given = {"content": PHOTO, "styles": [PAINTING], "preset": "draft"}
    assert StyleTransferParams.model_validate(given).size == 256
    params = StyleTransferParams.model_validate({**given, "size": 300})
    assert (params.size, params.iterations) == (300, 120)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weights", [1.0]),
        ("weights", [1.0, -2.0]),
        ("styles", []),
        ("styles", [PAINTING] * 5),
        ("size", 10_000),
        ("iterations", 0),
        ("content_weight", float("nan")),
        ("features", "resnet"),
        ("style_scale", 0.0),
    ],
)
def test_a_wrong_parameter_is_refused_at_its_own_place(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        StyleTransferParams.model_validate({**tiny.TINY["style_transfer"].params, field: value})
    assert {error["loc"][0] for error in refused.value.errors()} == {field}


def test_colours_come_from_the_painting_unless_the_photos_are_kept() -> None:
    painting, photo = (_colour(Image.open(FILES[name]).convert("RGB")) for name in (OTHER, PHOTO))
    taken = _colour(_result(styles=[OTHER], weights=[]))
    kept = _colour(_result(styles=[OTHER], weights=[], preserve_colours=True))
    assert abs(kept - photo).sum() < abs(kept - painting).sum()
    assert abs(taken - painting).sum() < abs(taken - photo).sum()


@pytest.mark.parametrize(
    "change",
    [
        {"weights": [1.0, 9.0]},
        {"content_weight": 40.0},
        {"style_scale": 0.5},
        {"statistic": "gram"},
        {"start_size": 92},
        {"preserve_colours": True},
    ],
)
def test_each_control_changes_the_picture(change: dict[str, object]) -> None:
    assert _result(**change).tobytes() != _result().tobytes()


def test_the_style_loss_falls_at_each_scale() -> None:
    made = tiny.engine("style_transfer", iterations=12)
    metrics = tiny.run_to(made, made.total_steps)
    assert metrics[11]["style"] < 0.7 * metrics[0]["style"]
    assert metrics[-1]["style"] < metrics[12]["style"]


def test_a_preview_of_large_work_is_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PREVIEW_SIDE", 50)
    assert tiny.engine("style_transfer").preview().size == (50, 33)


def test_the_recipe_names_the_network_by_its_hash() -> None:
    facts = tiny.engine("style_transfer").facts
    path = weights.find("vgg16", SAMPLES)
    assert path is not None
    assert facts["network"] == {"name": "vgg16", "sha256": weights.verify(path)}


def test_a_state_of_another_network_is_refused_by_name() -> None:
    made = tiny.engine("style_transfer")
    made.step()
    taken = made.state()
    taken.facts["network"] = {"name": "vgg19", "sha256": "0" * 64}
    with pytest.raises(StateError, match="vgg19"):
        tiny.engine("style_transfer").load_state(taken)
    taken.facts["network"] = {"name": "vgg16", "sha256": "0" * 64}
    with pytest.raises(StateError, match="sha256"):
        tiny.engine("style_transfer").load_state(taken)


def test_features_that_are_not_here_are_an_input_error() -> None:
    with pytest.raises(InputError) as refused:
        tiny.engine("style_transfer", features="vgg19")
    assert refused.value.pointer == "/features"
    assert refused.value.hint


def test_a_picture_that_is_not_among_the_inputs_is_an_input_error() -> None:
    params = StyleTransferParams.model_validate(tiny.TINY["style_transfer"].params)
    with pytest.raises(InputError) as refused:
        StyleTransfer(params, Inputs({PHOTO: FILES[PHOTO]}, SAMPLES), torch.device("cpu"))
    assert refused.value.pointer == "/styles/0"


@pytest.mark.parametrize("colour", ["black", "white", (200, 10, 10)])
def test_a_flat_picture_is_no_reason_to_fail(
    colour: str | tuple[int, int, int], tmp_path: Path
) -> None:
    flat = tmp_path / "flat.png"
    flat.write_bytes(pictures.encode_png(Image.new("RGB", (40, 40), colour)))
    for name in (PHOTO, PAINTING):
        made = tiny.engine("style_transfer", {**FILES, name: flat}, size=64, iterations=2)
        losses = [metrics["loss"] for metrics in tiny.run_to(made, made.total_steps)]
        assert all(abs(loss) < 1e6 for loss in losses)


def _striped(folder: Path, name: str) -> dict[str, Path]:
    narrow = folder / "narrow.png"
    narrow.write_bytes(pictures.encode_png(Image.new("RGB", (640, 16), "teal")))
    return {**FILES, name: narrow}


def test_a_photo_too_narrow_to_work_on_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        tiny.engine("style_transfer", _striped(tmp_path, PHOTO))
    assert refused.value.pointer == "/content"
    assert refused.value.hint


def test_a_narrow_painting_and_the_smallest_strokes_are_no_reason_to_fail(tmp_path: Path) -> None:
    files = _striped(tmp_path, PAINTING)
    made = tiny.engine("style_transfer", files, size=64, iterations=1, style_scale=0.25)
    tiny.run_to(made, made.total_steps)


def test_engines_import_nothing_of_ours_but_engines() -> None:
    ours = {"jobs", "worker", "webui", "atelier", "migrations", "bench", "tests"}
    for path in ENGINES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not ours & {name.split(".")[0] for name in names}, path
