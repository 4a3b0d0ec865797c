"""``/me/downloads``: whether one's works carry their recipe when they leave."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from jobs.stored import files as kept
from webui.api import reading
from webui.studio import owner_id, studio

downloads = Blueprint("downloads", __name__, url_prefix="/api/v1/me/downloads")


@downloads.get("")
def show() -> Response:
    """What was chosen, and the studio's label."""
    with studio().database.begin() as session:
        inside = kept.recipe_inside(session, owner_id())
    return jsonify(recipe=inside, origin_label=studio().settings.origin_label)


@downloads.put("")
def choose() -> Response:
    """Choose."""
    body = reading.json_object()
    reading.only(body, frozenset({"recipe"}))
    inside = reading.typed(body, "recipe", bool, None)
    with studio().database.begin() as session:
        kept.choose_recipe_inside(session, owner_id(), inside)
    return show()
