"""Datasets as the pages show them: a contact sheet, what was found in words, what may be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import url_for
from sqlalchemy.orm import Session

from engines.kind import N_, Kind
from jobs.expectation import Expected
from jobs.models import Dataset
from jobs.states import DatasetState
from webui import forms, reports
from webui.outlook import outlook
from webui.takers import Taker
from webui.texts import _

STATUS_WORDS = {
    DatasetState.CHECKING: N_("being checked"),
    DatasetState.READY: N_("ready"),
    DatasetState.REFUSED: N_("cannot be used"),
}


@dataclass(frozen=True)
class Learning:
    """How long a kind should take that learns from a set, by the words for its presets; empty while
    that is not known."""

    kind: Kind
    presets: Mapping[str, Expected]

    @property
    def guessed(self) -> bool:
        """Whether that is only a guess."""
        return any(found.guessed for found in self.presets.values())


@dataclass(frozen=True)
class SetCard:
    """A dataset, ready to be shown."""

    row: Dataset

    @property
    def id(self) -> UUID:
        """The dataset's id."""
        return self.row.id

    @property
    def checking(self) -> bool:
        """Whether it moves by itself."""
        return self.row.state == DatasetState.CHECKING

    @property
    def ready(self) -> bool:
        """Whether it can be learned from."""
        return self.row.state == DatasetState.READY

    @property
    def status_words(self) -> str:
        """The status in words."""
        return _(STATUS_WORDS[DatasetState(self.row.state)])

    @property
    def sheet(self) -> str | None:
        """Address of its contact sheet."""
        return url_for("datasets.sheet", dataset_id=self.id) if self.ready else None

    @property
    def percent(self) -> float:
        """How much of it has been looked at."""
        told = self.row.progress
        return round(100 * told["done"] / max(1, told["total"])) if told else 0.0

    @property
    def report(self) -> dict[str, Any]:
        """What was found, as numbers; empty until it is ready."""
        return self.row.report or {}

    @property
    def labels(self) -> dict[str, int]:
        """How many pictures each label has."""
        return reports.labels(self.row)

    @property
    def warnings(self) -> list[str]:
        """What to know before training on it, in words."""
        return [each["detail"] for each in reports.warnings(self.row)]

    @property
    def unreadable(self) -> list[dict[str, str]]:
        """Files that were left out, each with the reason in words."""
        return reports.unreadable(self.row)

    @property
    def refusal(self) -> str:
        """Why it cannot be used, and what to do."""
        told = reports.refusal(self.row)
        return told["detail"] if told else ""


def learning(session: Session, row: Dataset, kinds: Sequence[Taker]) -> list[Learning]:
    """How long each of these kinds should take to learn from a set."""
    named = {each.kind: {each.field.name: str(row.id)} for each in kinds}
    found = {kind: outlook(session, row.owner_id, kind, named[kind]).presets for kind in named}
    return [
        Learning(kind, {forms.preset_words(kind, name): each for name, each in presets.items()})
        for kind, presets in found.items()
    ]
