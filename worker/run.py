"""One attempt at a job: the engine, and when to show, save, hold and stop.

The loop is here and nowhere else: an engine only knows how to do one step.
"""

from __future__ import annotations

import importlib
import logging
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.engine import Engine, Inputs
from engines.kind import Kind, Snapshot
from engines.registry import KINDS
from worker import makings, memory
from worker.control import Control
from worker.pace import Pace
from worker.protocol import Assignment, SavedFile, Say, Sender, Stop
from worker.telling import Telling
from worker.trace import Trace

if TYPE_CHECKING:
    from engines.state import State

log = logging.getLogger("runner")


class Run:
    """From an assignment to its end, as far as this process is concerned."""

    def __init__(self, assignment: Assignment, control: Control, sender: Sender) -> None:
        self._job, self._control, self._sender = assignment, control, sender
        self._folder = Path(assignment.folder)
        self._kind: Kind = KINDS[assignment.kind]
        self._step = self._saved_step = 0
        self._trace = Trace(assignment.traces, assignment.job_id, assignment.fence, assignment.slot)
        self._checkpoints = Pace.of_checkpoints()
        self._previews = Pace.of_previews()
        self._first_at: float | None = None
        self._shown_score: float | None = None
        self._wishes: list[Snapshot] = []
        self.telling = Telling(sender)

    def go(self) -> None:
        """Run to the end, or to where the supervisor wants it to stop."""
        if self._job.smaller:
            memory.give_back_at_once()
        self._engine, self._step = self._begun()
        self._saved_step = self._step
        self.telling.begin(self._engine, self._step)
        if not self._step:
            self._save_frame_if_due()
        while self._step < self._engine.total_steps:
            goes_on = self._control.may_step(self._tell_holding)
            if goes_on and self._step:  # before the first step there is nothing but noise
                self._hand_out()
            stop = self._control.stop_wanted() if goes_on else Stop.YIELD
            if stop is not None:
                return self._leave(stop)
            self._make_step()
        return self._deliver()

    def _begun(self) -> tuple[Engine, int]:
        """The engine at the newest checkpoint that can be read, else at the start."""
        from engines.state import StateError, load

        for saved in self._job.checkpoints:
            try:
                state = load(Path(saved.path))
                engine = self._engine_for(saved)
                engine.load_state(state)
            except StateError as unfit:
                log.warning("checkpoint at step %s left out: %s", saved.step, unfit)
            else:
                return engine, state.step
        return self._engine_for(None), 0

    def _engine_for(self, saved: SavedFile | None) -> Engine:
        import torch

        # Sums of floats depend on how many threads share them: a resumed run keeps its count.
        torch.set_num_threads(saved.threads if saved else self._job.threads)
        module, _, name = self._kind.engine.partition(":")
        engine_class: type[Engine] = getattr(importlib.import_module(module), name)
        params = self._kind.params.model_validate(self._job.params)
        inputs = Inputs(
            {id_: Path(path) for id_, path in self._job.inputs.items()},
            Path(self._job.weights),
            self._job.input_hashes,
            Path(self._job.cache),
            smaller=self._job.smaller,
            scratch=self._folder,
            pulse=self.telling.pulse,
        )
        return engine_class(params, inputs, _device())

    def _make_step(self) -> None:
        self._trace.begin(self._step)
        if not self._step:
            self.telling.begun(self._engine.beginning())
            if self._score() != self._shown_score:  # known only now
                self._save_frame_if_due()
        metrics = self._engine.step()
        self._step += 1
        self.telling.stepped(self._step, metrics)
        self._save_frame_if_due()
        if self._step < self._engine.total_steps:
            if self._previews.due():
                self._save_preview()
            if self._checkpoints.due():
                self._save_checkpoint()
        if self._first_at is None:
            self._first_at = time.monotonic()
            log.info("first step done")

    def _save_frame_if_due(self) -> None:
        if not self._engine.frame_due():
            return
        # It is a preview too; the next one can wait.
        with self._previews.measured():
            told = makings.frame(self._folder, self._step, self._engine.preview())
        self._shown_score = self._score()
        self._sender.send(Say.FRAME, **told, score=self._shown_score)

    def _save_preview(self) -> None:
        with self._previews.measured():
            told = makings.preview(self._folder, self._step, self._engine.preview())
            self._sender.send(Say.PREVIEW, **told)

    def _save_checkpoint(self) -> None:
        import torch

        from engines.state import save

        self.telling.points()
        with self._checkpoints.measured():
            path = self._folder / f"checkpoint-{self._step}.safetensors"
            state: State = self._engine.state()
            save(state, path)
        self._saved_step = self._step
        log.info("saved at step %s", self._step)
        self._sender.send(
            Say.CHECKPOINT,
            path=str(path),
            step=self._step,
            threads=torch.get_num_threads(),
            state_version=self._kind.state_version,
            score=self._score(),
        )

    def _hand_out(self) -> None:
        """Write the models that were asked for, as they are at this step boundary; one that is not
        there yet at a later one."""
        self._wishes += self._control.snapshots_wanted()
        asked, self._wishes = self._wishes, []
        for of in asked:
            output = self._engine.snapshot(of)
            if output is None:
                self._wishes.append(of)
                continue
            log.info("step %s: handed out %s", self._step, output.name)
            told = makings.output(self._folder, 0, output, self._recipe())
            self._sender.send(Say.SNAPSHOT, of=of, **told)

    def _score(self) -> float | None:
        score = self._engine.score
        return score if score is not None and math.isfinite(score) else None

    def _leave(self, stop: Stop) -> None:
        # A state that is on its way already must not be written over while it is read.
        if stop is not Stop.CANCEL and self._step > self._saved_step:
            self._save_checkpoint()
        self.telling.leaving()
        log.info("stopped at step %s: %s", self._step, stop)
        self._sender.send(Say.STOPPED, why=str(stop), step=self._step)

    def _deliver(self) -> None:
        if self._first_at is not None:
            log.info("the other steps took %.3f s", time.monotonic() - self._first_at)
        for position, output in enumerate(self._engine.outputs()):
            self.telling.pulse()
            told = makings.output(self._folder, position, output, self._recipe())
            self._sender.send(Say.OUTPUT, **told)
        self._sender.send(Say.DONE)

    def _recipe(self) -> dict[str, Any]:
        return makings.recipe(self._job, self._engine, _device().type)

    def _tell_holding(self) -> None:
        self._sender.send(Say.HOLDING)


def _device() -> Any:
    import torch

    # The supervisor showed this process one GPU, or none.
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
