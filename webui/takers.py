"""Which kinds of job take a stored work, so that its page can offer them; no kind is known here.

A reference field says with ``x-action`` what is done with a work there ("Sample it"), and with
``x-trains`` that training goes on from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import url_for

from engines.kind import Kind
from engines.registry import KINDS
from webui import forms
from webui.texts import _


@dataclass(frozen=True)
class Taker:
    """A field of a kind that takes a work."""

    kind: Kind
    field: forms.Field

    @property
    def words(self) -> str:
        """What is done with the work there."""
        return _(self.field.action or self.kind.title)

    def address(self, id_: UUID, job: UUID | None = None) -> str:
        """The form of the kind with the work in its field, and else the settings of ``job``."""
        chosen: dict[str, Any] = {self.field.name: str(id_)}
        if job is not None:
            chosen["from"] = str(job)
        return url_for("pages.new_page", kind_name=self.kind.name, **chosen)


def takers(reference: str, *, trainable: bool = True) -> list[Taker]:
    """The fields that take a work of that sort, those first that cannot do without one."""
    found = [
        Taker(kind, field)
        for kind in KINDS.values()
        for field in forms.fields(kind)
        if field.reference == reference and (trainable or not field.trains)
    ]
    return sorted(found, key=lambda taker: not taker.field.required)
