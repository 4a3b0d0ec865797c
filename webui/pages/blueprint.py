"""The blueprint that all pages hang on, and what every template may use."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Blueprint, g, request, url_for

from engines import media
from engines.registry import KINDS
from jobs import closures
from jobs.models import Closure, File
from webui import durations
from webui.navigation import PLACES
from webui.outlook import run_words
from webui.problems import words
from webui.studio import studio
from webui.texts import _

pages = Blueprint("pages", __name__)


@pages.before_request
def note_maintenance() -> None:
    """What every page then says on top."""
    if request.method == "GET" and g.get("owner_id") is not None:
        with studio().database.begin() as session:
            g.maintenance = session.get(Closure, closures.STUDIO)


def file_page(row: File) -> str:
    """Address at which a stored work is best looked at."""
    if row.media_type == media.MODEL:
        return url_for("pages.model_page", model_id=row.id)
    return url_for("files.content", file_id=row.id)


@pages.app_context_processor
def everywhere() -> dict[str, Any]:
    """Names every template may use; also error pages do, so nothing here asks the database."""
    asker = g.get("asker")
    administrator = asker is not None and asker.is_administrator
    return {
        "signed_in": g.get("owner_id") is not None,
        "administrator": administrator,
        "kinds": KINDS,
        "file_page": file_page,
        "places": [place for place in PLACES if administrator or not place.reserved],
        "maintenance": g.get("maintenance"),
        "new_order": lambda: secrets.token_hex(8),
        "said": _,
        "fault_words": words,
        "about": durations.about,
        "ago": durations.ago,
        "run_words": run_words,
        "duration_words": durations.words,
    }
