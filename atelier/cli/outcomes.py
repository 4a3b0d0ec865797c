"""How a command ends: exit codes, and failures in words."""

from __future__ import annotations

import json
import traceback
from enum import IntEnum
from typing import Any

import click


class Outcome(IntEnum):
    """The exit codes; :data:`EXIT_CODES` says the same to people."""

    DONE = 0
    FAILED = 1
    WRONG_USE = 2
    CANCELED = 3
    NOT_REACHABLE = 4
    INTERRUPTED = 130


EXIT_CODES = (
    "Exit codes: 0 done; 1 failed (the job, a check, the studio); 2 something in the command"
    " cannot be used; 3 the job was canceled; 4 no studio can be reached; 130 interrupted."
)


def report(failed: Exception, as_json: bool) -> int:
    """Tell what went wrong, on stderr in words and with ``--json`` on stdout as a document."""
    outcome, message = _understood(failed)
    if as_json:
        body = getattr(failed, "body", None) or {"title": message}
        click.echo(json.dumps({"error": {**body, "exit_code": int(outcome)}}, ensure_ascii=False))
    if isinstance(failed, click.ClickException):
        failed.show()
    else:
        click.echo(message, err=True)
    return int(outcome)


def _understood(failed: Exception) -> tuple[Outcome, str]:
    from atelier.errors import StopAskedError, StudioError

    if isinstance(failed, click.ClickException):
        return Outcome(failed.exit_code), failed.format_message()
    if isinstance(failed, (click.Abort, StopAskedError)):
        return Outcome.INTERRUPTED, "Interrupted."
    if isinstance(failed, StudioError):
        return _of_studio(failed), str(failed)
    if type(failed).__name__ == "SettingsError":
        return Outcome.WRONG_USE, f"A setting cannot be used.\n{failed}"
    if isinstance(failed, OSError):
        where = f"{failed.filename}: " if failed.filename else ""
        return Outcome.FAILED, f"{where}{failed.strerror or failed}"
    place = traceback.extract_tb(failed.__traceback__)[-1]
    return Outcome.FAILED, (
        f"Something broke on our side: {type(failed).__name__}: {failed}"
        f" ({place.filename}:{place.lineno}). Please report it."
    )


def _of_studio(failed: Exception) -> Outcome:
    from atelier.problems import NotReachableError, ProblemError

    if isinstance(failed, NotReachableError):
        return Outcome.NOT_REACHABLE
    if isinstance(failed, ProblemError) and failed.status in (400, 404, 413, 415, 422):
        return Outcome.WRONG_USE
    return Outcome.FAILED


def of_job(job: Any) -> Outcome:
    """The exit code that a job's end stands for."""
    ends = {"failed": Outcome.FAILED, "canceled": Outcome.CANCELED}
    return ends.get(job["status"], Outcome.DONE)
