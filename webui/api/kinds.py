"""``/kinds``: what can be made, and with which parameters."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from engines.registry import KINDS
from jobs.refusals import RefusedError
from webui.api import shapes

kinds = Blueprint("kinds", __name__, url_prefix="/api/v1/kinds")


@kinds.get("")
def index() -> Response:
    """Every kind."""
    return jsonify(results=[shapes.kind(kind) for kind in KINDS.values()])


@kinds.get("/<name>")
def show(name: str) -> Response:
    """One kind."""
    if name not in KINDS:
        raise RefusedError("unknown_kind")
    return jsonify(shapes.kind(KINDS[name]))
