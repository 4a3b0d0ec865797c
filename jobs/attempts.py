"""Bounds on trying: growing waits after failures, and so many of something in a while.

Counts stand in the database, so every web process knows them. A try is counted before it is
judged: many at once are as many tries. Waits end by themselves; nobody is shut out for good.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from jobs.models import Attempt
from jobs.refusals import RefusedError

FORGOTTEN_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Bound:
    """``free`` failures cost nothing; then each doubles the wait, up to ``longest`` seconds."""

    free: int
    longest: float

    def wait(self, failures: int) -> float:
        """Seconds until the next try is heard, after so many failures."""
        beyond = failures - self.free
        return 0.0 if beyond < 0 else float(min(self.longest, 2.0 ** min(beyond, 30)))


# One account: a person mistypes a few times. One address may be many people behind a router.
ACCOUNT = Bound(free=5, longest=300.0)
ADDRESS = Bound(free=20, longest=900.0)
CODE = Bound(free=5, longest=300.0)


def begin(session: Session, what: str, who: str, bound: Bound) -> None:
    """Count a try at ``what`` by or on ``who``.

    Raises :class:`RefusedError` (``too_many_attempts``) while it must wait; that counts nothing.
    """
    row = _locked(session, what, who)
    wait, idle = session.execute(
        select(
            func.extract("epoch", Attempt.free_at - func.clock_timestamp()),
            Attempt.tried_at < func.clock_timestamp() - FORGOTTEN_AFTER,
        ).where(Attempt.key == row.key)
    ).one()
    if wait > 0:
        raise RefusedError("too_many_attempts", seconds=max(1, math.ceil(wait)))
    failures = 1 if idle else row.failures + 1
    _write(session, row, failures, bound.wait(failures))


def forgive(session: Session, what: str, who: str, one: bool = False) -> None:
    """The try succeeded: forget the failures, or with ``one`` only that this was counted."""
    row = _locked(session, what, who)
    _write(session, row, max(0, row.failures - 1) if one else 0, 0.0)


def meter(session: Session, what: str, who: str, most: int, seconds: float) -> None:
    """Count one of at most ``most`` in ``seconds``.

    Raises :class:`RefusedError` (``too_many_requests``) beyond that.
    """
    row = _locked(session, what, who)
    left = session.execute(
        select(func.extract("epoch", Attempt.free_at - func.clock_timestamp())).where(
            Attempt.key == row.key
        )
    ).scalar_one()
    if left <= 0:
        _write(session, row, 1, seconds)
    elif row.failures >= most:
        raise RefusedError("too_many_requests", seconds=max(1, math.ceil(left)))
    else:
        _write(session, row, row.failures + 1, float(left))


def sweep(session: Session) -> None:
    """Forget what was not tried for a day."""
    old = Attempt.tried_at < func.clock_timestamp() - FORGOTTEN_AFTER
    session.execute(delete(Attempt).where(old))


def network(address: str | None) -> str:
    """Whom an address stands for: itself, or for IPv6 the /64 that one subscriber has."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(IPv6Address(int(found) >> 64 << 64))
    return str(found)


def _locked(session: Session, what: str, who: str) -> Attempt:
    # Hashed: people type passwords where a name belongs.
    key = hashlib.sha256(f"{what}\0{who}".encode("utf-8", "replace")).digest()
    session.execute(upsert(Attempt).values(key=key).on_conflict_do_nothing())
    return session.execute(
        select(Attempt)
        .where(Attempt.key == key)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one()


def _write(session: Session, row: Attempt, failures: int, wait: float) -> None:
    now = func.clock_timestamp()
    session.execute(
        update(Attempt)
        .where(Attempt.key == row.key)
        .values(failures=failures, tried_at=now, free_at=now + timedelta(seconds=wait))
        .execution_options(synchronize_session=False)
    )
