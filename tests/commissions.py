"""What tests commission, and how they wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select

from jobs import service
from jobs.database import Database
from jobs.models import Event, File, Job
from jobs.settings import Settings
from jobs.storage import Storage
from jobs.stored import files

PATIENCE_SECONDS = 150.0


@dataclass
class Studio:
    """One person's way to ask for jobs, straight at the service."""

    settings: Settings
    database: Database
    storage: Storage
    owner: UUID
    ids: dict[Path, str] = field(default_factory=dict)

    def upload(self, path: Path) -> str:
        """The id of a picture, uploaded once."""
        if path not in self.ids:
            row = files.upload_picture(
                self.database, self.storage, self.owner, path, path.name, self.settings
            )
            self.ids[path] = str(row.id)
        return self.ids[path]

    def submit(self, params: dict[str, Any], **frame: Any) -> UUID:
        """Commission a style transfer; its id."""
        with self.database.begin() as session:
            order = service.Order("style_transfer", params, **frame)
            return service.submit(session, self.owner, order, self.settings).id

    def ask(self, act: Callable[..., Job], job_id: UUID, **how: Any) -> Job:
        """Cancel, pause, resume or retry."""
        with self.database.begin() as session:
            return act(session, self.owner, job_id, **how)

    def job(self, job_id: UUID) -> Job:
        """The row as it is now."""
        with self.database.begin() as session:
            return service.get(session, self.owner, job_id)

    def outputs(self, job_id: UUID) -> list[File]:
        """The finished works."""
        with self.database.begin() as session:
            return files.outputs_of(session, job_id)

    def moves(self, job_id: UUID) -> list[tuple[str | None, str, str | None]]:
        """Every change of state: from, to, reason."""
        with self.database.begin() as session:
            query = select(Event).where(Event.job_id == job_id, Event.type == "status")
            events = session.execute(query.order_by(Event.seq)).scalars()
            return [(e.data["from"], e.data["to"], e.data.get("reason")) for e in events]

    def wait(self, job_id: UUID, *, until: Callable[[Job], bool]) -> Job:
        """The job as soon as ``until`` holds of it; fails after a while."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            row = self.job(job_id)
            if until(row):
                return row
            time.sleep(0.05)
        raise AssertionError(f"waited in vain: {row.state}, {row.reason}, {row.progress}")

    def wait_for_end(self, job_id: UUID) -> Job:
        """The job once it has ended."""
        return self.wait(job_id, until=service.is_settled)


def tiny(content: str, style: str, steps: int) -> dict[str, Any]:
    """Parameters of a small run of about ``steps`` short steps."""
    sizes = {"size": 64, "start_size": 64, "iterations": steps}
    return {"content": content, "styles": [style], **sizes}
