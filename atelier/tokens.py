"""Tokens of a local studio: one kept for the command line, one for a browser's first visit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from atelier.folders import read_private, write_private
from atelier.in_use import opened
from jobs.settings import Settings

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

COMMAND_LINE_LIFETIME = timedelta(days=90)
METRICS_LIFETIME = timedelta(days=3650)
LOGIN_LIFETIME = timedelta(minutes=15)


def keep_token(settings: Settings) -> str:
    """The command line's token; the one kept from before as long as it is good for a while."""
    from jobs.access.accounts import asker, issue

    kept = read_private(settings.token_file)
    with _as_local_owner(settings) as (session, owner):
        proved = asker(session, kept, "api") if kept else None
        # One that was narrowed no longer does what its owner may on this machine.
        if kept and proved is not None and proved.owner_id == owner and proved.is_administrator:
            return kept
        token = issue(session, owner, "api", COMMAND_LINE_LIFETIME)
    write_private(settings.token_file, token)
    return token


def login_address(settings: Settings, address: str) -> str:
    """An address that logs a browser in once, within a quarter of an hour."""
    from jobs.access.accounts import issue

    with _as_local_owner(settings) as (session, owner):
        return f"{address}/login?token={issue(session, owner, 'login', LOGIN_LIFETIME)}"


def metrics_token(settings: Settings, renew: bool = False) -> str:
    """A token that reads /metrics and nothing else, for a Prometheus on another machine; with
    ``renew`` those of before end."""
    from jobs.access.accounts import issue, revoke_all

    with _as_local_owner(settings) as (session, owner):
        if renew:
            revoke_all(session, owner, "metrics")
        return issue(session, owner, "metrics", METRICS_LIFETIME)


@contextmanager
def _as_local_owner(settings: Settings) -> Iterator[tuple[Session, UUID]]:
    from jobs.access.accounts import local_owner

    with opened(settings) as database, database.begin() as session:
        yield session, local_owner(session)
