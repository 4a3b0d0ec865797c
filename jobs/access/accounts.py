"""The secrets that prove who somebody is. They are shown once and stored hashed."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from jobs.access.roles import Access, Role
from jobs.ids import new_id
from jobs.models import Owner, Token
from jobs.refusals import Fault, RefusedError

Scope = Literal["api", "session", "login", "metrics", "reset", "half"]
LOCAL_OWNER = "local"
# Who acts in the records for no person: none may look like one of these.
RESERVED_NAMES = frozenset({LOCAL_OWNER, "keeper", "console"})
SESSION_LIFETIME = timedelta(days=30)
HALF_LIFETIME = timedelta(minutes=5)
# When a secret was last used is written at most this often: asking must not become writing.
USED_EVERY = timedelta(minutes=1)
MAX_NAME_LENGTH = 64
TOKEN_DAYS = range(1, 367)
MAX_TOKENS = 100
# The name of a link for a password that also turns the second factor off.
DROPS_SECOND_FACTOR = "drops the second factor"


@dataclass(frozen=True)
class Asker:
    """Whom a secret proves, in which role they ask, and how far the secret reaches."""

    owner_id: UUID
    role: Role
    access: Access
    token_id: UUID
    name: str

    @property
    def is_administrator(self) -> bool:
        """Whether they may do what administrators do, with this secret."""
        return self.role is Role.ADMINISTRATOR and self.access is Access.ADMIN


def local_owner(session: Session) -> UUID:
    """The one owner of a local studio and its administrator, made at its first use. They may call
    themselves otherwise and stay who they are."""
    marked = select(Owner.id).where(Owner.local)
    found = session.scalar(marked)
    if found is not None:
        return found
    values = {"id": new_id(), "name": LOCAL_OWNER, "role": str(Role.ADMINISTRATOR), "local": True}
    session.execute(upsert(Owner).values(values).on_conflict_do_nothing())
    return session.execute(marked).scalar_one()


def issue(
    session: Session,
    owner_id: UUID,
    scope: Scope,
    lifetime: timedelta,
    access: Access = Access.ADMIN,
    name: str = "",
) -> str:
    """A new token of 256 random bits; this is the only time it can be seen."""
    secret = secrets.token_urlsafe(32)
    session.execute(
        insert(Token).values(
            sha256=hashed(secret),
            owner_id=owner_id,
            scope=scope,
            access=str(access),
            name=name,
            expires_at=func.clock_timestamp() + lifetime,
        )
    )
    return secret


def asker(session: Session, secret: str, scope: Scope) -> Asker | None:
    """Whom a token proves; None when it is unknown, expired, of another scope, or when its owner
    is disabled.
    """
    found = session.execute(
        select(
            *(Owner.id, Owner.name, Owner.role, Token.access, Token.id.label("token_id")),
            _long_unused().label("is_due"),
        )
        .join(Token, Token.owner_id == Owner.id)
        .where(_counts(secret, scope), Owner.disabled_at.is_(None))
    ).one_or_none()
    if found is None:
        return None
    if found.is_due:
        session.execute(
            update(Token)
            .where(Token.id == found.token_id, _long_unused())
            .values(used_at=func.clock_timestamp())
            .execution_options(synchronize_session=False)
        )
    return Asker(found.id, Role(found.role), Access(found.access), found.token_id, found.name)


def still_counts(session: Session, token_id: UUID) -> bool:
    """Whether a secret that proved somebody a while ago still does."""
    good = Token.expires_at > func.clock_timestamp()
    query = select(Token.id).join(Owner, Owner.id == Token.owner_id)
    wanted = query.where(Token.id == token_id, good, Owner.disabled_at.is_(None))
    return session.scalar(wanted) is not None


def spend(session: Session, secret: str, scope: Scope) -> UUID | None:
    """Whom a token that works once proves; it is gone afterwards."""
    return session.execute(
        delete(Token).where(_counts(secret, scope)).returning(Token.owner_id)
    ).scalar_one_or_none()


def revoke(session: Session, secret: str) -> None:
    """Forget a token."""
    session.execute(delete(Token).where(Token.sha256 == hashed(secret)))


def revoke_all(session: Session, owner_id: UUID, *scopes: Scope, but: UUID | None = None) -> None:
    """Forget every token of these scopes, except the one with the id ``but``."""
    gone = delete(Token).where(Token.owner_id == owner_id, Token.scope.in_(scopes))
    session.execute(gone if but is None else gone.where(Token.id != but))


def listed(session: Session, owner_id: UUID, scope: Scope) -> list[Token]:
    """An owner's tokens that still count, the newest first."""
    query = select(Token).where(
        Token.owner_id == owner_id,
        Token.scope == scope,
        Token.expires_at > func.clock_timestamp(),
    )
    return list(session.execute(query.order_by(Token.created_at.desc())).scalars())


def revoke_one(session: Session, owner_id: UUID, scope: Scope, token_id: UUID) -> None:
    """Forget a token by its id. Raises :class:`RefusedError` (``unknown_token``)."""
    mine = (Token.id == token_id) & (Token.owner_id == owner_id) & (Token.scope == scope)
    if session.execute(delete(Token).where(mine).returning(Token.id)).first() is None:
        raise RefusedError("unknown_token")


def narrow(session: Session, owner_id: UUID, access: Access) -> list[str]:
    """Let an owner's tokens for programs reach no further than ``access``; the names of those that
    did."""
    wider = [str(known) for known in Access if not access.includes(known)]
    theirs = (Token.owner_id == owner_id) & (Token.scope == "api") & Token.access.in_(wider)
    narrowed = update(Token).where(theirs).values(access=str(access)).returning(Token.name)
    how = {"synchronize_session": False}
    return list(session.scalars(narrowed.execution_options(**how)))


def make_token(session: Session, by: Asker, name: str, access: str, days: int) -> tuple[Token, str]:
    """An API token of the asker: its row, and the secret, which is shown once.

    It never reaches further than what it was asked with. Raises :class:`RefusedError`.
    """
    faults = []
    if not 0 < len(name.strip()) <= MAX_NAME_LENGTH:
        values = {"value": len(name.strip()), "limit": MAX_NAME_LENGTH}
        faults.append(Fault("/name", "bad_length", values))
    if days not in TOKEN_DAYS:
        limits = {"value": days, "low": TOKEN_DAYS[0], "high": TOKEN_DAYS[-1]}
        faults.append(Fault("/days", "out_of_range", limits))
    if access not in list(Access):
        expected = ", ".join(Access)
        faults.append(Fault("/access", "not_one_of", {"value": access, "expected": expected}))
    if faults:
        raise RefusedError("invalid", faults=faults)
    wanted = Access(access)
    if not by.access.includes(wanted):
        raise RefusedError("token_too_weak", access=str(wanted))
    if wanted is Access.ADMIN and not by.is_administrator:
        raise RefusedError("administrators_only")
    held(session, by.owner_id)
    if session.scalar(select(Token.id).where(Token.id == by.token_id)) is None:
        raise RefusedError("unauthenticated")  # what was asked with has just ended
    if len(listed(session, by.owner_id, "api")) >= MAX_TOKENS:
        raise RefusedError("too_many_tokens", limit=MAX_TOKENS)
    secret = issue(session, by.owner_id, "api", timedelta(days=days), wanted, name.strip())
    row = session.execute(select(Token).where(Token.sha256 == hashed(secret))).scalar_one()
    return row, secret


def held(session: Session, owner_id: UUID) -> Owner:
    """The person as they are now; nobody changes their account until the transaction ends.

    Whoever gives them a new way in holds them: whoever ends all ways in, and so changes the
    account, comes before, and is seen here, or after, and ends this one too.
    """
    query = select(Owner).where(Owner.id == owner_id).with_for_update(key_share=True)
    return session.execute(query.execution_options(populate_existing=True)).scalar_one()


def hashed(secret: str) -> bytes:
    """How a secret is stored. A plain hash is enough for 256 random bits: nothing to guess."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _long_unused() -> ColumnElement[bool]:
    return or_(Token.used_at.is_(None), Token.used_at < func.clock_timestamp() - USED_EVERY)


def _counts(secret: str, scope: Scope) -> Any:
    return (
        (Token.sha256 == hashed(secret))
        & (Token.scope == scope)
        & (Token.expires_at > func.clock_timestamp())
    )
