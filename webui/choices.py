"""What may be chosen for a field that names stored work: kept picks, samples, own works."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flask import url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.inputs import REFERENCE_MEDIA
from jobs.models import Dataset, File
from jobs.stored import datasets
from webui import samples
from webui.forms import Field, Filled
from webui.sets import SetCard
from webui.shelf import ModelCard, chosen_and_newest
from webui.texts import _, ngettext

OWN_SHOWN = 3
DATASETS_SHOWN = 24
MODELS_SHOWN = 12
OWN_LOOKED_AT = 60


@dataclass(frozen=True)
class Choice:
    """One tile of a picture field, or one line of another reference."""

    value: str
    title: str
    small: str = ""
    large: str = ""
    settles: Mapping[str, Any] = field(default_factory=dict)
    """What it settles of the form's other fields where they are left open, by their names."""


def offered(session: Session, owner_id: UUID, form: Filled) -> dict[str, list[Choice]]:
    """The choices of every reference field, those already chosen included."""
    found: dict[str, list[Choice]] = {}
    for position, known in enumerate(f for f in form.fields if f.shape == "reference"):
        if known.reference == "dataset":
            found[known.name] = _datasets(session, owner_id, form.values(known.name))
            continue
        if known.reference == "model":
            found[known.name] = _models(session, owner_id, form, known)
            continue
        picked = _files(session, owner_id, form.values(known.name))
        own = _own(session, owner_id, known.reference)
        listed = list(map(of_file, picked))
        if known.reference == "picture":
            listed += map(of_sample, _samples(known, position, picked))
        listed += map(of_file, own[:OWN_SHOWN])
        found[known.name] = list({choice.value: choice for choice in listed}.values())
    return found


def settled(form: Filled, offered: Mapping[str, Sequence[Choice]]) -> Mapping[str, Any]:
    """What the model that is chosen in ``form`` settles of it."""
    for name, listed in offered.items():
        for choice in listed:
            if choice.settles and choice.value in form.values(name):
                return choice.settles
    return {}


def of_dataset(row: Dataset) -> Choice:
    """A dataset as a line with its contact sheet; one that is checked still may be chosen."""
    card = SetCard(row)
    if not card.ready:
        return Choice(str(row.id), f"{row.name} ({card.status_words})")
    count = ngettext("%(num)s picture", "%(num)s pictures", card.report["pictures"])
    return Choice(str(row.id), f"{row.name}, {count}", card.sheet or "")


def of_model(found: ModelCard, settles: Mapping[str, Any]) -> Choice:
    """A model as a line with a picture that it made."""
    picture = found.model.picture
    small = url_for("pages.thumbnail", file_id=picture.id, size=160) if picture else ""
    return Choice(str(found.model.row.id), found.words, small, settles=settles)


def of_sample(sample: samples.Sample) -> Choice:
    """A sample as a tile."""
    return Choice(
        samples.PREFIX + sample.name,
        _(sample.title),
        url_for("pages.sample", name=sample.name, size=160),
        url_for("pages.sample", name=sample.name, size=960),
    )


def of_file(row: File) -> Choice:
    """A stored file as a tile."""
    if not row.media_type.startswith("image/"):
        return Choice(str(row.id), row.name)
    return Choice(
        str(row.id),
        row.name,
        url_for("pages.thumbnail", file_id=row.id, size=160),
        url_for("pages.thumbnail", file_id=row.id, size=960),
    )


def _samples(known: Field, position: int, picked: Sequence[File]) -> list[samples.Sample]:
    """Those the field asks for; a field that says nothing gets other ones than its neighbour."""
    group = known.samples or samples.GROUPS[position % len(samples.GROUPS)]
    shown_already = {row.sha256 for row in picked}
    return [each for each in samples.of_group(group) if each.sha256 not in shown_already]


def _own(session: Session, owner_id: UUID, reference: str) -> list[File]:
    """The asker's newest works and uploads, each content once; samples and reports left out."""
    query = (
        select(File)
        .where(File.owner_id == owner_id, File.media_type.startswith(REFERENCE_MEDIA[reference]))
        .where(File.role != "report")
        .order_by(File.id.desc())
        .limit(OWN_LOOKED_AT)
    )
    known = {sample.sha256 for sample in samples.all_samples().values()}
    newest: dict[str, File] = {}
    for row in session.scalars(query):
        if row.sha256 not in known:
            newest.setdefault(row.sha256, row)
    return list(newest.values())


def _models(session: Session, owner_id: UUID, form: Filled, known: Field) -> list[Choice]:
    """The chosen ones first, then the newest."""
    ids = [found for found in map(_id_or_none, form.values(known.name)) if found is not None]
    settled_by = form.kind.params.settled_by
    return [
        of_model(card, settled_by(card.facts) if known.trains and card.facts else {})
        for card in chosen_and_newest(session, owner_id, ids, MODELS_SHOWN)
    ]


def _datasets(session: Session, owner_id: UUID, values: Iterable[str]) -> list[Choice]:
    """The chosen ones first, then the newest that can be used."""
    ids = [found for found in map(_id_or_none, values) if found is not None]
    query = select(Dataset).where(Dataset.owner_id == owner_id, Dataset.id.in_(ids))
    rows = [*session.scalars(query), *datasets.usable(session, owner_id, DATASETS_SHOWN)]
    return list({str(row.id): of_dataset(row) for row in rows}.values())


def _files(session: Session, owner_id: UUID, values: Iterable[str]) -> list[File]:
    ids = [found for found in map(_id_or_none, values) if found is not None]
    query = select(File).where(File.owner_id == owner_id, File.id.in_(ids))
    rows = {row.id: row for row in session.scalars(query)}
    return [rows[id_] for id_ in ids if id_ in rows]


def _id_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
