"""What a run says while it goes on: to its supervisor in messages, in its log in words."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import asdict

from engines.engine import Engine, Metrics, Phase
from worker.pace import Estimate
from worker.points import Points
from worker.protocol import Say, Sender

PROGRESS_SECONDS = 0.25
# A phase whose figures change is logged no more often.
PHASE_SECONDS = 20.0

log = logging.getLogger("runner")


class Telling:
    """One attempt's words; before :meth:`begin` only that it lives."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._engine: Engine | None = None
        self._estimate = Estimate(0.0)
        self._step = 0
        self._points = Points()
        self._metrics: Metrics = {}
        self._told_at = self._phase_due = 0.0
        self._logged_phase: Phase | None = None
        self._told_phase: Phase | None = None
        self._notices: tuple[Phase, ...] = ()
        self._told_fitted: tuple[str, int] | None = None

    @property
    def fitted(self) -> tuple[str, int] | None:
        """See :attr:`engines.engine.Engine.fitted`; None before the engine is there."""
        return self._engine.fitted if self._engine else None

    def begin(self, engine: Engine, step: int) -> None:
        """The engine is there and goes on at ``step``. The first step may take long, and somebody
        waits for a word."""
        self._engine, self._step = engine, step
        self._estimate = Estimate(engine.share(step))
        self._sender.send(Say.RESUMED, step=step or None)
        log.info("at step %s of %s", step, engine.total_steps)
        self.progress()

    def begun(self, metrics: Metrics) -> None:
        """What the first step begins from is measured; steps take their time from here on."""
        assert self._engine is not None
        self._estimate = Estimate(self._engine.share(0))
        if metrics:
            self._metrics = metrics
            self._points.add(0, metrics)

    def stepped(self, step: int, metrics: Metrics) -> None:
        """``step`` steps are done, the last of which measured ``metrics``."""
        assert self._engine is not None
        now = time.monotonic()
        last = step == self._engine.total_steps
        self._step, self._metrics = step, metrics
        self._points.add(step, metrics)
        if last or self._points.due(now):
            self.points()
        if now - self._told_at >= PROGRESS_SECONDS or step == 1 or last:
            self._told_at = now
            self.progress()
            self._tell_fitted()

    def points(self) -> None:
        """Send the figures that wait."""
        if columns := self._points.take():
            self._sender.send(Say.METRICS, columns=columns)

    def leaving(self) -> None:
        """Send what waits, and how far it came."""
        self.points()
        if self._metrics:
            self.progress()

    def pulse(self) -> None:
        """Show life inside a step; where the engine has come to another phase, that."""
        self._tell_fitted()
        now = time.monotonic()
        if now - self._told_at < PROGRESS_SECONDS:
            return
        self._told_at = now
        if self._engine is not None and self._engine.phase != self._told_phase:
            self.progress()
        else:
            self._sender.send(Say.ALIVE)

    def progress(self) -> None:
        """Send how far it is, and what changed in words."""
        assert self._engine is not None
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
            best_step=self._engine.best_step,
            metrics={name: value for name, value in self._metrics.items() if math.isfinite(value)},
            seconds_left=self._estimate.seconds_left(share),
        )

    def _log_words(self, phase: Phase, notices: tuple[Phase, ...]) -> None:
        """Say in the log what changed: the phase, a warning, the end of a warning."""
        # Some phases count steps in their words: their text says whether it is another.
        another = self._logged_phase is None or phase.text != self._logged_phase.text
        if another or (phase != self._logged_phase and self._told_at >= self._phase_due):
            self._logged_phase, self._phase_due = phase, self._told_at + PHASE_SECONDS
            log.info("step %s: %s", self._step, said(phase))
        if notices != self._notices:
            before, self._notices = self._notices, notices
            for notice in notices:
                if notice not in before:
                    level = logging.INFO if notice.calm else logging.WARNING
                    log.log(level, "step %s: %s", self._step, said(notice))
            for notice in before:
                if notice.text not in {now.text for now in notices}:
                    log.info("step %s: no longer so: %s", self._step, said(notice))

    def _tell_fitted(self) -> None:
        """Ahead of need: a runner that the kernel kills for want of memory tells nothing."""
        if self.fitted is not None and self.fitted != self._told_fitted:
            self._told_fitted = self.fitted
            self._sender.send(Say.FITTED, name=self.fitted[0], value=self.fitted[1])


def said(phase: Phase) -> str:
    """A phase or notice in English, for the log."""
    return phase.text.format(**phase.values)
