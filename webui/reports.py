"""What a check found, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engines.datasets.report import WARNINGS
from jobs.models import Dataset
from jobs.refusals import FAULTS
from webui import albums
from webui.texts import filled

UNLICENSED = "unlicensed"


def refusal(row: Dataset) -> dict[str, str] | None:
    """Why a dataset cannot be used and what to do; None when it can, or is still checked."""
    if row.refused is None:
        return None
    return {"code": row.refused["code"], "detail": _said(FAULTS, row.refused)}


def warnings(row: Dataset) -> list[dict[str, str]]:
    """What its owner should know before training on it; a licence can be noted at any time."""
    if row.report is None:
        return []
    told = [each for each in row.report["warnings"] if each["code"] != UNLICENSED]
    if not row.licence:
        told.append({"code": UNLICENSED, "values": {}})
    return [{"code": each["code"], "detail": _said(WARNINGS, each)} for each in told]


def unreadable(row: Dataset) -> list[dict[str, str]]:
    """The files that were left out, as far as they are listed, each with the reason."""
    told = (row.report or {}).get("unreadable", {}).get("shown", [])
    return [
        {"name": each["name"], "code": each["code"], "detail": _said(FAULTS, each)} for each in told
    ]


def near(row: Dataset) -> dict[str, Any]:
    """Look-alikes: their ``count``, pairs of names, and of positions. An earlier version told
    positions alone; those have their names from the album. StorageError where that is away."""
    told: dict[str, Any] = (row.report or {})["near_duplicates"]
    if "positions" in told or not told["shown"]:
        return {"positions": [], **told}
    listed = albums.listed(row).pictures
    names = [[listed[position].name for position in pair] for pair in told["shown"]]
    return {**told, "shown": names, "positions": told["shown"]}


def labels(row: Dataset) -> dict[str, int]:
    """How many pictures each label has, by name: the database forgets the order of keys."""
    return dict(sorted((row.report or {}).get("labels", {}).items()))


def told(row: Dataset) -> dict[str, Any] | None:
    """The report with its words."""
    if row.report is None:
        return None
    found = row.report["unreadable"]
    return {
        **row.report,
        "labels": labels(row),
        "unreadable": {"count": found["count"], "shown": unreadable(row)},
        "near_duplicates": near(row),
        "warnings": warnings(row),
    }


def _said(texts: Mapping[str, str], told: Mapping[str, Any]) -> str:
    # A code of a newer version than this one: better than nothing.
    return filled(texts.get(told["code"], told["code"]), told["values"])
