"""Datasets, models and people by the names that people gave them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from atelier.answers import Dataset, Model
    from atelier.client import Studio

PAGE = 100
MOST_TOLD = 5


@dataclass(frozen=True)
class Named:
    """A stored ``dataset`` or ``model`` that an option names; which one, only the studio knows."""

    option: str
    to: str
    name: str


def id_of(studio: Studio, wanted: Named) -> str:
    """Its id. A :class:`click.BadParameter` tells the ids where several have the name, and what
    is called nearly so where none has."""
    rows = list(_all(studio, wanted.to))
    name = wanted.name.removesuffix(".safetensors") if wanted.to == "model" else wanted.name
    found = [row for row in rows if row["name"] == name]
    if len(found) == 1:
        return found[0]["id"]
    if found:
        told = [f"{row['id']} of {row['created_at']}" for row in found[:MOST_TOLD]]
        more = [f"and {len(found) - MOST_TOLD} more"] if len(found) > MOST_TOLD else []
        message = f"{len(found)} {wanted.to}s are called {name!r}. Use the id of one: "
        raise click.BadParameter(message + "; ".join([*told, *more]), param_hint=wanted.option)
    near = get_close_matches(name, dict.fromkeys(row["name"] for row in rows), MOST_TOLD, 0.5)
    message = f"There is no {wanted.to} called {name!r}, nor of that id."
    hint = f" Nearly so: {', '.join(map(repr, near))}." if near else ""
    raise click.BadParameter(
        f"{message}{hint} See: atelier {wanted.to}s list", param_hint=wanted.option
    )


def folded(name: str) -> str:
    """What two names of people share that are one to the studio, whose own code is not at hand over
    HTTP."""
    return " ".join(unicodedata.normalize("NFC", name).split()).lower()


def _all(studio: Studio, to: str) -> Iterator[Dataset | Model]:
    address = None
    while True:
        if to == "dataset":
            sets = studio.datasets(PAGE, address)
            yield from (row for row in sets["results"] if row["status"] != "refused")
            address = sets["next"]
        else:
            models = studio.models(PAGE, address)
            yield from models["results"]
            address = models["next"]
        if not address:
            return
