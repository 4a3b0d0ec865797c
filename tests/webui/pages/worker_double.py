"""A small true double of the worker: it moves jobs along by the same calls, in no time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from jobs import lease
from jobs.database import Database
from jobs.records import logs
from jobs.records.frames import Shown
from jobs.records.series import Column
from jobs.states import Reason, State
from jobs.storage import Storage, Stored
from jobs.stored import facts

FOREVER = 9_999.0
Made = tuple[str, str, str, bytes, tuple[int, int] | None]
"""Role, name, media type, bytes, size in pixels."""


@dataclass
class WorkerDouble:
    """Holds one job at a time, as a slot does."""

    database: Database
    storage: Storage
    holds: list[lease.Hold] = field(default_factory=list)

    def claim(self) -> lease.Hold:
        """Take the next waiting job."""
        with self.database.begin() as session:
            claimed = lease.claim(session, "double/cpu:0", "cpu", FOREVER, running_limit=1000)
        assert claimed is not None, "no job waits"
        self.holds.append(claimed.hold)
        return claimed.hold

    def progress(
        self, hold: lease.Hold, share: float, seconds_left: float, notices: tuple[str, ...] = ()
    ) -> None:
        """Say how far the run is, and what is to be minded."""
        told = {
            "phase": {
                "text": "painting smaller strokes, {size} px, {scale} of {scales}",
                "values": {"size": 181, "scale": 2, "scales": 4},
            },
            "step": round(share * 500),
            "total": 500,
            "share": share,
            "seconds_left": seconds_left,
            "metrics": {},
            "notices": [{"text": notice, "values": {}} for notice in notices],
        }
        with self.database.begin() as session:
            lease.report_progress(session, hold, told)

    def preview(self, hold: lease.Hold, colour: str) -> None:
        """Show a picture of one colour."""
        stored = self.stored(colour, "JPEG", (300, 200))
        with self.database.begin() as session:
            lease.report_preview(session, hold, stored)

    def frame(
        self,
        hold: lease.Hold,
        step: int,
        colour: str,
        score: float | None = None,
        size: tuple[int, int] = (300, 200),
    ) -> None:
        """Keep a picture of one colour in the timeline."""
        shown = Shown(self.stored(colour, "JPEG", size), step, *size, score)
        with self.database.begin() as session:
            lease.report_frame(session, hold, shown)

    def measure(self, hold: lease.Hold, first: int, last: int) -> None:
        """Measure a falling loss and what never changes at every step, more at every hundredth."""
        columns = {"loss": Column(), "kid": Column(), "rate": Column()}
        for step in range(first, last + 1):
            columns["loss"].append(step, 100.0 / step)
            columns["rate"].append(step, 0.5)
            if step % 100 == 0:
                columns["kid"].append(step, step / 1000)
        with self.database.begin() as session:
            lease.report_metrics(session, hold, {n: c for n, c in columns.items() if len(c)})

    def say(self, hold: lease.Hold, line: str) -> None:
        """Log a line."""
        with self.database.begin() as session:
            logs.append(session, hold, f"{line}\n".encode())

    def finish(
        self, hold: lease.Hold, colour: str = "teal", size: tuple[int, int] = (451, 300)
    ) -> None:
        """Store the result; the job succeeded."""
        work = lease.Work(
            "result", "work.png", "image/png", self.stored(colour, "PNG", size), *size
        )
        with self.database.begin() as session:
            lease.finish(session, hold, [work], 240.0)

    def deliver(self, hold: lease.Hold, works: Sequence[Made]) -> None:
        """Store several works, the result first; the job succeeded."""
        stored = []
        for role, name, media_type, content, size in works:
            with TemporaryDirectory() as folder:
                path = Path(folder, "work")
                path.write_bytes(content)
                kept, known = self.storage.put(self.database, path), facts.kept(path, media_type)
            width, height = size or (None, None)
            stored.append(lease.Work(role, name, media_type, kept, width, height, known))
        with self.database.begin() as session:
            lease.finish(session, hold, stored, 240.0)

    def fail(self, hold: lease.Hold, reason: Reason) -> None:
        """The run ended without a result."""
        with self.database.begin() as session:
            lease.stop(session, hold, State.FAILED, reason, 12.0)

    def stop(self, hold: lease.Hold, target: State, reason: Reason) -> None:
        """The process is gone as its owner wanted."""
        with self.database.begin() as session:
            lease.stop(session, hold, target, reason, 12.0)

    def stored(self, colour: str, form: str, size: tuple[int, int]) -> Stored:
        """A picture of one colour, in storage."""
        with TemporaryDirectory() as folder:
            path = Path(folder, "picture")
            path.write_bytes(picture(colour, form, size))
            return self.storage.put(self.database, path)


def picture(colour: str = "teal", form: str = "PNG", size: tuple[int, int] = (90, 60)) -> bytes:
    """An encoded picture of one colour."""
    buffer = BytesIO()
    Image.new("RGB", size, colour).save(buffer, form)
    return buffer.getvalue()
