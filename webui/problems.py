"""Errors as answers: RFC 9457 ``application/problem+json`` to programs, a page to people."""

from __future__ import annotations

import errno
import logging
from typing import Any, cast

from flask import Flask, Response, jsonify, render_template, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from engines.pictures import PictureError
from jobs.database import DatabaseDownError
from jobs.refusals import FAULTS, Fault, RefusedError
from jobs.storage import StorageError
from webui.auth import is_api
from webui.request_ids import request_id
from webui.texts import _, filled

RETRY_AFTER_SECONDS = 2
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_OF_STATUS = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
}

log = logging.getLogger(__name__)


def install(app: Flask) -> None:
    """Answer every error of ``app``; nothing else answers on 4xx and 5xx."""
    app.register_error_handler(RefusedError, answer)
    app.register_error_handler(PictureError, lambda error: answer(of_picture(error)))
    app.register_error_handler(DatabaseDownError, _service_down("database_down"))
    app.register_error_handler(StorageError, _service_down("storage_down"))
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(OSError, _of_disk)
    app.register_error_handler(Exception, _unexpected)


def of_picture(error: PictureError, pointer: str = "/file") -> RefusedError:
    """A picture that is no use, as a refusal that names the field it came in."""
    return RefusedError("bad_picture", faults=[Fault(pointer, error.code, error.values)])


def words(fault: Fault) -> str:
    """What is wrong with a field, in the reader's language."""
    values = fault.values
    if fault.code == "does_not_fit":  # two texts of a kind's own, filled like this one
        values = {name: filled(str(values[name]), values) for name in ("why", "fits")}
        return filled(FAULTS[fault.code], values)
    for name in ("why", "expected"):  # said by a kind's own check, and the type that was wanted
        if name in values:
            values = {**values, name: _(str(values[name]))}
    return filled(FAULTS[fault.code], values)


def _named(fault: Fault) -> str:
    """The same with the field's name, unless that is the upload, of which a page tells it."""
    name = fault.pointer.removeprefix("/params").removeprefix("/")
    return f"{name}: {words(fault)}" if name not in ("", "file") else words(fault)


def answer(refused: RefusedError) -> Response:
    """The answer to a request that is refused, in the asker's form and language."""
    body = body_of(refused)
    if is_api():
        made = jsonify(body)
        made.content_type = "application/problem+json"
    else:
        made = Response(render_template("problem.html", problem=body))
    return dressed(made, refused)


def body_of(refused: RefusedError) -> dict[str, Any]:
    """What a refusal says, in the asker's language."""
    refusal = refused.refusal
    return {
        "type": f"urn:atelier:problem:{refused.code}",
        "title": filled(refusal.title, refused.values),
        "status": refusal.status,
        "detail": " ".join(map(_named, refused.faults)) or filled(refusal.title, refused.values),
        "instance": request.path,
        "code": refused.code,
        "errors": [
            {"pointer": fault.pointer, "code": fault.code, "detail": words(fault)}
            for fault in refused.faults
        ],
        "hint": filled(refusal.hint, refused.values),
        "request_id": request_id(),
    }


def dressed(made: Response, refused: RefusedError) -> Response:
    """``made`` with the status and headers that a refusal's answer carries."""
    status = made.status_code = refused.refusal.status
    if status in (429, 503):
        made.headers["Retry-After"] = str(refused.values.get("seconds", RETRY_AFTER_SECONDS))
    if status == 401:
        made.headers["WWW-Authenticate"] = 'Bearer realm="atelier"'
    return made


def _service_down(code: str) -> Any:
    def answered(error: Exception) -> Response:
        log.warning("%s: %s", code, error)
        return answer(RefusedError(code))

    return answered


def _of_disk(error: OSError) -> Response:
    """A full disk is told as one, wherever it is met: also while a form is being read."""
    if error.errno in FULL:
        return cast(Response, _service_down("storage_down")(error))
    return _unexpected(error)


def _of_http(error: HTTPException) -> Response:
    if error.response is not None and (error.code or 500) < 400:
        return error.response  # type: ignore[return-value]  # a redirect
    if isinstance(error, RequestEntityTooLarge):
        limit = request.max_content_length or 0
        return answer(RefusedError("too_large", limit=limit))
    code = _OF_STATUS.get(error.code or 500)
    if code is None:
        code = "bad_request" if 400 <= (error.code or 500) < 500 else "internal_error"
    made = answer(RefusedError(code, wanted="application/json"))
    for name, value in error.get_headers():
        if name == "Allow":
            made.headers[name] = value
    return made


def _unexpected(error: Exception) -> Response:
    # The route and not the path: in some paths stands a secret that lets its reader in.
    route = request.url_rule.rule if request.url_rule else "unknown address"
    log.error("%s %s failed", request.method, route, exc_info=error)
    return answer(RefusedError("internal_error"))
