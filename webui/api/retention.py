"""``/admin/retention``: how long things are kept; what would go now; letting it go."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from jobs.office import administration
from jobs.refusals import Fault, RefusedError
from jobs.stored import retention as rules
from jobs.stored.retention import Rule, What
from webui import auth
from webui.api import reading
from webui.studio import owner_id, studio

retention = Blueprint("retention", __name__, url_prefix="/api/v1/admin/retention")
retention.before_request(auth.check_administrator)

FIELDS = frozenset({"what", "days", "keep", "owner"})


@retention.get("")
def show() -> Response:
    """The rules."""
    with studio().database.begin() as session:
        return jsonify(rules=[_rule(rule) for rule in rules.rules(session)])


@retention.put("")
def replace() -> Response:
    """Let the rules of the body be the rules."""
    body = reading.json_object()
    reading.only(body, frozenset({"rules", "reason"}))
    given = reading.typed(body, "rules", list, [])
    reason = administration.said(reading.text(body, "reason"))
    new = [_read(entry, position) for position, entry in enumerate(given)]
    with studio().database.begin() as session:
        rules.replace(session, owner_id(), new, reason)
    return show()


@retention.get("/effects")
def effects() -> Response:
    """What the rules would remove now; nothing is changed."""
    with studio().database.snapshot() as session:
        found = rules.effects(session)
    return jsonify(
        results=[
            {
                "rule": _rule(effect.rule),
                "jobs": effect.jobs,
                "bytes": effect.bytes,
                "weighed": effect.weighed,
                "some": [str(id_) for id_ in effect.some],
            }
            for effect in found
        ]
    )


@retention.post("/apply")
def apply() -> Response:
    """Remove now what the rules let go of; the keeper does the same every minute."""
    done = rules.apply(studio().database, owner_id())
    return jsonify(removed={str(what): many for what, many in done.items()})


def _rule(rule: Rule) -> dict[str, Any]:
    return {"what": str(rule.what), "days": rule.days, "keep": rule.keep, "owner": rule.owner}


def _read(entry: Any, position: int) -> Rule:
    at = f"rules/{position}"
    body = reading.typed({at: entry}, at, dict, {})
    unknown = [Fault(f"/{at}/{name}", "unknown_parameter") for name in body if name not in FIELDS]
    what = body.get("what")
    if what not in list(What):
        values = {"value": str(what)[:80], "expected": ", ".join(What)}
        unknown.append(Fault(f"/{at}/what", "not_one_of", values))
    if unknown:
        raise RefusedError("invalid", faults=unknown)
    named = {f"{at}/{name}": value for name, value in body.items() if value is not None}
    return Rule(
        what=What(what),
        days=reading.typed(named, f"{at}/days", int, None),
        keep=reading.typed(named, f"{at}/keep", int, 0),
        owner=reading.text(named, f"{at}/owner") or None,
    )
