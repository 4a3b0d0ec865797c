"""Reading requests: ids, JSON bodies, numbers; whatever does not fit is refused by name."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import request

from jobs.refusals import TYPES, Fault, RefusedError, pointer

JSON_BYTES = 1_000_000
MAX_WAIT_SECONDS = 30
MOST = 2**63 - 1


def id_of(text: str) -> UUID:
    """A job's or file's id. Raises :class:`RefusedError` (``malformed_id``)."""
    try:
        return UUID(text)
    except ValueError:
        raise RefusedError("malformed_id") from None


def json_object(*, optional: bool = False) -> dict[str, Any]:
    """The body as a JSON object; an absent one is empty where ``optional``."""
    request.max_content_length = JSON_BYTES
    body = request.get_data()
    if optional and not body:
        return {}
    if request.mimetype != "application/json":
        raise RefusedError("unsupported_media_type", wanted="application/json")
    try:
        parsed = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise RefusedError("malformed_json") from None
    if not isinstance(parsed, dict):
        raise RefusedError("malformed_json")
    return parsed


def only(body: dict[str, Any], allowed: frozenset[str]) -> None:
    """Refuse names in ``body`` that mean nothing."""
    faults = [Fault(pointer(name), "unknown_parameter") for name in body if name not in allowed]
    if faults:
        raise RefusedError("invalid", faults=faults)


def typed(body: dict[str, Any], name: str, wanted: type, default: Any) -> Any:
    """``body[name]`` if it has the type ``wanted``; ``default`` when it is absent."""
    value = body.get(name, default)
    fits = isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))
    if not fits:
        values = {"value": str(value)[:80], "expected": _TYPE_NAMES[wanted]}
        raise RefusedError("invalid", faults=[Fault(f"/{name}", "wrong_type", values)])
    return value


def text(body: dict[str, Any], name: str, default: str = "") -> str:
    """``body[name]`` as a text that can be stored; ``default`` when it is absent."""
    return storable(name, typed(body, name, str, default))


def quantity(body: dict[str, Any], name: str) -> float | None:
    """``body[name]`` as a number, whole if it is; None when it is null or absent."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        values = {"value": str(value)[:80], "expected": TYPES["float"]}
        raise RefusedError("invalid", faults=[Fault(f"/{name}", "wrong_type", values)])
    return value


def texts(body: dict[str, Any], name: str) -> list[str]:
    """``body[name]`` as a list of texts; empty when it is absent."""
    values = typed(body, name, list, [])
    entries = {f"{name}/{position}": value for position, value in enumerate(values)}
    return [storable(entry, typed(entries, entry, str, "")) for entry in entries]


def moment(body: dict[str, Any], name: str) -> datetime | None:
    """``body[name]`` as an RFC 3339 time with its offset; None when it is absent."""
    if body.get(name) is None:
        return None
    text = typed(body, name, str, "")
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise RefusedError(
            "invalid", faults=[Fault(f"/{name}", "not_a_time", {"value": text[:80]})]
        )
    return read


def reason() -> str:
    """Why somebody asks for this: ``{"reason": ...}`` as the whole body; empty without one."""
    body = json_object(optional=True)
    only(body, frozenset({"reason"}))
    return storable("reason", typed(body, "reason", str, ""))


def query(name: str) -> str:
    """A text from the query; empty when it is absent."""
    return storable(name, request.args.get(name, ""))


def choice(name: str, choices: Sequence[str]) -> str:
    """One of ``choices`` from the query; the first when it is absent."""
    value = request.args.get(name, choices[0])
    if value not in choices:
        values = {"value": value[:80], "expected": ", ".join(choices)}
        raise RefusedError("invalid", faults=[Fault(f"/{name}", "not_one_of", values)])
    return value


def storable(name: str, text: str) -> str:
    """``text``, unless PostgreSQL cannot hold it: no NUL, no half of a surrogate pair."""
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        shown = text.encode("ascii", "backslashreplace").decode().replace("\0", "\\0")[:80]
        values = {"value": shown, "expected": "a text of whole characters"}
        raise RefusedError("invalid", faults=[Fault(f"/{name}", "wrong_type", values)])
    return text


def number(name: str, default: int) -> int:
    """A whole number from the query."""
    return whole(name, request.args.get(name, str(default)))


def held(number: int) -> int:
    """A number of an address that the database can hold. Raises RefusedError (``not_found``)."""
    if number > MOST:
        raise RefusedError("not_found")
    return number


def whole(name: str, text: str) -> int:
    """``text`` as a whole number that the database can hold."""
    try:
        number = int(text)
    except ValueError:
        values = {"value": text[:80], "expected": TYPES["int"]}
        raise RefusedError("invalid", faults=[Fault(f"/{name}", "wrong_type", values)]) from None
    if abs(number) > MOST:
        limits = {"value": text[:80], "low": -MOST, "high": MOST}
        raise RefusedError("invalid", faults=[Fault(f"/{name}", "out_of_range", limits)])
    return number


def wait_seconds() -> float:
    """How long ``Prefer: wait=N`` (RFC 7240) asks to hold the answer, at most 30 s."""
    found = re.search(r"\bwait=(\d+)", request.headers.get("Prefer", ""))
    return min(int(found[1]), MAX_WAIT_SECONDS) if found else 0.0


_TYPE_NAMES = {
    dict: TYPES["dict"],
    list: TYPES["list"],
    int: TYPES["int"],
    str: TYPES["string"],
    bool: TYPES["bool"],
}


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
