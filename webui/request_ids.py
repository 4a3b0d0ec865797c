"""A name for every request: whoever meets an error shows it, and the log holds it."""

from __future__ import annotations

import secrets

from flask import Flask, Response, g

from jobs import process_log

HEADER = "X-Request-Id"


def install(app: Flask) -> None:
    """Name every request of ``app``; first of all, so that every line logged tells it."""
    app.before_request(_name)
    app.after_request(_tell)
    app.teardown_request(lambda _error: process_log.clear())


def request_id() -> str:
    """The name of the current request; empty outside of one that was named."""
    return str(g.get("request_id", ""))


def _name() -> None:
    # Ours alone: a name that a client chooses could be another request's, or a line of its own.
    g.request_id = secrets.token_hex(8)
    process_log.clear()
    process_log.bind(request=g.request_id)


def _tell(answer: Response) -> Response:
    if name := request_id():
        answer.headers[HEADER] = name
    return answer
