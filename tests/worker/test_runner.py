"""What a run says to its supervisor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from jobs.settings import Settings
from tests.engines.tiny import FILES, TINY
from worker.control import Control
from worker.pace import Pace
from worker.protocol import Assignment, Say, Sender, Stop
from worker.runner import Run


class Listener:
    """Keeps what is said, and wants a stop as soon as a state was saved."""

    def __init__(self) -> None:
        """Nothing said yet."""
        self.said: list[tuple[Say, dict[str, Any]]] = []

    def send(self, say: Say, **told: Any) -> None:
        """As :meth:`worker.protocol.Sender.send`."""
        self.said.append((say, told))

    def may_step(self, _tell_holding: Callable[[], None]) -> bool:
        """As :meth:`worker.control.Control.may_step`."""
        return True

    def stop_wanted(self) -> Stop | None:
        """As :meth:`worker.control.Control.stop_wanted`."""
        return Stop.PAUSE if self.told(Say.CHECKPOINT) else None

    def told(self, say: Say) -> list[dict[str, Any]]:
        """What was told with ``say``."""
        return [told for word, told in self.said if word is say]


def test_a_run_stopped_as_it_saves_hands_the_same_state_over_only_once(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    always = Pace(ratio=0.0, least=0.0, most=0.0, first=0.0)
    monkeypatch.setattr(Pace, "of_checkpoints", lambda: always)
    listener = Listener()
    assignment = Assignment(
        job_id="job",
        fence=1,
        slot="cpu:0",
        kind="style_transfer",
        params=dict(TINY["style_transfer"].params),
        inputs={id_: str(path) for id_, path in FILES.items()},
        input_hashes={},
        checkpoints=[],
        folder=str(tmp_path),
        lock="",
        log="",
        weights=str(settings.weights),
        cache=str(settings.cache),
        traces="",
        threads=torch.get_num_threads(),
        step_until=0.0,
    )
    Run(assignment, cast(Control, listener), cast(Sender, listener)).go()
    assert [told["step"] for told in listener.told(Say.CHECKPOINT)] == [1]
    assert listener.told(Say.STOPPED) == [{"why": str(Stop.PAUSE), "step": 1}]
