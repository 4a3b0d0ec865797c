"""What a new job may expect: how many are ahead, until when, and how long it should take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engines.kind import Kind
from jobs import expectation, inputs, listing
from jobs.expectation import Expected
from jobs.ids import new_id
from jobs.models import Job, Slot
from jobs.slots import SERVING
from jobs.states import State
from webui import forms, samples
from webui.durations import about
from webui.texts import _

Sides = tuple[int, int]
NONE: Mapping[str, Sides] = {}


@dataclass(frozen=True)
class Outlook:
    """``run`` is how long it should take, ``presets`` the same for each preset by its name; what is
    not known is None, or left out."""

    ahead: int
    wait_seconds: float | None
    machines: int
    run: Expected | None
    presets: Mapping[str, Expected]


def of_form(session: Session, owner_id: UUID, form: forms.Filled) -> Outlook:
    """What a job would meet that were commissioned now as a form is filled in."""
    given, brought = _chosen(form)
    return outlook(session, owner_id, form.kind, given, brought)


def outlook(
    session: Session,
    owner_id: UUID,
    kind: Kind,
    given: Mapping[str, Any],
    brought: Mapping[str, Sides] = NONE,
) -> Outlook:
    """What a job of ``kind`` with the parameters ``given`` would meet if it were submitted now;
    ``brought`` are pictures among them that are not stored yet, by what stands for their ids."""
    counted = select(Slot.resource, func.count().label("slots")).where(SERVING)
    rows = session.execute(counted.group_by(Slot.resource)).all()
    machines: dict[str, int] = {row.resource: row.slots for row in rows}
    resource = kind.resource
    if resource == "auto":
        resource = "gpu" if "gpu" in machines else "cpu"
    imagined = Job(
        id=new_id(), kind=kind.name, resource=resource, state=str(State.QUEUED), priority=0
    )
    place = listing.place(session, imagined)
    speed = expectation.speed(session, kind.name, resource)
    works = {name: value for name, value in given.items() if name in _references(kind)}

    def run(wanted: Mapping[str, Any]) -> Expected | None:
        work = _work(session, owner_id, kind, wanted, brought)
        return speed.expected(work) if speed else None

    presets = {name: run({**works, "preset": name}) for name in kind.params.PRESETS}
    return Outlook(
        ahead=place.position - 1 if place else 0,
        wait_seconds=place.eta_seconds if place else None,
        machines=machines.get(resource, 0),
        run=run(given),
        presets={name: found for name, found in presets.items() if found},
    )


def run_words(expected: Expected | None) -> str:
    """How long a job should take, as a sentence; empty where that is not known."""
    if expected is None:
        return ""
    said = (
        _("It should take %(time)s, guessed from this machine's speed.")
        if expected.guessed
        else _("It should take %(time)s, as recent jobs took.")
    )
    return said % {"time": about(expected.seconds)}


def _work(
    session: Session,
    owner_id: UUID,
    kind: Kind,
    given: Mapping[str, Any],
    brought: Mapping[str, Sides],
) -> float | None:
    """What it would compute; None for parameters that would be refused."""
    try:
        params = kind.params.imagined(given)
        stored = inputs.known(session, owner_id, params)
        if settled := params.settled(stored):
            params = kind.params.imagined({**settled, **given})
    except ValidationError:
        return None
    return params.arithmetic(replace(stored, pictures={**stored.pictures, **brought}))


def _references(kind: Kind) -> set[str]:
    return {known.name for known in forms.fields(kind) if known.shape == "reference"}


def _chosen(form: forms.Filled) -> tuple[dict[str, Any], dict[str, Sides]]:
    """What a form says, and of the samples in it, which get their ids when they are brought, how
    large they are."""
    named = {samples.PREFIX + name: sample for name, sample in samples.all_samples().items()}
    ids = {text: str(UUID(int=number)) for number, text in enumerate(named, 1)}
    looked_at = replace(form, chosen=dict(form.chosen), faults=[])
    for name in _references(form.kind):
        looked_at.chosen[name] = [ids.get(text, text) for text in form.values(name)]
    sizes = {ids[text]: (sample.width, sample.height) for text, sample in named.items()}
    return forms.parameters(looked_at), sizes
