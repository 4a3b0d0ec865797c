"""Forms that are shown again with what was wrong with them."""

from __future__ import annotations

from typing import Any

from flask import Response, render_template

from jobs.refusals import RefusedError
from webui import problems


def shown_again(template: str, refused: RefusedError, **context: Any) -> Response:
    """The page of ``template`` with what is wrong on top, and the refusal's status."""
    page = render_template(template, trouble=problems.body_of(refused), **context)
    return problems.dressed(kept_nowhere(Response(page)), refused)


def kept_nowhere(made: Response) -> Response:
    """An answer that holds a secret, or is made for one moment: no cache keeps it."""
    made.headers["Cache-Control"] = "no-store"
    return made
