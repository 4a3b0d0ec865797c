"""What a link shows: one picture on a plain page, to whoever has the link, and nothing else.

The page loads from nowhere else, sends no referrer (its own address is the secret), and asks not
to be indexed. Wrong links and views are bounded per address.
"""

from __future__ import annotations

import json

from flask import Response, render_template, request

from jobs import attempts
from jobs.access import shares
from jobs.refusals import RefusedError
from webui import leaving, thumbnails
from webui.api.files import stored_bytes
from webui.pages.blueprint import pages
from webui.studio import studio

VIEWS_PER_MINUTE = 240
WRONG_PER_MINUTE = 30


@pages.get("/shared/<link>")
def shared_page(link: str) -> Response:
    """The picture, and its recipe where its owner shows it."""
    shown = _opened(link, count=request.method == "GET")
    recipe = None
    if shown.job is not None:
        told = {"kind": shown.job.kind, "params": shown.job.params}
        recipe = json.dumps(told, ensure_ascii=False, indent=2)
    page = render_template("shared.html", file=shown.file, link=link, recipe=recipe)
    return _private(Response(page))


@pages.get("/shared/<link>/picture")
def shared_picture(link: str) -> Response:
    """The picture's bytes; the recipe inside is left out unless its owner shows it."""
    shown = _opened(link)
    file = shown.file
    if "size" in request.args:
        made = thumbnails.answer(
            file.sha256, lambda copy: studio().storage.fetch(file.sha256, copy)
        )
        leaving.label_small(made, file)
    else:
        made = leaving.copy(file, shown.link.recipe) or stored_bytes(
            file.sha256, file.media_type, file.name
        )
    return _private(made)


def _opened(link: str, count: bool = False) -> shares.Shown:
    caller = attempts.network(request.remote_addr)
    with studio().database.begin() as session:
        attempts.meter(session, "view", caller, VIEWS_PER_MINUTE, seconds=60)
    try:
        with studio().database.begin() as session:
            return shares.open_(session, link, count)
    except RefusedError:
        with studio().database.begin() as session:
            attempts.meter(session, "wrong link", caller, WRONG_PER_MINUTE, seconds=60)
        raise


def _private(made: Response) -> Response:
    made.headers["Referrer-Policy"] = "no-referrer"
    made.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    made.headers["Cache-Control"] = "private, no-store"
    return made
