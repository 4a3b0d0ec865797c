"""Signing in: a password, a second factor, and bounds on guessing either."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs import attempts
from jobs.access import accounts, passwords, people, second_factor
from jobs.access.accounts import Asker
from jobs.database import Database
from jobs.models import Owner, Token
from jobs.refusals import Fault, RefusedError

# What lets somebody in, or sets a password: gone with the password it came from.
ENTRANCES: tuple[accounts.Scope, ...] = ("session", "half", "login", "reset")


@dataclass(frozen=True)
class Proof:
    """What a right password earns: a session, or half a one when a code is still to come."""

    owner_id: UUID
    secret: str
    is_half: bool


def sign_in(database: Database, name: str, password: str, address: str) -> Proof:
    """Prove a password. Raises :class:`RefusedError`: ``wrong_password`` whatever was wrong, and
    ``too_many_attempts``. ``address`` is whom the bound on guessing counts, beside the account.
    """
    account = people.fold(name)
    with database.begin() as session:
        attempts.begin(session, "address", address, attempts.ADDRESS)
        attempts.begin(session, "account", account, attempts.ACCOUNT)
    with database.begin() as session:
        owner = people.named(session, name)
    stored = owner.password if owner is not None and owner.disabled_at is None else None
    if not passwords.matches(stored, password) or owner is None or stored is None:
        raise RefusedError("wrong_password")
    with database.begin() as session:
        now = accounts.held(session, owner.id)
        if now.password != stored or now.disabled_at is not None:  # changed while it was checked
            raise RefusedError("wrong_password")
        attempts.forgive(session, "address", address, one=True)
        attempts.forgive(session, "account", account)
        if passwords.is_outdated(stored):
            _set_password(session, owner.id, password)
        half = now.totp_secret is not None
        return Proof(owner.id, _begin_session(session, owner.id, half), half)


def finish_sign_in(database: Database, half: str, code: str) -> Proof:
    """Prove the second factor. Raises :class:`RefusedError`: ``sign_in_again`` when the first is
    too long ago, ``wrong_code``, ``too_many_attempts``.
    """
    with database.begin() as session:
        asker = accounts.asker(session, half, "half")
        if asker is None:
            raise RefusedError("sign_in_again")
    prove_code(database, asker.owner_id, code)
    with database.begin() as session:
        accounts.held(session, asker.owner_id)
        if accounts.spend(session, half, "half") is None:
            raise RefusedError("sign_in_again")
        secret = _begin_session(session, asker.owner_id, half=False)
        return Proof(asker.owner_id, secret, is_half=False)


def prove_code(database: Database, owner_id: UUID, code: str) -> None:
    """Ask for a code of the second factor; tries are bounded. Raises :class:`RefusedError`."""
    with database.begin() as session:
        attempts.begin(session, "code", str(owner_id), attempts.CODE)
    with database.begin() as session:
        if not second_factor.proves(session, owner_id, code):
            raise RefusedError("wrong_code")
        attempts.forgive(session, "code", str(owner_id))


def prove_password(database: Database, owner_id: UUID, password: str) -> str:
    """Ask again for the password of somebody signed in; its stored hash. Tries are bounded as at
    the sign-in, but counted apart from it: strangers who guess there keep nobody from their own
    account.

    Raises :class:`RefusedError`; ``no_password`` for whoever never had one (the owner of a local
    studio): a token alone must not make the account another's.
    """
    with database.begin() as session:
        owner = people.get(session, owner_id)
        if owner.password is None:
            raise RefusedError("no_password", name=owner.name)
        attempts.begin(session, "own password", str(owner_id), attempts.ACCOUNT)
    if not passwords.matches(owner.password, password):
        fault = Fault("/current_password", "wrong_password")
        raise RefusedError("invalid", faults=[fault])
    with database.begin() as session:
        attempts.forgive(session, "own password", str(owner_id))
    return owner.password


def change_password(
    database: Database, by: Asker, current: str, new: str, end_tokens: bool = False
) -> None:
    """Set another password; every other session ends, and with ``end_tokens`` every other token
    for programs. Raises :class:`RefusedError`.
    """
    passwords.check(new, by.name, "/new_password")
    proved = prove_password(database, by.owner_id, current)
    with database.begin() as session:
        if accounts.held(session, by.owner_id).password != proved:  # changed while it was checked
            fault = Fault("/current_password", "wrong_password")
            raise RefusedError("invalid", faults=[fault])
        _set_password(session, by.owner_id, new)
        gone: tuple[accounts.Scope, ...] = ("api",) if end_tokens else ()
        accounts.revoke_all(session, by.owner_id, *ENTRANCES, *gone, but=by.token_id)


def reset_password(session: Session, secret: str, new: str) -> UUID:
    """Set a password with a link that an administrator made, and turn the second factor off where
    the link says so; every session and token ends, as whoever needs such a link cannot know who has
    them.

    Raises :class:`RefusedError`: ``link_spent``, or what is wrong with the password.
    """
    asker = accounts.asker(session, secret, "reset")
    if asker is None:
        raise RefusedError("link_spent")
    passwords.check(new, asker.name)
    does = session.scalar(select(Token.name).where(Token.id == asker.token_id))
    if accounts.spend(session, secret, "reset") is None:  # another has used it in this moment
        raise RefusedError("link_spent")
    if does == accounts.DROPS_SECOND_FACTOR:
        second_factor.remove(session, asker.owner_id)
    _set_password(session, asker.owner_id, new)
    accounts.revoke_all(session, asker.owner_id, *ENTRANCES, "api")
    attempts.forgive(session, "account", people.fold(asker.name))
    return asker.owner_id


def _begin_session(session: Session, owner_id: UUID, half: bool) -> str:
    if half:
        return accounts.issue(session, owner_id, "half", accounts.HALF_LIFETIME)
    return accounts.issue(session, owner_id, "session", accounts.SESSION_LIFETIME)


def _set_password(session: Session, owner_id: UUID, password: str) -> None:
    row = update(Owner).where(Owner.id == owner_id)
    # A second factor that was begun with another password is not to be confirmed with this one.
    session.execute(row.values(password=passwords.hashed(password), totp_pending=None))
