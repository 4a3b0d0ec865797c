"""Datasets, models and people by the names that people gave them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, cast

import click

if TYPE_CHECKING:
    from atelier.answers import Dataset, Model
    from atelier.client import Studio

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PAGE = 100
MOST_TOLD = 5
TOLD_APART = re.compile(r", \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")
"""The time that a studio puts behind the names of models which would share one."""


@dataclass(frozen=True)
class Named:
    """A stored ``dataset`` or ``model`` that an option names; which one, only the studio knows.
    ``usable``: only what a job may be given counts."""

    option: str
    to: str
    name: str
    usable: bool = True


def id_of(studio: Studio, wanted: Named) -> str:
    """Its id. A :class:`click.BadParameter` tells the ids where several have the name, and what
    is called nearly so where none has."""
    everything = list(_all(studio, wanted))
    rows = [row for row in everything if not (wanted.usable and _refusal(row))]
    name = wanted.name.removesuffix(".safetensors") if wanted.to == "model" else wanted.name
    found = [row for row in rows if row["name"] == name] or [
        row for row in rows if TOLD_APART.sub("", row["name"]) == name
    ]
    if len(found) == 1:
        return found[0]["id"]
    if found:
        told = [f"{row['id']} of {row['created_at']}" for row in found[:MOST_TOLD]]
        more = [f"and {len(found) - MOST_TOLD} more"] if len(found) > MOST_TOLD else []
        message = f"{len(found)} {wanted.to}s are called {name!r}. Use the id of one: "
        raise click.BadParameter(message + "; ".join([*told, *more]), param_hint=wanted.option)
    if refusal := next((_refusal(row) for row in everything if row["name"] == name), ""):
        raise click.BadParameter(
            f"The {wanted.to} {name!r} cannot be used. {refusal}", param_hint=wanted.option
        )
    near = get_close_matches(
        name, dict.fromkeys(TOLD_APART.sub("", row["name"]) for row in rows), MOST_TOLD, 0.5
    )
    message = f"There is no {wanted.to} called {name!r}, nor of that id."
    hint = f" Nearly so: {', '.join(map(repr, near))}." if near else ""
    raise click.BadParameter(
        f"{message}{hint} See: atelier {wanted.to}s list", param_hint=wanted.option
    )


def stored(studio: Studio, to: str, wanted: str, option: str = "") -> str:
    """The id of a ``dataset`` or ``model``, whatever its state, that is ``wanted`` by id or name.
    Raises as :func:`id_of` does."""
    if ID.fullmatch(wanted):
        return wanted
    return id_of(studio, Named(option or to.upper(), to, wanted, usable=False))


def folded(name: str) -> str:
    """What two names of people share that are one to the studio, whose own code is not at hand over
    HTTP."""
    return " ".join(unicodedata.normalize("NFC", name).split()).lower()


def all_datasets(studio: Studio, size: int = PAGE) -> Iterator[Dataset]:
    """All datasets, newest first, asked for in pages of ``size``."""
    page = studio.datasets(size)
    yield from page["results"]
    while page["next"]:
        page = studio.datasets(address=page["next"])
        yield from page["results"]


def all_models(studio: Studio, size: int = PAGE) -> Iterator[Model]:
    """All models, newest first, asked for in pages of ``size``."""
    page = studio.models(size)
    yield from page["results"]
    while page["next"]:
        page = studio.models(address=page["next"])
        yield from page["results"]


def _all(studio: Studio, wanted: Named) -> Iterator[Dataset | Model]:
    yield from (all_models if wanted.to == "model" else all_datasets)(studio)


def _refusal(row: Dataset | Model) -> str:
    """Why a job may not be given it, and what to do; empty where it may."""
    refused = cast("dict[str, str] | None", row.get("refused"))
    return refused["detail"] if refused else ""
