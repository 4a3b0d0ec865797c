"""What a run says to its supervisor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from PIL import Image
from torch import Tensor

from engines.engine import Phase
from engines.gan_training.model_file import save_model
from engines.kind import Snapshot
from engines.style_transfer.engine import StyleTransfer
from engines.vision import sets
from jobs.settings import Settings
from tests.engines import art
from tests.engines.tiny import FILES, SET, TINY
from tests.engines.trainings import MODEL, PLAIN, training
from worker import telling
from worker.control import Control
from worker.pace import Pace
from worker.points import received
from worker.protocol import Assignment, Say, Sender, Stop
from worker.run import Run


class Listener:
    """Keeps what is said, and wants a stop as soon as a state was saved."""

    def __init__(self, stops: bool = True) -> None:
        """Nothing said yet; ``stops`` says whether it wants that stop."""
        self._stops = stops
        self.said: list[tuple[Say, dict[str, Any]]] = []

    def send(self, say: Say, **told: Any) -> None:
        """As :meth:`worker.protocol.Sender.send`."""
        self.said.append((say, told))

    def may_step(self, _tell_holding: Callable[[], None]) -> bool:
        """As :meth:`worker.control.Control.may_step`."""
        return True

    def stop_wanted(self) -> Stop | None:
        """As :meth:`worker.control.Control.stop_wanted`."""
        return Stop.PAUSE if self._stops and self.told(Say.CHECKPOINT) else None

    def snapshots_wanted(self) -> list[Snapshot]:
        """As :meth:`worker.control.Control.snapshots_wanted`."""
        return []

    def told(self, say: Say) -> list[dict[str, Any]]:
        """What was told with ``say``."""
        return [told for word, told in self.said if word is say]


def run(
    settings: Settings,
    folder: Path,
    listener: Listener,
    kind: str = "style_transfer",
    params: Mapping[str, Any] = TINY["style_transfer"].params,
    files: Mapping[str, Path] = FILES,
) -> None:
    """Run a job, the tiny style transfer if no other, to where the listener wants it to stop."""
    assignment = Assignment(
        job_id="job",
        fence=1,
        slot="cpu:0",
        kind=kind,
        params=dict(params),
        inputs={id_: str(path) for id_, path in files.items()},
        input_hashes={},
        checkpoints=[],
        folder=str(folder),
        lock="",
        log="",
        log_format="text",
        weights=str(settings.weights),
        cache=str(settings.cache),
        traces="",
        threads=torch.get_num_threads(),
        step_until=0.0,
    )
    Run(assignment, cast(Control, listener), cast(Sender, listener)).go()


def test_a_run_stopped_as_it_saves_hands_the_same_state_over_only_once(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    always = Pace(ratio=0.0, least=0.0, most=0.0, first=0.0)
    monkeypatch.setattr(Pace, "of_checkpoints", lambda: always)
    listener = Listener()
    run(settings, tmp_path, listener)
    assert [told["step"] for told in listener.told(Say.CHECKPOINT)] == [1]
    assert listener.told(Say.STOPPED) == [{"why": str(Stop.PAUSE), "step": 1}]


def test_an_engine_that_prepares_for_long_shows_life_before_its_first_step(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a large set of pictures that is prepared would look like a run that hangs."""
    begin = StyleTransfer.__init__

    def prepare(engine: StyleTransfer, *given: Any) -> None:
        begin(engine, *given)
        engine.pulse()

    monkeypatch.setattr(StyleTransfer, "__init__", prepare)
    listener = Listener()
    run(settings, tmp_path, listener)
    words = [say for say, _ in listener.said]
    assert Say.ALIVE in words[: words.index(Say.RESUMED)]


def test_a_first_step_that_takes_long_tells_its_phases_as_it_goes(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else somebody who looks sees nothing while a training measures before it learns."""
    step, words = StyleTransfer.step, iter("abb")
    said = Phase("")

    def long_step(engine: StyleTransfer) -> Any:
        nonlocal said
        for word in words:
            said = Phase(word)
            engine.pulse()
        return step(engine)

    monkeypatch.setattr(telling, "PROGRESS_SECONDS", 0.0)
    monkeypatch.setattr(StyleTransfer, "step", long_step)
    monkeypatch.setattr(StyleTransfer, "phase", property(lambda _: said))
    listener = Listener(stops=False)
    run(settings, tmp_path, listener)
    early = [told for told in listener.told(Say.PROGRESS) if told["step"] == 0]
    assert [told["phase"]["text"] for told in early] == ["", "a", "b"]
    assert Say.ALIVE in [say for say, _ in listener.said]


def test_all_that_was_measured_is_sent_before_a_state_is_saved_and_at_the_end(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resume goes on from the state: points before it would never be measured again."""
    often = iter([False, True, False, True, False])
    monkeypatch.setattr(Pace, "due", lambda pace: pace.is_of_checkpoints and next(often))
    monkeypatch.setattr(Pace, "is_of_checkpoints", False, raising=False)
    of_checkpoints = Pace.of_checkpoints()
    of_checkpoints.is_of_checkpoints = True  # type: ignore[attr-defined]
    monkeypatch.setattr(Pace, "of_checkpoints", lambda: of_checkpoints)
    listener = Listener(stops=False)
    run(settings, tmp_path, listener)
    sent: list[int] = []
    saved: list[int] = []
    for say, told in listener.said:
        if say is Say.METRICS:
            columns = received(told["columns"])
            assert columns.keys() == {"loss", "content", "style"}
            sent += columns["loss"].steps
        elif say is Say.CHECKPOINT:
            saved.append(told["step"])
            assert sent == list(range(1, told["step"] + 1))
    assert saved == [2, 4]
    assert sent == [1, 2, 3, 4, 5]
    words = [say for say, _ in listener.said]
    assert words.index(Say.DONE) > max(i for i, say in enumerate(words) if say is Say.METRICS)


def test_pictures_of_the_timeline_are_written_where_the_engine_wants_them(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StyleTransfer, "score", property(lambda engine: float(engine.state().step)))
    listener = Listener(stops=False)
    run(settings, tmp_path, listener)
    told = listener.told(Say.FRAME)
    assert [(each["step"], each["score"]) for each in told] == [(0, 0.0), (3, 3.0), (5, 5.0)]
    for each in told:
        with Image.open(each["path"]) as picture:
            assert picture.size == (each["width"], each["height"])


def test_a_fine_tuning_tells_of_its_beginning_how_good_it_is_and_that_it_is_the_best(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, first = training(steps=1), iter([-9.0])  # nothing comes near where it begins

    def measured(real: Tensor, made: Tensor, seed: int) -> sets.Interval:
        found = kid(real, made, seed)
        return found._replace(value=next(first, found.value))

    kid = sets.kid
    monkeypatch.setattr(sets, "kid", measured)
    weights = begun.pair.average.state_dict(), begun.pair.judge.state_dict()
    save_model(tmp_path / "model", begun.config, *weights)
    listener = Listener(stops=False)
    params = {**PLAIN, "dataset": SET, "init_from": MODEL, "kid_every": 1}
    files = {SET: art.pack(2), MODEL: tmp_path / "model"}
    run(settings, tmp_path, listener, "gan_training", params, files)
    frames = [(told["step"], told["score"]) for told in listener.told(Say.FRAME)]
    assert [step for step, _score in frames] == [0, 0, 1, 2, 3]
    assert frames[0][1] is None  # shown at once, measured afterwards
    assert frames[1] == (0, 9.0)
    last = listener.told(Say.PROGRESS)[-1]
    assert (last["step"], last["best_step"]) == (3, 0)
    assert any("the model that it began from" in said["text"] for said in last["notices"])


def test_a_warning_is_told_with_progress_and_logged_when_it_comes_and_goes(
    tmp_path: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def notices(engine: StyleTransfer) -> list[Phase]:
        step = engine.state().step
        return [Phase("{many} colours are lost", {"many": step // 2})] if 2 <= step < 5 else []

    monkeypatch.setattr(StyleTransfer, "notices", notices)
    monkeypatch.setattr(telling, "PROGRESS_SECONDS", 0.0)
    caplog.set_level("INFO", "runner")
    listener = Listener(stops=False)
    run(settings, tmp_path, listener)
    told = {
        each["step"]: [notice["values"] for notice in each["notices"]]
        for each in listener.told(Say.PROGRESS)
    }
    one, two = [{"many": 1}], [{"many": 2}]
    assert told == {0: [], 1: [], 2: one, 3: one, 4: two, 5: []}
    logged = [record.getMessage() for record in caplog.records if "colours" in record.getMessage()]
    assert logged == [
        "step 2: 1 colours are lost",
        "step 4: 2 colours are lost",
        "step 5: no longer so: 2 colours are lost",
    ]
