"""Which jobs, or changes, an administrator asks for, read from an address by page and API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from jobs import listing
from jobs.access import people
from jobs.models import Owner
from jobs.office import review
from jobs.records import audit
from jobs.refusals import Fault, RefusedError
from webui.api import reading
from webui.studio import studio

NAMES = ("status", "kind", "owner", "reason", "slot", "tag", "q", "since", "until")
AUDIT_NAMES = ("actor", "action", "target", "since", "until")
_AGO = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def of_jobs(given: Mapping[str, str]) -> review.Filter:
    """The filter that ``given`` names, whose ``owner`` is a person's name in any case.

    Raises :class:`RefusedError`.
    """
    told = {name: reading.storable(name, given.get(name, "").strip()) for name in NAMES}
    if told["owner"]:
        person = _person(told["owner"])
        if person is None:
            fault = Fault("/owner", "unknown_person", {"value": told["owner"][:80]})
            raise RefusedError("invalid", faults=[fault])
        told["owner"] = person.name
    return review.Filter(
        jobs=listing.Filter(
            status=tuple(filter(None, told["status"].split(","))),
            kind=told["kind"],
            tag=told["tag"],
            q=told["q"],
        ),
        owner=told["owner"],
        reason=told["reason"],
        slot=told["slot"],
        since=moment("since", told["since"]),
        until=moment("until", told["until"]),
    )


def of_audit(given: Mapping[str, str]) -> audit.Filter:
    """The filter of the audit log that ``given`` names; an ``actor`` is a person, whatever they
    were called then, or the name of a process. Raises :class:`RefusedError`."""
    told = {name: reading.storable(name, given.get(name, "").strip()) for name in AUDIT_NAMES}
    since, until = (moment(name, told[name]) for name in ("since", "until"))
    person = _person(told["actor"]) if told["actor"] else None
    actor_id = person.id if person is not None else None
    return audit.Filter(told["actor"], told["action"], told["target"], since, until, actor_id)


def _person(name: str) -> Owner | None:
    with studio().database.begin() as session:
        return people.named(session, name)


def given(names: tuple[str, ...], source: Mapping[str, str]) -> dict[str, str]:
    """Those of ``names`` that say something, for another address with the same filter."""
    return {name: source[name].strip() for name in names if source.get(name, "").strip()}


def moment(name: str, text: str) -> datetime | None:
    """A time as RFC 3339, or how long ago: ``90m``, ``6h``, ``7d``; None for an empty text."""
    if not text:
        return None
    if ago := _AGO.fullmatch(text):
        return datetime.now(UTC) - int(ago[1]) * _UNITS[ago[2]]
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        read = None
    if read is None:
        raise RefusedError(
            "invalid", faults=[Fault(f"/{name}", "not_a_time", {"value": text[:80]})]
        )
    # What a form's field for a time sends has no offset; times of the studio are UTC.
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
