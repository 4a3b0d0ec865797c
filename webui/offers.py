"""What a job's models can be used for, offered where the job is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.models import Job
from jobs.stored import trained
from webui.takers import takers
from webui.texts import _


@dataclass(frozen=True)
class Offer:
    """A form that can be opened with a model chosen in it."""

    words: str
    address: str


def offers(row: Job, models: Sequence[trained.Trained]) -> list[Offer]:
    """What can be made with the models that a job made.

    A job of its own kind that begins from one branches from it: its form has the same settings.
    """
    found = []
    for model in models:
        facts = model.facts
        if facts is None:
            continue
        for taker in takers("model", trainable=facts.trainable):
            if taker.kind.name == row.kind:
                branch = taker.address(model.row.id, job=row.id)
                found.append(Offer(_("Branch from here"), branch))
            else:
                found.append(Offer(taker.words, taker.address(model.row.id)))
    return found
