"""``/kinds``: what can be made, with which parameters, and how long that should take."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from pydantic import ValidationError

from engines.kind import Kind
from engines.registry import KINDS
from jobs.refusals import Fault, RefusedError
from webui.api import reading, shapes
from webui.outlook import outlook
from webui.studio import owner_id, studio

kinds = Blueprint("kinds", __name__, url_prefix="/api/v1/kinds")


@kinds.get("")
def index() -> Response:
    """Every kind."""
    return jsonify(results=[shapes.kind(kind) for kind in KINDS.values()])


@kinds.get("/<name>")
def show(name: str) -> Response:
    """One kind."""
    return jsonify(shapes.kind(_named(name)))


@kinds.post("/<name>/outlook")
def look_ahead(name: str) -> Response:
    """What a job would meet that came now: how many are ahead, how long it should run. Parameters
    that must name a stored work may be left out."""
    kind, body = _named(name), reading.json_object(optional=True)
    reading.only(body, frozenset({"params"}))
    given = reading.typed(body, "params", dict, {})
    try:
        kind.params.imagined(given)
    except ValidationError as refused:
        faults = [Fault.of_pydantic(error, "/params") for error in refused.errors()]
        raise RefusedError("invalid", faults=faults) from None
    with studio().database.begin() as session:
        return jsonify(shapes.outlook(outlook(session, owner_id(), kind, given)))


def _named(name: str) -> Kind:
    if name not in KINDS:
        raise RefusedError("unknown_kind")
    return KINDS[name]
