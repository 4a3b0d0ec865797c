"""Who somebody is: owners and the tokens that prove them. Secrets are stored hashed."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from jobs.ids import new_id
from jobs.models import Owner, Token
from jobs.roles import Role

Scope = Literal["api", "session", "login", "metrics"]
LOCAL_OWNER = "local"


@dataclass(frozen=True)
class Asker:
    """Whom a secret proves, and in which role they ask."""

    owner_id: UUID
    role: Role

    @property
    def is_administrator(self) -> bool:
        """Whether they may do what administrators do."""
        return self.role is Role.ADMINISTRATOR


def local_owner(session: Session) -> UUID:
    """The one owner of a local studio and its administrator, made at its first use."""
    values = {"id": new_id(), "name": LOCAL_OWNER, "role": str(Role.ADMINISTRATOR)}
    session.execute(upsert(Owner).values(values).on_conflict_do_nothing())
    return session.execute(select(Owner.id).where(Owner.name == LOCAL_OWNER)).scalar_one()


def issue(session: Session, owner_id: UUID, scope: Scope, lifetime: timedelta) -> str:
    """A new token of 256 random bits; this is the only time it can be seen."""
    secret = secrets.token_urlsafe(32)
    session.execute(
        insert(Token).values(
            sha256=_hashed(secret),
            owner_id=owner_id,
            scope=scope,
            expires_at=func.clock_timestamp() + lifetime,
        )
    )
    return secret


def asker(session: Session, secret: str, scope: Scope) -> Asker | None:
    """Whom a token proves, or None when it is unknown, expired or of another scope."""
    found = session.execute(
        select(Owner.id, Owner.role)
        .join(Token, Token.owner_id == Owner.id)
        .where(
            Token.sha256 == _hashed(secret),
            Token.scope == scope,
            Token.expires_at > func.clock_timestamp(),
        )
    ).one_or_none()
    return None if found is None else Asker(found.id, Role(found.role))


def spend_login(session: Session, secret: str) -> UUID | None:
    """Whom a one-time login token proves; it is gone afterwards."""
    return session.execute(
        delete(Token)
        .where(
            Token.sha256 == _hashed(secret),
            Token.scope == "login",
            Token.expires_at > func.clock_timestamp(),
        )
        .returning(Token.owner_id)
    ).scalar_one_or_none()


def revoke(session: Session, secret: str) -> None:
    """Forget a token."""
    session.execute(delete(Token).where(Token.sha256 == _hashed(secret)))


def _hashed(secret: str) -> bytes:
    # A plain hash is enough for 256 random bits: there is nothing to guess.
    return hashlib.sha256(secret.encode()).digest()
