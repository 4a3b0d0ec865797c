"""Sampling a model: which pictures come out, near what, between what, and what is refused."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from engines import film, pictures
from engines.engine import InputError, Inputs
from engines.gan_sampling.engine import GanSampling
from engines.gan_sampling.kind import (
    GanSamplingParams,
    Link,
    file_name,
    more_like,
    parse_way,
    way_text,
)
from engines.gan_sampling.latents import between, latent
from engines.gan_training.model_file import load_model, save_model
from engines.gan_training.networks import build_generator, load_into
from engines.state import generator, load, save
from tests.engines.models import STYLES, write_model
from tests.engines.tiny import FILES, MODEL, SAMPLES, run_to


def _engine(files: dict[str, Path] | None = None, smaller: int = 0, **params: Any) -> GanSampling:
    given = GanSamplingParams.model_validate({"model": MODEL, **params})
    inputs = Inputs({**FILES, **(files or {})}, SAMPLES, smaller=smaller)
    return GanSampling(given, inputs, torch.device("cpu"))


def _made(**params: Any) -> dict[str, np.ndarray]:
    engine = _engine(**params)
    run_to(engine, engine.total_steps)
    contents = {output.name: output.content for output in engine.outputs()}
    return {
        name: np.array(made) for name, made in contents.items() if isinstance(made, Image.Image)
    }


def _film(**params: Any) -> Image.Image:
    engine = _engine(mode="film", **params)
    run_to(engine, engine.total_steps)
    (output,) = engine.outputs()
    assert isinstance(output.content, film.Film)
    return Image.open(BytesIO(output.content.encoded({"kind": "gan_sampling"})))


def test_a_picture_is_what_the_generator_makes_of_its_latent_vector() -> None:
    model = load_model(FILES[MODEL])
    network = build_generator(model.config).eval()
    load_into(network, model.generator, "generator")
    draws = [torch.randn(16, generator=generator(3, "sample", at)) for at in range(5)]
    with torch.no_grad():
        expected = network(torch.stack(draws) * 0.7, torch.tensor([0, 1, 2, 0, 1]))
    made = _made(count=5, seed=3, truncation=0.7)
    assert list(made) == [f"3-{at}.png" for at in range(5)]
    for drawn, picture in zip(expected, made.values(), strict=True):
        bytes_ = ((drawn + 1) * 127.5).round().clamp(0, 255).permute(1, 2, 0).to(torch.uint8)
        assert np.array_equal(picture, bytes_.numpy())


def test_a_sheet_shows_the_same_pictures_row_by_row() -> None:
    single = list(_made(count=5).values())
    (sheet,) = _made(count=5, mode="grid", columns=2).values()
    assert sheet.shape == (96, 64, 3)
    assert np.array_equal(sheet[32:64, 32:], single[3])
    assert (sheet[64:, 32:] == 255).all()
    (square,) = _made(count=5, mode="grid").values()
    assert square.shape == (64, 96, 3)


def test_listed_seeds_are_drawn_in_their_order() -> None:
    made = _made(seeds=[7, 0])
    assert list(made) == ["7-0.png", "0-0.png"]
    label = load_model(FILES[MODEL]).config.labels[0]
    assert np.array_equal(made["7-0.png"], _made(count=1, seed=7, label=label)["7-0.png"])


def test_neighbours_begin_with_the_sample_itself_and_grow_apart_with_spread() -> None:
    chosen = _made(count=3, seed=7, label="dots")["7-2.png"].astype(float)
    apart = []
    for spread in (0.1, 0.5, 1.0):
        near = _made(count=6, near="7:2", spread=spread, label="dots")
        assert np.array_equal(next(iter(near.values())), chosen)
        apart.append(np.mean([abs(made - chosen).mean() for made in list(near.values())[1:]]))
    assert apart == sorted(apart)
    assert apart[0] < 0.5 * apart[2]


def test_more_like_a_neighbour_reaches_that_very_neighbour() -> None:
    params = GanSamplingParams(model=MODEL, near="7:2", spread=0.35, seed=5, label="ink", count=4)
    more = more_like(params.model_dump(mode="json"), 3)
    assert more is not None
    assert more["near"] == "7:2/0.35:5:3"
    neighbour = list(_made(**params.model_dump(mode="json")).values())[3]
    assert np.array_equal(next(iter(_made(**more, count=2).values())), neighbour)
    sheet = params.model_copy(update={"mode": "grid"})
    assert more_like(sheet.model_dump(mode="json"), 3) is None


@pytest.mark.parametrize("chosen", [{"seed": 7, "count": 5}, {"seeds": [3, 9, 4, 0, 8]}])
def test_neighbours_of_a_picture_that_took_its_style_in_turn_keep_to_that_style(
    chosen: dict[str, Any],
) -> None:
    fourth = list(_made(**chosen).values())[4]  # of the second of three styles
    more = more_like({"model": MODEL, **chosen}, 4)
    assert more is not None
    near = list(_made(**more, count=2).values())
    assert np.array_equal(near[0], fourth)
    engine = _engine(**more, count=2)
    assert [STYLES[label] for label in engine._labels] == [STYLES[1]]
    again = more_like({**more, "count": 2, "seed": 6}, 1)
    assert again is not None
    assert np.array_equal(next(iter(_made(**again, count=1).values())), near_of(more, 6))


def near_of(more: dict[str, Any], seed: int) -> np.ndarray:
    """The first neighbour that ``more`` makes with a seed."""
    return list(_made(**more, seed=seed, count=2).values())[1]


def test_ways_are_read_as_they_are_written_and_as_pictures_are_named() -> None:
    way = (Link(1.0, 7, 12), Link(0.3, 0, 4), Link(1e-05, 2, 0))
    for each in (way, (Link(1.0, 7, 0, 5), *way[1:]), way[:1]):
        assert parse_way(way_text(each)) == parse_way(file_name(each)) == each
    for wrong in ("7", "7:", "a:b", "7:-1", "7:1/2:0:0", "7:1/0.3:0", "7:5000", "nan:1", "7:1@x"):
        with pytest.raises(ValueError, match="like 7:12"):
            parse_way(wrong)
    with pytest.raises(ValueError, match="at most 8"):
        parse_way("1:1" + "/0.1:1:1" * 8)


def test_neighbours_are_distributed_like_any_other_sample() -> None:
    near = torch.stack(
        [latent((Link(1.0, at, 0), Link(0.4, at, 1)), 64) for at in range(200)]
    ).flatten()
    assert float(near.mean()) == pytest.approx(0, abs=0.03)
    assert float(near.std()) == pytest.approx(1, abs=0.03)


def test_the_way_between_two_samples_stays_as_far_from_the_middle() -> None:
    first, second = (latent((Link(1.0, 0, at),), 64) for at in (0, 1))
    assert torch.allclose(between(first, second, 0.0), first)
    half = between(first, second, 0.5)
    assert float(half.norm()) == pytest.approx(float((first.norm() + second.norm()) / 2), rel=0.1)
    assert float((first + second).norm()) / 2 < 0.9 * float(half.norm())
    assert torch.allclose(between(first, first, 0.3), first)
    # Of one number, as a stranger's model may draw from, two are the same way or opposite.
    assert torch.allclose(between(torch.ones(1), -torch.ones(1), 0.25), torch.tensor([0.5]))


def test_a_film_passes_through_its_samples_and_loops() -> None:
    shown = _film(count=3, frames=8, frame_rate=10, label="dots")
    assert (getattr(shown, "n_frames", 1), shown.size, shown.info["loop"]) == (24, (32, 32), 0)
    frames = []
    for at in range(24):
        shown.seek(at)
        frames.append(np.array(shown.convert("RGB")).astype(float))
        assert shown.info["duration"] == 100
    singles = list(_made(count=3, label="dots").values())
    for at, single in enumerate(singles):
        assert np.array_equal(frames[8 * at], single)  # without loss where pictures are small
    steps = [abs(frames[at] - frames[at - 1]).mean() for at in range(24)]
    apart = abs(frames[0] - frames[8]).mean()
    assert max(steps) < 0.5 * apart  # the last to the first is a small step, too
    assert min(steps) > 0  # no frame stands twice, also where one leg ends and the next begins
    assert film.recipe_in(shown.info["xmp"]) == '{"kind": "gan_sampling"}'


def test_a_film_of_a_model_with_styles_keeps_to_one() -> None:
    kept = _film(count=2, frames=2)
    first = _film(count=2, frames=2, label=STYLES[0])
    assert np.array_equal(np.array(kept.convert("RGB")), np.array(first.convert("RGB")))


def test_the_dial_mixes_styles_and_left_open_is_where_the_model_has_it(tmp_path: Path) -> None:
    known: dict[str, Any] = {"labels": STYLES, "conditional": True}
    files = {"0": write_model(tmp_path / "0", **known)}
    files["2"] = write_model(tmp_path / "2", **known, innovation=2.0)
    drawn = {
        (model, dial): _pictures(files[model], dial) for model in files for dial in (None, 0.0, 2.0)
    }
    assert np.array_equal(drawn["0", None], drawn["0", 0.0])
    assert np.array_equal(drawn["2", None], drawn["2", 2.0])
    assert np.array_equal(drawn["0", 2.0], drawn["2", 2.0])
    assert np.array_equal(drawn["0", 0.0], drawn["2", 0.0])
    assert not np.array_equal(drawn["0", 0.0], drawn["0", 2.0])


def _pictures(model: Path, dial: float | None) -> np.ndarray:
    engine = _engine({MODEL: model}, count=5, innovation=dial)
    run_to(engine, engine.total_steps)
    return engine.state().tensors["pictures"].numpy()


def test_a_model_without_styles_has_none_to_mix(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m")
    _engine({MODEL: path}, innovation=0.0)
    with pytest.raises(InputError, match="none to mix") as refused:
        _engine({MODEL: path}, innovation=1.0)
    assert refused.value.pointer == "/innovation"


def test_truncation_makes_samples_more_alike() -> None:
    def variety(truncation: float) -> float:
        made = _made(count=8, truncation=truncation, label="dots").values()
        return float(np.stack(list(made)).astype(float).std(0).mean())

    assert variety(0.0) == 0
    assert variety(0.0) < variety(0.4) < variety(1.0)


def test_the_variety_of_a_step_is_told_and_is_none_where_all_are_alike() -> None:
    alike, varied = _engine(count=8, truncation=0.0, label="dots"), _engine(count=8)
    assert alike.step() == {"variety": 0.0}
    told = varied.step()["variety"]
    pictures = varied.state().tensors["pictures"].double()
    assert told == pytest.approx(float(pictures.std(0, correction=0).mean()) / 255, rel=1e-4)
    assert _engine(count=1).step() == {}


@pytest.mark.parametrize("mode", ["pictures", "grid", "film"])
@pytest.mark.parametrize("stop", [0, 1, 2])
def test_whatever_it_makes_goes_on_bit_for_bit(mode: str, stop: int, tmp_path: Path) -> None:
    params: dict[str, Any] = {"mode": mode, "count": 2 if mode == "film" else 17, "frames": 9}
    whole, stopped, resumed = (_engine(**params) for _ in range(3))
    run_to(whole, whole.total_steps)
    run_to(stopped, stop)
    save(stopped.state(), tmp_path / "state")
    resumed.load_state(load(tmp_path / "state"))
    run_to(resumed, resumed.total_steps)
    for ours, theirs in zip(whole.outputs(), resumed.outputs(), strict=True):
        assert ours.name == theirs.name
        assert _bytes(ours.content) == _bytes(theirs.content)


def _bytes(content: Image.Image | film.Film | Path) -> bytes:
    assert not isinstance(content, Path)
    return content.encoded() if isinstance(content, film.Film) else content.tobytes()


def test_previews_grow_while_it_runs() -> None:
    engine = _engine(count=16, mode="grid")
    before, seen = np.array(engine.preview()), []
    for _ in range(engine.total_steps):
        engine.step()
        seen.append(np.array(engine.preview()))
    assert engine.total_steps == 2
    assert np.array_equal(seen[0][64:], before[64:])
    assert not np.array_equal(seen[0][:64], before[:64])
    assert not np.array_equal(seen[1][64:], seen[0][64:])


def test_smaller_pieces_make_the_same_pictures_up_to_the_last_bits() -> None:
    whole, pieces = _engine(count=8), _engine(count=8, smaller=2)
    for engine in (whole, pieces):
        run_to(engine, engine.total_steps)
    apart = whole.state().tensors["pictures"].int() - pieces.state().tensors["pictures"].int()
    assert int(apart.abs().max()) <= 1
    assert whole.total_steps == pieces.total_steps


def test_a_label_that_does_not_fit_is_refused_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="dots, waves, ink") as refused:
        _engine(label="impressionism")
    assert refused.value.pointer == "/label"
    plain = write_model(tmp_path / "plain")
    with pytest.raises(InputError, match="knows no styles") as refused:
        _engine({MODEL: plain}, label="dots")
    assert refused.value.pointer == "/label"


def test_a_model_of_another_kind_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    cut.write_bytes(FILES[MODEL].read_bytes()[:-40])
    for unfit in (cut, SAMPLES / "photos" / "cat.jpg"):
        with pytest.raises(InputError) as refused:
            _engine({MODEL: unfit})
        assert refused.value.pointer == "/model"
        assert refused.value.hint


def test_a_model_that_makes_no_numbers_is_said_and_no_black_pictures_are_made(
    tmp_path: Path,
) -> None:
    known = load_model(write_model(tmp_path / "endless"))
    known.generator["begin.weight"][:] = 1e38
    save_model(tmp_path / "endless", known.config, known.generator, None)
    with pytest.raises(InputError, match="not all numbers") as refused:
        _engine({MODEL: tmp_path / "endless"}).step()
    assert refused.value.pointer == "/model"


def test_more_pictures_than_a_sheet_holds_are_refused_with_what_fits(tmp_path: Path) -> None:
    large = write_model(tmp_path / "large", resolution=512, width=1)
    with pytest.raises(InputError, match="at most 244") as refused:
        _engine({MODEL: large}, count=256)
    assert refused.value.pointer == "/count"


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"mode": "film", "count": 1}, "count"),
        ({"mode": "film", "seeds": [3]}, "seeds"),
        ({"mode": "film", "count": 200, "frames": 100}, "frames"),
        ({"mode": "film", "count": 200}, "frames"),
        ({"seeds": [3, 3]}, "seeds"),
        ({"seeds": [3], "near": "1:1"}, "near"),
        ({"near": "the second"}, "near"),
    ],
)
def test_parameters_that_do_not_go_together_name_the_field(
    params: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        GanSamplingParams.model_validate({"model": MODEL, **params})
    assert [error["loc"] for error in refused.value.errors()] == [(field,)]


def test_a_film_without_its_recipe_is_the_same_film(tmp_path: Path) -> None:
    frames = [film.encode_frame(Image.new("RGB", (80, 48), name)) for name in ("red", "navy")]
    made = film.Film(frames, (80, 48), 24)
    (tmp_path / "film.webp").write_bytes(made.encoded({"seed": 7, "words": 'a "quoted" <one>'}))
    recipe = pictures.read_recipe(tmp_path / "film.webp")
    assert recipe == {"seed": 7, "words": 'a "quoted" <one>'}
    assert film.with_xmp((tmp_path / "film.webp").read_bytes(), None) == made.encoded()
    assert pictures.inspect(tmp_path / "film.webp").media_type == "image/webp"
