"""Models as the pages show them: what they make, what they are, what can be made with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from engines import media
from engines.models import ModelFacts
from engines.registry import KINDS
from jobs.models import File
from jobs.states import ENDED
from jobs.stored import trained
from webui import durations, takers
from webui.curves import in_words
from webui.texts import _

STYLES_SHOWN = 12


@dataclass(frozen=True)
class ModelCard:
    """A model, ready to be shown."""

    model: trained.Trained

    @property
    def facts(self) -> ModelFacts | None:
        """What it is; None where its file could not be read."""
        return self.model.facts

    @property
    def title(self) -> str:
        """Its name."""
        return self.model.title

    @property
    def words(self) -> str:
        """It in one line, with the styles it can be asked for."""
        if self.facts is None:
            return f"{self.title}: {_('Its file cannot be read.')}"
        known = self.facts.config
        when = durations.ago(self.model.row.created_at)
        styles = f" · {', '.join(known.labels[:STYLES_SHOWN])}" if known.conditional else ""
        return f"{self.title} · {known.resolution} px · {known.architecture} · {when}{styles}"

    @property
    def origin(self) -> dict[str, Any]:
        """What its training says of it, short plain values alone."""
        return self.facts.origin if self.facts else {}

    @property
    def steps(self) -> int | None:
        """Steps of its training, where known."""
        steps = self.origin.get("steps")
        return steps if isinstance(steps, int) else None

    @property
    def kid(self) -> float | None:
        """How near its pictures are to those it learned from, where known."""
        return self._figure("kid")

    @property
    def kid_words(self) -> str:
        """The same with its interval, where its training says that too."""
        assert self.kid is not None
        bounds = KINDS["gan_training"].figures["kid"].bounds
        assert bounds is not None
        low, high = self._figure(bounds.low), self._figure(bounds.high)
        return in_words(self.kid, None if low is None or high is None else (low, high))

    def _figure(self, name: str) -> float | None:
        told = self.origin.get(name)
        return float(told) if isinstance(told, (int, float)) else None

    @property
    def offers(self) -> list[tuple[str, str]]:
        """What can be made with it: in words, and the address of the form."""
        if self.facts is None:
            return []
        found = takers.takers("model", trainable=self.facts.trainable)
        return [(taker.words, taker.address(self.model.row.id)) for taker in found]

    @property
    def in_use(self) -> bool:
        """Whether a job that has not ended needs it."""
        return any(use.job.state not in map(str, ENDED) for use in self.model.uses)


def chosen_and_newest(
    session: Session, owner_id: UUID, chosen: Sequence[UUID], most: int
) -> list[ModelCard]:
    """The chosen models of an owner, then the newest."""
    query = select(File).where(
        File.owner_id == owner_id, File.media_type == media.MODEL, File.id.in_(chosen)
    )
    picked = trained.with_lineage(session, session.scalars(query).all())
    listed = [*picked, *trained.page(session, owner_id, most).models]
    return [ModelCard(found) for found in {found.row.id: found for found in listed}.values()]
