"""The second factor: codes that change with time (TOTP, RFC 6238), and recovery codes.

A code of one step before or after is taken, as RFC 6238 (5.2) advises, and each step's code only
once. Recovery codes hold 80 random bits, are stored hashed, and work once.
"""

from __future__ import annotations

import secrets
from base64 import b32encode
from uuid import UUID

import pyotp
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from jobs.access.accounts import hashed
from jobs.models import Owner, RecoveryCode
from jobs.refusals import Fault, RefusedError

STEP_SECONDS = 30
STEPS_OFF = (0, -1, 1)
RECOVERY_CODES = 10
ISSUER = "Atelier"


def begin(session: Session, owner_id: UUID) -> tuple[str, str]:
    """A new secret (base32) and its ``otpauth:`` address; it counts once a code confirms it, and
    is told in this answer alone: one that was begun before counts no more.

    Raises :class:`RefusedError` (``second_factor_on``) where there is one already.
    """
    owner = _owner(session, owner_id)
    if owner.totp_secret is not None:
        raise RefusedError("second_factor_on")
    owner.totp_pending = pyotp.random_base32()
    return owner.totp_pending, address(owner.totp_pending, owner.name)


def address(secret: str, name: str) -> str:
    """What an authenticator app reads from the QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def confirm(session: Session, owner_id: UUID, code: str) -> list[str]:
    """The first code: from now on one is asked for at every sign-in. Returns recovery codes.

    Raises :class:`RefusedError` when the code does not fit or there is nothing to confirm.
    """
    owner = _owner(session, owner_id)
    if owner.totp_secret is not None:
        raise RefusedError("second_factor_on")
    step = _step_of(session, owner.totp_pending, code)
    if step is None:
        raise RefusedError("invalid", faults=[Fault("/code", "wrong_code")])
    owner.totp_secret, owner.totp_pending, owner.totp_step = owner.totp_pending, None, step
    session.flush()
    return renew_recovery_codes(session, owner_id)


def remove(session: Session, owner_id: UUID) -> None:
    """Ask for the password alone again."""
    owner = _owner(session, owner_id)
    owner.totp_secret = owner.totp_pending = None
    session.execute(delete(RecoveryCode).where(RecoveryCode.owner_id == owner_id))


def renew_recovery_codes(session: Session, owner_id: UUID) -> list[str]:
    """Ten new codes, shown once; those of before no longer work."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.owner_id == owner_id))
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    rows = [{"owner_id": owner_id, "sha256": hashed(_bare(code))} for code in codes]
    session.execute(insert(RecoveryCode), rows)
    return codes


def recovery_codes_left(session: Session, owner_id: UUID) -> int:
    """How many recovery codes were not used yet."""
    query = select(func.count()).where(RecoveryCode.owner_id == owner_id)
    return int(session.execute(query).scalar_one())


def proves(session: Session, owner_id: UUID, code: str) -> bool:
    """Whether ``code`` is one of now, or a recovery code; either works once."""
    owner = _owner(session, owner_id)
    step = _step_of(session, owner.totp_secret, code)
    if step is not None:
        newer = (Owner.id == owner_id) & (Owner.totp_step < step)
        used = update(Owner).where(newer).values(totp_step=step).returning(Owner.id)
        return session.execute(used).first() is not None
    mine = (RecoveryCode.owner_id == owner_id) & (RecoveryCode.sha256 == hashed(_bare(code)))
    spent = session.execute(delete(RecoveryCode).where(mine).returning(RecoveryCode.owner_id))
    return owner.totp_secret is not None and spent.first() is not None


def _step_of(session: Session, secret: str | None, code: str) -> int | None:
    """The time step whose code this is, by the database's clock: web servers' clocks differ."""
    if secret is None:
        return None
    now = session.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one()
    current, totp = int(now) // STEP_SECONDS, pyotp.TOTP(secret)
    given = "".join(code.split())
    for off in STEPS_OFF:
        at = (current + off) * STEP_SECONDS
        if pyotp.utils.strings_equal(totp.at(at), given):
            return current + off
    return None


def _owner(session: Session, owner_id: UUID) -> Owner:
    query = select(Owner).where(Owner.id == owner_id).with_for_update(key_share=True)
    return session.execute(query).scalar_one()


def _recovery_code() -> str:
    text = b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def _bare(code: str) -> str:
    return "".join(code.split()).replace("-", "").lower()
