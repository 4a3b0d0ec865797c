"""States as files, and draws by counter."""

from __future__ import annotations

import errno
import resource
from pathlib import Path

import pytest
import torch
from pydantic import Field
from safetensors.torch import save_file

from engines import state
from engines.kind import Params
from engines.state import State, StateError, generator


def _state() -> State:
    return State(7, {"a.b": torch.arange(6.0).view(2, 3)}, {"网络": {"sha256": "x"}, "list": [1]})


def test_a_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    state.save(_state(), tmp_path / "state")
    loaded = state.load(tmp_path / "state")
    assert (loaded.step, loaded.facts) == (7, _state().facts)
    assert torch.equal(loaded.tensors["a.b"], _state().tensors["a.b"])


def test_saving_leaves_nothing_but_the_state(tmp_path: Path) -> None:
    state.save(_state(), tmp_path / "state")
    state.save(_state(), tmp_path / "state")
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_tensors_of_any_memory_layout_are_saved_by_their_values(tmp_path: Path) -> None:
    tensor = torch.randn(1, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    state.save(State(0, {"t": tensor, "u": tensor.mT}, {}), tmp_path / "state")
    loaded = state.load(tmp_path / "state").tensors
    assert torch.equal(loaded["t"], tensor)
    assert torch.equal(loaded["u"], tensor.mT)


def test_a_state_that_cannot_be_written_tells_the_number_and_leaves_the_old_one(
    tmp_path: Path,
) -> None:
    """The number is how a full disk is told from a defect."""
    state.save(_state(), tmp_path / "state")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="large") as refused:
            state.save(State(8, {"t": torch.zeros(10_000)}, {}), tmp_path / "state")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refused.value.errno == errno.EFBIG
    assert state.load(tmp_path / "state").step == 7
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04pickle?", bytes(4096)])
def test_a_file_that_is_no_state_is_a_state_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(content)
    with pytest.raises(StateError):
        state.load(tmp_path / "state")


def test_tensors_of_others_are_a_state_error(tmp_path: Path) -> None:
    save_file({"t": torch.zeros(2)}, tmp_path / "state")
    with pytest.raises(StateError):
        state.load(tmp_path / "state")


def test_a_missing_file_is_a_state_error(tmp_path: Path) -> None:
    with pytest.raises(StateError):
        state.load(tmp_path / "nothing")


class Few(Params):
    """What an engine of an early version was given."""

    steps: int


class More(Few):
    """The same, and what a later version brought."""

    variety: float = 0.0
    seeds: list[int] = Field(default_factory=list)


def test_a_state_goes_on_after_an_upgrade_that_brought_a_parameter_at_its_usual_value() -> None:
    early = State(1, {}, {"params": Few(steps=5).model_dump(mode="json")})
    state.same_params(early, More(steps=5))
    with pytest.raises(StateError, match=r"variety is 1.0 here and 0.0 in the state"):
        state.same_params(early, More(steps=5, variety=1.0))
    with pytest.raises(StateError, match=r"seeds is \[7\] here and \[\] in the state"):
        state.same_params(early, More(steps=5, seeds=[7]))
    with pytest.raises(StateError, match="does not say"):
        state.same_params(State(1, {}, {}), More(steps=5))


def test_draws_depend_on_seed_stream_and_step_alone() -> None:
    def draw(seed: int, stream: str, step: int) -> list[float]:
        return torch.rand(4, generator=generator(seed, stream, step)).tolist()

    assert draw(1, "noise", 2) == draw(1, "noise", 2)
    others = [draw(2, "noise", 2), draw(1, "order", 2), draw(1, "noise", 3)]
    assert draw(1, "noise", 2) not in others
