"""Jobs as the pages show them: a picture, where it stands in words, and what may be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from engines import film
from engines.kind import N_, Kind
from engines.registry import KINDS
from jobs import expectation, listing
from jobs.awaiting import awaits
from jobs.expectation import Expected
from jobs.models import Dataset, File, Job
from jobs.service import is_settled, shown_status
from jobs.states import Reason
from webui import forms
from webui.texts import _, phase_text

STATUS_WORDS = {
    "queued": N_("waiting"),
    "running": N_("being made"),
    "pausing": N_("pausing"),
    "canceling": N_("canceling"),
    "paused": N_("paused"),
    "succeeded": N_("done"),
    "failed": N_("failed"),
    "canceled": N_("canceled"),
}
ACTIONS = {
    "queued": ("pause", "cancel"),
    "running": ("pause", "cancel"),
    "pausing": ("resume", "cancel"),
    "canceling": (),
    "paused": ("resume", "cancel"),
    "succeeded": (),
    "failed": ("retry",),
    "canceled": ("retry",),
}
LIVE = ("queued", "running", "pausing", "canceling")
# The frame of a job that has no picture yet and never had one.
SQUARE = (1024, 1024)


@dataclass(frozen=True)
class Hung:
    """One picture of several; ``wanted`` are the parameters that make more like it."""

    file: File
    kind: Kind
    wanted: Mapping[str, Any] | None

    @property
    def more(self) -> str | None:
        """Address of the form that makes more like it."""
        if self.wanted is None:
            return None
        given = {name: value for name, value in self.wanted.items() if value not in ("", None)}
        return url_for("pages.new_page", kind_name=self.kind.name, **given)


@dataclass(frozen=True)
class Card:
    """A job, ready to be shown; ``run`` is how long it should take from beginning to end."""

    row: Job
    place: listing.Place | None
    outputs: Sequence[File]
    inputs: Sequence[File]
    sets: Sequence[Dataset] = ()
    run: Expected | None = None

    @property
    def id(self) -> UUID:
        """The job's id."""
        return self.row.id

    @property
    def title(self) -> str:
        """Its kind in words."""
        kind = KINDS.get(self.row.kind)
        return _(kind.title) if kind else self.row.kind

    @property
    def status(self) -> str:
        """The status as programs know it."""
        return shown_status(self.row)

    @property
    def status_words(self) -> str:
        """The status in words."""
        return _(STATUS_WORDS[self.status])

    @property
    def live(self) -> bool:
        """Whether it moves by itself."""
        return self.status in LIVE

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen by itself."""
        return is_settled(self.row)

    @property
    def actions(self) -> tuple[str, ...]:
        """What may be asked of it now; one that waits for its dataset goes on by itself, unless it
        is paused, and one that would end so again is not tried again."""
        if self.needs_change:
            return ()
        return ACTIONS["queued"] if awaits(self.row) else ACTIONS[self.status]

    @property
    def needs_change(self) -> bool:
        """Whether it failed in a way that another try of the same would end in, too."""
        reason = self.row.reason if self.status == "failed" else None
        return reason is not None and Reason(reason).lasting

    @property
    def phase(self) -> str:
        """What is being done, in words."""
        return phase_text(self.row.progress.get("phase"))

    @property
    def percent(self) -> float:
        """How far it is."""
        if self.status == "succeeded":
            return 100.0
        return round(100 * float(self.row.progress.get("share", 0.0)), 1)

    @property
    def seconds_left(self) -> float | None:
        """How long it still takes, if that is known: of the run, or of the wait."""
        if self.place is not None:
            return self.place.eta_seconds
        seconds = self.row.progress.get("seconds_left") if self.status == "running" else None
        return None if seconds is None else float(seconds)

    @property
    def outlook(self) -> Expected | None:
        """How long its run should take, until the run itself says how long it still does."""
        told = self.status == "running" and self.seconds_left is not None
        return None if told else self.run

    @property
    def result(self) -> File | None:
        """The finished picture."""
        return next((file for file in self.outputs if _is_picture(file)), None)

    @property
    def wall(self) -> list[Hung]:
        """Its works where it made several pictures; one alone has the stage to itself."""
        shown = [file for file in self.outputs if file.role == "result" and _is_picture(file)]
        kind = KINDS.get(self.row.kind)
        if len(shown) < 2 or kind is None:
            return []
        return [Hung(file, kind, kind.more(self.row.params, file.position)) for file in shown]

    @property
    def film(self) -> bool:
        """Whether its result moves."""
        return self.result is not None and self.result.media_type == film.MEDIA_TYPE

    @property
    def source(self) -> File | None:
        """The first picture it was made from: its shape is the shape of the result."""
        return next((file for file in self.inputs if _is_picture(file)), None)

    @property
    def picture(self) -> str | None:
        """Address of its newest picture in full; None while there is none."""
        if self.result is not None:
            return url_for("files.content", file_id=self.result.id)
        if self.row.preview_sha256:
            return url_for("jobs.preview", job_id=self.id, v=self.row.preview_sha256[:12])
        return None

    @property
    def tile(self) -> str | None:
        """Address of a small picture of it; of its source while there is nothing else."""
        shown = self.result or (None if self.row.preview_sha256 else self.source)
        if shown is not None:
            return url_for("pages.thumbnail", file_id=shown.id, size=480)
        return self.picture

    @property
    def frame(self) -> tuple[int, int]:
        """Width and height of its picture's frame, known before there is a picture."""
        shown = self.result or self.source
        if shown is None or not shown.width or not shown.height:
            return SQUARE
        return shown.width, shown.height

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """Its parameters in words, stored works left out: those are shown as pictures."""
        kind = KINDS.get(self.row.kind)
        known = forms.fields(kind) if kind else ()
        return [
            (_(field.title), field.label(self.row.params[field.name]))
            for field in known
            if field.shape != "reference" and self.row.params.get(field.name) not in (None, [])
        ]

    @property
    def recipe(self) -> dict[str, Any]:
        """What makes it again."""
        return {"kind": self.row.kind, "params": self.row.params, "inputs": self.row.inputs}


def cards(session: Session, rows: Sequence[Job]) -> list[Card]:
    """Jobs as cards, with three queries for all that they name and made."""
    ids = [row.id for row in rows]
    outputs = session.scalars(
        select(File).where(File.job_id.in_(ids)).order_by(File.job_id, File.position)
    ).all()
    named = {id_ for row in rows for id_ in row.inputs}
    inputs = {
        str(file.id): file
        for file in session.scalars(select(File).where(File.id.in_(map(UUID, named))))
    }
    sets = session.scalars(select(Dataset).where(Dataset.id.in_(map(UUID, named)))).all()
    return [
        Card(
            row,
            listing.place(session, row),
            [file for file in outputs if file.job_id == row.id],
            [inputs[id_] for id_ in _named_in_order(row) if id_ in inputs],
            [found for found in sets if str(found.id) in row.inputs],
            expectation.of(session, row),
        )
        for row in rows
    ]


def _named_in_order(row: Job) -> list[str]:
    """The ids of a job's inputs in the order its kind declares them, each once.

    The stored parameters cannot tell: JSONB forgets the order of its keys.
    """
    kind = KINDS.get(row.kind)
    names = list(kind.params.model_fields) if kind else sorted(row.params)
    found: dict[str, None] = {}
    for value in (row.params.get(name) for name in names):
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str) and each in row.inputs:
                found[each] = None
    return list(found)


def _is_picture(file: File) -> bool:
    return file.media_type.startswith("image/")
