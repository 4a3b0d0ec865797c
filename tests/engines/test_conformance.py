"""What every kind of job promises, whatever it makes."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engines import media, state
from engines.engine import Engine, InputError
from engines.registry import KINDS
from engines.state import State, StateError
from tests.engines import tiny
from tests.engines.resume import save_outputs

ROOT = Path(__file__).parents[2]
every_kind = pytest.mark.parametrize("kind", sorted(KINDS))


@pytest.fixture(scope="module")
def finished() -> dict[str, Engine]:
    """Each kind's tiny job, run to its end without a stop."""
    engines = {kind: tiny.engine(kind) for kind in sorted(KINDS)}
    for engine in engines.values():
        tiny.run_to(engine, engine.total_steps)
    return engines


def test_every_kind_has_a_tiny_job() -> None:
    assert sorted(tiny.TINY) == sorted(KINDS)


@every_kind
def test_a_run_ends_with_its_progress_at_the_total_and_a_result_first(
    kind: str, finished: dict[str, Engine]
) -> None:
    engine = finished[kind]
    assert engine.state().step == engine.total_steps
    outputs = list(engine.outputs())
    assert outputs[0].role in ("result", "model")
    assert len({output.name for output in outputs}) == len(outputs)
    # What is no picture to look at is told in a sentence, and nothing else is.
    beside = {output.name for output in outputs if output.role not in ("result", "samples")}
    assert beside == KINDS[kind].works.keys()


@every_kind
def test_metrics_are_finite_and_phases_can_be_said_at_every_step(kind: str) -> None:
    engine = tiny.engine(kind)
    total = engine.total_steps
    for step in range(total + 1):
        metrics = engine.step() if step else engine.beginning()
        assert metrics or not step
        # What is not declared has no name in words on the page.
        assert metrics.keys() <= KINDS[kind].figures.keys()
        assert all(math.isfinite(figure) for figure in metrics.values())
        for said in (engine.phase, *engine.notices()):
            assert "{" not in said.text.format(**said.values)
    assert engine.total_steps == total


def _boundaries() -> list[tuple[str, int]]:
    return [(kind, k) for kind in sorted(KINDS) for k in tiny.TINY[kind].boundaries]


@pytest.mark.parametrize(("kind", "stop"), _boundaries())
def test_a_stopped_run_goes_on_bit_for_bit_in_a_fresh_process(
    kind: str, stop: int, finished: dict[str, Engine], tmp_path: Path
) -> None:
    engine = tiny.engine(kind)
    tiny.run_to(engine, stop)
    state.save(engine.state(), tmp_path / "stopped")
    subprocess.run(
        [
            sys.executable,
            *("-m", "tests.engines.resume", kind),
            *(str(tmp_path / name) for name in ("stopped", "final", "resumed")),
            str(torch.get_num_threads()),
        ],
        check=True,
        cwd=ROOT,
    )
    save_outputs(finished[kind], tmp_path / "undisturbed")
    _assert_same(state.load(tmp_path / "final"), finished[kind].state())
    for made in (tmp_path / "undisturbed").iterdir():
        assert (tmp_path / "resumed" / made.name).read_bytes() == made.read_bytes()


@pytest.mark.parametrize(("kind", "stop"), _boundaries())
def test_a_resumed_run_keeps_the_pictures_of_one_that_never_stopped(kind: str, stop: int) -> None:
    undisturbed, first, second = (tiny.engine(kind) for _ in range(3))
    due = _frames(undisturbed, undisturbed.total_steps)
    before = _frames(first, stop)
    second.load_state(first.state())
    assert before + _frames(second, second.total_steps)[1:] == due
    assert second.frame_due() == due[-1]


@every_kind
def test_previews_and_saved_states_do_not_change_the_run(
    kind: str, finished: dict[str, Engine], tmp_path: Path
) -> None:
    engine = tiny.engine(kind)
    engine.beginning()
    for _ in range(engine.total_steps):
        engine.preview()
        for of in KINDS[kind].snapshots:
            model = engine.snapshot(of)
            assert model is None or (model.role, model.media_type) == ("model", media.MODEL)
        engine.step()
        state.save(engine.state(), tmp_path / "state")
    _assert_same(state.load(tmp_path / "state"), finished[kind].state())


@every_kind
def test_a_state_already_taken_does_not_change_with_later_steps(kind: str) -> None:
    engine = tiny.engine(kind)
    engine.step()
    taken = engine.state()
    before = {name: tensor.clone() for name, tensor in taken.tensors.items()}
    engine.step()
    assert all(torch.equal(taken.tensors[name], before[name]) for name in before)


@pytest.mark.parametrize(
    "kind", [k for k in sorted(KINDS) if "seed" in KINDS[k].params.model_fields]
)
def test_another_seed_makes_another_picture(kind: str, finished: dict[str, Engine]) -> None:
    other = tiny.engine(kind, seed=1)
    tiny.run_to(other, other.total_steps)
    ours, theirs = finished[kind].state().tensors, other.state().tensors
    assert any(not torch.equal(ours[name], theirs[name]) for name in ours)
    assert finished[kind].preview().tobytes() != other.preview().tobytes()


@every_kind
def test_a_preview_is_rgb_and_bounded_before_and_after_the_run(
    kind: str, finished: dict[str, Engine]
) -> None:
    for engine in (tiny.engine(kind), finished[kind]):
        preview = engine.preview()
        assert preview.mode == "RGB"
        assert max(preview.size) <= 1024


@every_kind
def test_a_damaged_state_file_is_a_state_error(kind: str, tmp_path: Path) -> None:
    engine = tiny.engine(kind)
    engine.step()
    path = tmp_path / "state"
    state.save(engine.state(), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StateError):
        state.load(path)


@every_kind
def test_a_state_that_lacks_a_tensor_or_a_fact_is_refused(kind: str) -> None:
    engine = tiny.engine(kind)
    engine.step()
    taken = engine.state()
    name = sorted(taken.tensors)[0]
    fewer = {key: tensor for key, tensor in taken.tensors.items() if key != name}
    with pytest.raises(StateError, match=name):
        tiny.engine(kind).load_state(replace(taken, tensors=fewer))
    with pytest.raises(StateError):
        tiny.engine(kind).load_state(replace(taken, facts={}))


@every_kind
def test_a_state_of_another_configuration_is_refused_by_field(kind: str) -> None:
    engine = tiny.engine(kind)
    engine.step()
    name = next(iter(tiny.TINY[kind].other))
    with pytest.raises(StateError, match=name):
        tiny.engine(kind, **tiny.TINY[kind].other).load_state(engine.state())


@pytest.mark.parametrize(
    ("kind", "pointer"), [(k, p) for k in sorted(KINDS) for p in tiny.TINY[k].unusable]
)
def test_bad_input_is_an_input_error_that_names_the_field(
    kind: str, pointer: str, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("no picture")
    files = {**tiny.FILES, tiny.TINY[kind].unusable[pointer]: broken}
    with pytest.raises(InputError) as refused:
        tiny.engine(kind, files).step()
    assert refused.value.pointer == pointer


@every_kind
def test_memory_does_not_grow_with_steps(kind: str) -> None:
    engine = tiny.engine(kind, **tiny.TINY[kind].long)
    assert engine.total_steps >= 60
    tiny.run_to(engine, 15)
    before = _resident()
    tiny.run_to(engine, engine.total_steps)
    assert _resident() - before < 24 * 1024**2


@every_kind
def test_kinds_and_the_registry_load_without_torch(kind: str) -> None:
    module = KINDS[kind].params.__module__
    program = f"import sys, engines.registry, engines.pictures, {module};"
    program += "import engines.vision.weights; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


@every_kind
def test_a_kind_draws_a_form_a_person_can_use(kind: str) -> None:
    properties = KINDS[kind].schema()["properties"]
    assert all(entry.get("title") and entry.get("description") for entry in properties.values())
    shown_first = [name for name, entry in properties.items() if entry.get("x-group") == "main"]
    assert 1 <= len(shown_first) <= 3


def _assert_same(ours: State, theirs: State) -> None:
    assert (ours.step, ours.facts) == (theirs.step, theirs.facts)
    assert sorted(ours.tensors) == sorted(theirs.tensors)
    different = [n for n in ours.tensors if not torch.equal(ours.tensors[n], theirs.tensors[n])]
    assert different == []


def _frames(engine: Engine, until: int) -> list[bool]:
    """Whether a picture is due now, and after each step up to ``until``."""
    due = [engine.frame_due()]
    while engine.state().step < until:
        engine.step()
        due.append(engine.frame_due())
    return due


def _resident() -> int:
    """Bytes of memory this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096
