"""The child process that drives one engine through one attempt. It holds no credentials.

``python -m worker.runner`` imports torch and waits to be asked; each runner is a fork of it, made
ahead of its job. The loop is here and nowhere else: an engine only knows how to do one step.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gc
import importlib
import logging
import math
import os
import socket
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from engines.engine import Engine, Inputs, Metrics, Output, Phase
from engines.kind import Kind
from engines.registry import KINDS
from jobs import process_log
from worker import failures, forks, memory, parting
from worker.control import Control
from worker.logbook import log_to
from worker.pace import Estimate, Pace
from worker.points import Points
from worker.protocol import Assignment, SavedFile, Say, Sender, Stop
from worker.trace import Trace

if TYPE_CHECKING:
    from PIL.Image import Image

    from engines.film import Film
    from engines.state import State

PROGRESS_SECONDS = 0.25
PREVIEW_SIDE = 1024
# A phase whose figures change is logged no more often.
PHASE_SECONDS = 20.0

log = logging.getLogger("runner")


class Run:
    """One attempt: the engine, and when to show, save, hold and stop."""

    def __init__(self, assignment: Assignment, control: Control, sender: Sender) -> None:
        self._job, self._control, self._sender = assignment, control, sender
        self._folder = Path(assignment.folder)
        self._kind: Kind = KINDS[assignment.kind]
        self._step = self._saved_step = 0
        self._trace = Trace(assignment.traces, assignment.job_id, assignment.fence, assignment.slot)
        self._checkpoints = Pace.of_checkpoints()
        self._previews = Pace.of_previews()
        self._points = Points()
        self._phase: Phase | None = None
        self._told_phase: Phase | None = None
        self._phase_due = 0.0
        self._metrics: Metrics = {}
        self._notices: tuple[Phase, ...] = ()
        self._told_at = 0.0
        self._begun_engine: Engine | None = None
        self._told_fitted: tuple[str, int] | None = None
        self._first_at: float | None = None

    def go(self) -> None:
        """Run to the end, or to where the supervisor wants it to stop."""
        if self._job.smaller:
            memory.give_back_at_once()
        self._engine, self._step = self._begun()
        self._saved_step = self._step
        self._begun_engine = self._engine
        self._estimate = Estimate(self._engine.share(self._step))
        self._sender.send(Say.RESUMED, step=self._step or None)
        log.info("at step %s of %s", self._step, self._engine.total_steps)
        # The first step may take long, and somebody waits for a word.
        self._tell_progress()
        if not self._step:
            self._save_frame_if_due()
        while self._step < self._engine.total_steps:
            goes_on = self._control.may_step(self._tell_holding)
            if goes_on and self._step:  # before the first step there is nothing but noise
                self._hand_out()
            stop = self._control.stop_wanted() if goes_on else Stop.YIELD
            if stop is not None:
                return self._leave(stop)
            self._trace.begin(self._step)
            metrics = self._engine.step()
            self._step += 1
            self._show(metrics)
            if self._first_at is None:
                self._first_at = time.monotonic()
                log.info("first step done")
        return self._deliver()

    @property
    def fitted(self) -> tuple[str, int] | None:
        """See :attr:`engines.engine.Engine.fitted`; None before the engine is there."""
        return self._begun_engine.fitted if self._begun_engine else None

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
            pulse=self._pulse,
        )
        return engine_class(params, inputs, _device())

    def tell_points(self) -> None:
        """Send the figures that wait."""
        if columns := self._points.take():
            self._sender.send(Say.METRICS, columns=columns)

    def _show(self, metrics: Metrics) -> None:
        now = time.monotonic()
        last = self._step == self._engine.total_steps
        self._metrics = metrics
        self._points.add(self._step, metrics)
        if last or self._points.due(now):
            self.tell_points()
        if now - self._told_at >= PROGRESS_SECONDS or self._step == 1 or last:
            self._told_at = now
            self._tell_progress()
            self._tell_fitted()
        self._save_frame_if_due()
        if last:
            return
        if self._previews.due():
            with self._previews.measured():
                self._save_preview()
        if self._checkpoints.due():
            self._save_checkpoint()

    def _tell_progress(self) -> None:
        phase, notices = self._engine.phase, tuple(self._engine.notices())
        self._log_words(phase, notices)
        share = self._engine.share(self._step)
        self._told_phase = phase
        self._sender.send(
            Say.PROGRESS,
            step=self._step,
            total=self._engine.total_steps,
            share=share,
            phase=asdict(phase),
            notices=list(map(asdict, notices)),
            metrics={name: value for name, value in self._metrics.items() if math.isfinite(value)},
            seconds_left=self._estimate.seconds_left(share),
        )

    def _log_words(self, phase: Phase, notices: tuple[Phase, ...]) -> None:
        """Say in the log what changed: the phase, a warning, the end of a warning."""
        # Some phases count steps in their words: their text says whether it is another.
        another = self._phase is None or phase.text != self._phase.text
        if another or (phase != self._phase and self._told_at >= self._phase_due):
            self._phase, self._phase_due = phase, self._told_at + PHASE_SECONDS
            log.info("step %s: %s", self._step, said(phase))
        if notices != self._notices:
            before, self._notices = self._notices, notices
            for notice in notices:
                if notice not in before:
                    log.warning("step %s: %s", self._step, said(notice))
            for notice in before:
                if notice.text not in {now.text for now in notices}:
                    log.info("step %s: no longer so: %s", self._step, said(notice))

    def _save_frame_if_due(self) -> None:
        if not self._engine.frame_due():
            return
        from engines.pictures import encode_frame

        # It is a preview too; the next one can wait.
        with self._previews.measured():
            picture = self._engine.preview()
            path = self._folder / f"frame-{self._step}.jpg"
            path.write_bytes(encode_frame(picture))
        width, height = picture.size
        self._sender.send(
            Say.FRAME,
            path=str(path),
            step=self._step,
            width=width,
            height=height,
            score=self._score(),
        )

    def _tell_fitted(self) -> None:
        """Ahead of need: a runner that the kernel kills for want of memory tells nothing."""
        if self.fitted is not None and self.fitted != self._told_fitted:
            self._told_fitted = self.fitted
            self._sender.send(Say.FITTED, name=self.fitted[0], value=self.fitted[1])

    def _save_preview(self) -> None:
        from engines.pictures import encode_jpeg, fit_long_side

        picture = self._engine.preview()
        if max(picture.size) > PREVIEW_SIDE:
            picture = fit_long_side(picture, PREVIEW_SIDE)
        path = self._folder / f"preview-{self._step}.jpg"
        path.write_bytes(encode_jpeg(picture))
        self._sender.send(Say.PREVIEW, path=str(path))

    def _save_checkpoint(self) -> None:
        import torch

        from engines.state import save

        self.tell_points()
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
        """Write the models that were asked for, as they are at this step boundary."""
        for of in self._control.snapshots_wanted():
            output = self._engine.snapshot(of)
            log.info("step %s: handed out %s", self._step, output.name)
            self._sender.send(Say.SNAPSHOT, of=of, **self._stored(0, output))

    def _score(self) -> float | None:
        score = self._engine.score
        return score if score is not None and math.isfinite(score) else None

    def _leave(self, stop: Stop) -> None:
        # A state that is on its way already must not be written over while it is read.
        if stop is not Stop.CANCEL and self._step > self._saved_step:
            self._save_checkpoint()
        self.tell_points()
        if self._metrics:
            self._tell_progress()
        log.info("stopped at step %s: %s", self._step, stop)
        self._sender.send(Say.STOPPED, why=str(stop), step=self._step)

    def _deliver(self) -> None:
        if self._first_at is not None:
            log.info("the other steps took %.3f s", time.monotonic() - self._first_at)
        for position, output in enumerate(self._engine.outputs()):
            self._pulse()
            self._sender.send(Say.OUTPUT, **self._stored(position, output))
        self._sender.send(Say.DONE)

    def _stored(self, position: int, output: Output) -> dict[str, Any]:
        told = {"role": output.role, "name": output.name, "media_type": output.media_type}
        if isinstance(output.content, Path):
            return {**told, "path": str(output.content), "width": None, "height": None}
        path = self._folder / f"output-{position}"
        path.write_bytes(self._encoded(output.content, {**self.recipe(), **output.facts}))
        width, height = output.content.size
        return {**told, "path": str(path), "width": width, "height": height}

    @staticmethod
    def _encoded(work: Image | Film, recipe: dict[str, Any]) -> bytes:
        from engines.film import Film
        from engines.pictures import encode_png

        return work.encoded(recipe) if isinstance(work, Film) else encode_png(work, recipe)

    def recipe(self) -> dict[str, Any]:
        """All that makes this result again: same torch, same thread count, same pixels on CPU."""
        import torch

        return {
            "kind": self._kind.name,
            "params": self._job.params,
            "inputs": self._job.input_hashes,
            **self._engine.facts,
            # Sums over smaller pieces may differ in their last bits.
            **({"smaller": self._job.smaller} if self._job.smaller else {}),
            "atelier": version("atelier"),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "device": _device().type,
        }

    def _pulse(self) -> None:
        """Show life inside a step; where the engine has come to another phase, that."""
        self._tell_fitted()
        now = time.monotonic()
        if now - self._told_at < PROGRESS_SECONDS:
            return
        self._told_at = now
        if self._begun_engine is not None and self._begun_engine.phase != self._told_phase:
            self._tell_progress()
        else:
            self._sender.send(Say.ALIVE)

    def _tell_holding(self) -> None:
        self._sender.send(Say.HOLDING)


def said(phase: Phase) -> str:
    """A phase or notice in English, for the log."""
    return phase.text.format(**phase.values)


def main() -> None:
    """Import what every run needs, then fork a runner whenever the worker asks for one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    arguments = parser.parse_args()
    parting.die_with(arguments.parent)
    channel = socket.socket(fileno=os.dup(0))
    _silence(0)
    # From here on nothing that a library prints can end up among the messages.
    os.dup2(2, 1)
    _import_ahead()
    # What is here now stays: no collection in a runner copies these pages.
    gc.freeze()
    forks.serve(channel, run_one)


def run_one(stdin: int, stdout: int) -> None:
    """Wait for a job, run it, say how it ended."""
    control = Control(os.fdopen(stdin, "rb"))
    sender = Sender(os.fdopen(stdout, "wb"))
    sender.send(Say.READY)
    assignment = control.await_start()
    lock = _locked(Path(assignment.lock))
    log_to(Path(assignment.log), _lines(assignment))
    run = Run(assignment, control, sender)
    try:
        run.go()
    except BaseException as failure:
        with contextlib.suppress(Exception):
            run.tell_points()
        told = failures.told(failure, run.fitted)
        log.error("failed: %s", told["reason"], exc_info=failure)
        sender.send(Say.FAILED, **told)
    lock.close()


def _lines(assignment: Assignment) -> logging.Formatter | None:
    """How this run's log is written; for people where None."""
    process_log.bind(job=assignment.job_id, fence=assignment.fence, slot=assignment.slot)
    if assignment.log_format != "json":
        return None
    return process_log.JsonLines("runner", assignment.slot.rpartition("@")[2])


def _silence(file: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, file)
    os.close(nothing)


def _import_ahead() -> None:
    """Import what every run needs, so that a job starts at once."""
    for kind in KINDS.values():
        importlib.import_module(kind.engine.partition(":")[0])


def _device() -> Any:
    import torch

    # The supervisor showed this process one GPU, or none.
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _locked(path: Path) -> IO[bytes]:
    """Hold the job's lock as long as this process lives, and say who holds it."""
    lock = path.open("r+b")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock.truncate()
    lock.write(str(os.getpid()).encode())
    lock.flush()
    return lock


if __name__ == "__main__":
    main()
