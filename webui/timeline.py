"""The timeline of a job as its page shows it: the pictures it kept and the curves it drew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from flask import url_for
from sqlalchemy.orm import Session

from engines.registry import KINDS
from jobs.models import Frame, Job
from jobs.records import frames, metrics
from webui.curves import Curve, curves

# The track of notches, in units of its box: one for each picture; at its end is now.
TRACK = 1000


@dataclass(frozen=True)
class Timeline:
    """What there is of it; ``asked`` is the picture that the reader has gone back to."""

    row: Job
    frames: Sequence[Frame]
    curves: Sequence[Curve]
    asked: Frame | None
    version: str

    @property
    def there(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.frames or self.curves)

    @property
    def drawn(self) -> list[Curve]:
        """The curves that are worth a look."""
        return [curve for curve in self.curves if not curve.flat and not curve.single]

    @property
    def single(self) -> list[Curve]:
        """Those of one value, which is told as a figure."""
        return [curve for curve in self.curves if curve.single]

    @property
    def flat(self) -> list[Curve]:
        """Those that a few words tell as well."""
        return [curve for curve in self.curves if curve.flat]

    @property
    def position(self) -> int:
        """Where the scrubber stands: at a picture, counted from 0, or after them all at now."""
        return self.frames.index(self.asked) if self.asked is not None else len(self.frames)

    @property
    def previous(self) -> Frame | None:
        """The picture before that."""
        return self.frames[self.position - 1] if self.position > 0 else None

    @property
    def next(self) -> Frame | None:
        """The picture after it."""
        later = self.position + 1
        return self.frames[later] if later < len(self.frames) else None

    @cached_property
    def best_step(self) -> int | None:
        """Of which step the best is, so far or of an ended run."""
        return frames.best_step(self.row.progress, self.frames)

    @property
    def delivered(self) -> int | None:
        """Of which step the result of an ended run is, where that is not the last."""
        said: int | None = self.row.progress.get("best_step")
        return None if said == self.row.progress.get("step") else said

    @property
    def full(self) -> bool:
        """Whether no further picture is kept."""
        return len(self.frames) >= frames.MOST_FRAMES

    @property
    def listed(self) -> list[list[object]]:
        """Step and version of every picture, for the script."""
        return [[frame.step, frame.sha256[:12]] for frame in self.frames]

    @property
    def notches(self) -> str:
        """A notch for each picture, as the ``d`` of an SVG path."""
        return "".join(f"M{self._notch(i):.1f} 4v8" for i in range(len(self.frames)))

    @property
    def best_notch(self) -> str:
        """The longer notch of the best: of its picture, or of the last before it."""
        if self.best_step is None:
            return ""
        until = sum(frame.step <= self.best_step for frame in self.frames)
        return f"M{self._notch(max(0, until - 1)):.1f} 0v12"

    def address(self, frame: Frame) -> str:
        """Address of a picture in full."""
        version = frame.sha256[:12]
        return url_for("timeline.frame", job_id=self.row.id, step=frame.step, v=version)

    def _notch(self, position: int) -> float:
        return TRACK * position / max(1, len(self.frames))


def of(session: Session, row: Job, asked: int | None = None) -> Timeline:
    """A job's timeline; ``asked`` is the step to go back to, of the picture at it or before."""
    shown = frames.listing(session, row.id)
    columns = metrics.read(session, row.id)
    ends = [column.steps[-1] for column in columns.values()]
    last = max([*ends, *(frame.step for frame in shown[-1:])], default=0)
    first = min([*(c.steps[0] for c in columns.values()), *(f.step for f in shown[:1])], default=0)
    back = None
    if asked is not None:
        back = next((frame for frame in reversed(shown) if frame.step <= asked), None)
    versions = frames.version(session, row.id), metrics.version(session, row.id)
    version = "/".join([*versions, str(row.progress.get("best_step", ""))])
    told = [frame.step for frame in shown]
    drawn = curves(KINDS.get(row.kind), columns, first, last, told)
    return Timeline(row, shown, drawn, back, version)
