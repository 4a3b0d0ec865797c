"""The people of a studio: invited, changing what is theirs, limited, disabled.

Whoever may open the database may make an administrator here: that is the authority of the
commands on the studio's own machine.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from jobs import quotas
from jobs.access import accounts, passwords
from jobs.access.roles import Access, Role
from jobs.ids import new_id
from jobs.models import Invitation, Owner, OwnerShare
from jobs.moves import lock_shares
from jobs.records import audit
from jobs.records.audit import Action
from jobs.refusals import Fault, RefusedError

INVITATION_DAYS = range(1, 31)
# Who changes something: a person, or the name of what acts for none.
By = UUID | str
RESET_LIFETIME = timedelta(hours=24)
LANGUAGES = ("en", "zh")
# Until then, that is for good, nothing of a disabled person is started.
FOREVER = datetime.fromisoformat("9999-01-01T00:00:00+00:00")


def make_reset(
    session: Session,
    owner_id: UUID,
    by: By,
    drop_second_factor: bool = False,
    reason: str = "",
) -> str:
    """A secret with which its holder sets this person's password, once, within a day; with
    ``drop_second_factor`` that also turns theirs off. Until it is used nothing opens that did not.

    Raises :class:`RefusedError` (``account_closed``).
    """
    owner = get(session, owner_id)
    if owner.disabled_at is not None:
        raise RefusedError("account_closed", name=owner.name)
    told = {"drops_second_factor": drop_second_factor}
    audit.record(session, by, Action.PERSON_RESET, str(owner_id), reason=reason, after=told)
    accounts.revoke_all(session, owner.id, "reset")
    does = accounts.DROPS_SECOND_FACTOR if drop_second_factor else ""
    return accounts.issue(session, owner.id, "reset", RESET_LIFETIME, name=does)


def invite(
    session: Session, role: str, days: int, note: str, by: By, reason: str = ""
) -> tuple[Invitation, str]:
    """An invitation, and the secret of its link, which is shown once.

    Raises :class:`RefusedError`.
    """
    faults = []
    if role not in list(Role):
        values = {"value": role, "expected": ", ".join(Role)}
        faults.append(Fault("/role", "not_one_of", values))
    if days not in INVITATION_DAYS:
        limits = {"value": days, "low": INVITATION_DAYS[0], "high": INVITATION_DAYS[-1]}
        faults.append(Fault("/days", "out_of_range", limits))
    if len(note) > accounts.MAX_NAME_LENGTH:
        limits = {"value": len(note), "limit": accounts.MAX_NAME_LENGTH}
        faults.append(Fault("/note", "bad_length", limits))
    if faults:
        raise RefusedError("invalid", faults=faults)
    secret = secrets.token_urlsafe(32)
    row = session.execute(
        insert(Invitation)
        .values(
            id=new_id(),
            sha256=accounts.hashed(secret),
            role=role,
            note=note,
            invited_by=by if isinstance(by, UUID) else None,
            expires_at=func.clock_timestamp() + timedelta(days=days),
        )
        .returning(Invitation)
    ).scalar_one()
    told = {"role": role, "note": note, "expires_at": row.expires_at.isoformat()}
    audit.record(session, by, Action.PERSON_INVITED, str(row.id), reason=reason, after=told)
    return row, secret


def invitation(session: Session, secret: str) -> Invitation:
    """The invitation of a link. Raises :class:`RefusedError` (``link_spent``)."""
    found = session.execute(
        select(Invitation)
        .where(
            Invitation.sha256 == accounts.hashed(secret),
            Invitation.expires_at > func.clock_timestamp(),
        )
        .with_for_update()
    ).scalar_one_or_none()
    if found is None:
        raise RefusedError("link_spent")
    return found


def accept(session: Session, secret: str, name: str, password: str) -> UUID:
    """Become a person of the studio; the invitation is gone. Raises :class:`RefusedError`."""
    found = invitation(session, secret)
    owner_id = create(session, name, password, Role(found.role), by=None)
    session.execute(delete(Invitation).where(Invitation.id == found.id))
    told = {"role": found.role, "invitation": str(found.id)}
    audit.record(session, owner_id, Action.PERSON_CREATED, str(owner_id), after=told)
    return owner_id


def create(session: Session, name: str, password: str, role: Role, by: By | None) -> UUID:
    """A new person. Raises :class:`RefusedError` when name or password cannot be used."""
    passwords.check(password, name)
    id_ = new_id()
    row = {"id": id_, "name": free_name(session, name), "role": str(role)}
    session.execute(insert(Owner).values(**row, password=passwords.hashed(password)))
    if by is not None:
        audit.record(session, by, Action.PERSON_CREATED, str(id_), after={"role": str(role)})
    return id_


def free_name(session: Session, name: str, but: UUID | None = None) -> str:
    """``name`` as it is kept, if nobody else has it in any case. Raises :class:`RefusedError`."""
    kept = " ".join(unicodedata.normalize("NFC", name).split())
    if not 0 < len(kept) <= accounts.MAX_NAME_LENGTH:
        limits = {"value": len(kept), "limit": accounts.MAX_NAME_LENGTH}
        raise RefusedError("invalid", faults=[Fault("/name", "bad_length", limits)])
    if any(unicodedata.category(char)[0] == "C" for char in kept):
        raise RefusedError("invalid", faults=[Fault("/name", "unprintable")])
    if fold(kept) in accounts.RESERVED_NAMES and not _is_called(session, but, kept):
        raise RefusedError("invalid", faults=[Fault("/name", "name_reserved", {"value": kept})])
    # Two who choose one name at once: the second waits here and is then refused.
    lock = func.hashtextextended(f"name/{fold(kept)}", 0)
    session.execute(select(func.pg_advisory_xact_lock(lock)))
    holder = named(session, kept)
    if holder is not None and holder.id != but:
        raise RefusedError("invalid", faults=[Fault("/name", "name_taken", {"value": kept})])
    return kept


def _is_called(session: Session, owner_id: UUID | None, name: str) -> bool:
    return owner_id is not None and get(session, owner_id).name == name


def change_profile(
    session: Session, owner_id: UUID, name: str | None, language: str | None
) -> None:
    """Another name, another language ("" for the browser's). Raises :class:`RefusedError`."""
    owner = get(session, owner_id)
    if name is not None:
        owner.name = free_name(session, name, but=owner_id)
    if language is not None:
        if language not in ("", *LANGUAGES):
            values = {"value": language, "expected": ", ".join(LANGUAGES)}
            raise RefusedError("invalid", faults=[Fault("/language", "not_one_of", values)])
        owner.language = language or None


def get(session: Session, owner_id: UUID) -> Owner:
    """A person. Raises :class:`RefusedError` (``unknown_person``)."""
    found = session.get(Owner, owner_id)
    if found is None:
        raise RefusedError("unknown_person")
    return found


def by_name(session: Session, name: str) -> Owner:
    """The person of that name. Raises :class:`RefusedError` (``unknown_person``)."""
    found = named(session, name)
    if found is None:
        raise RefusedError("unknown_person")
    return found


def everybody(session: Session) -> list[Owner]:
    """Every person, by name."""
    return list(session.execute(select(Owner).order_by(func.lower(Owner.name))).scalars())


def invitations(session: Session) -> list[Invitation]:
    """Invitations that nobody has accepted yet, the newest first."""
    open_ = Invitation.expires_at > func.clock_timestamp()
    query = select(Invitation).where(open_).order_by(Invitation.created_at.desc())
    return list(session.execute(query).scalars())


def withdraw(session: Session, invitation_id: UUID, by: By, reason: str = "") -> None:
    """Take an invitation back. Raises :class:`RefusedError` (``unknown_invitation``)."""
    gone = delete(Invitation).where(Invitation.id == invitation_id).returning(Invitation.id)
    if session.execute(gone).first() is None:
        raise RefusedError("unknown_invitation")
    audit.record(session, by, Action.PERSON_UNINVITED, str(invitation_id), reason=reason)


def change_role(session: Session, owner_id: UUID, role: str, by: By, reason: str = "") -> None:
    """Make somebody an artist or an administrator. The last administrator stays one."""
    if role not in list(Role):
        values = {"value": role, "expected": ", ".join(Role)}
        raise RefusedError("invalid", faults=[Fault("/role", "not_one_of", values)])
    owner = get(session, owner_id)
    if role != Role.ADMINISTRATOR:
        _check_not_last(session, owner)
    before, after = {"role": owner.role}, {"role": role}
    if before != after:
        change = {"before": before, "after": after}
        audit.record(session, by, Action.PERSON_ROLE, str(owner_id), reason=reason, **change)
    owner.role = role
    if role != Role.ADMINISTRATOR:
        _take_back_links(session, owner_id, by)


def narrow_tokens(
    session: Session, owner_id: UUID, access: Access, by: By, reason: str = ""
) -> int:
    """Let a person's tokens for programs reach no further than ``access``; how many did."""
    names = accounts.narrow(session, owner_id, access)
    if names:
        told = {"access": str(access), "tokens": sorted(names)}
        audit.record(session, by, Action.PERSON_TOKENS, str(owner_id), reason=reason, after=told)
    return len(names)


def change_limits(
    session: Session,
    owner_id: UUID,
    changes: Mapping[str, float | None],
    by: By,
    reason: str = "",
) -> None:
    """Set a person's own limits; None gives back the studio's. Raises :class:`RefusedError`."""
    owner = get(session, owner_id)
    before = {name: getattr(owner, name) for name in changes}
    quotas.change(session, owner_id, changes)
    if before != dict(changes):
        change = {"before": before, "after": dict(changes)}
        audit.record(session, by, Action.PERSON_LIMITS, str(owner_id), reason=reason, **change)


def disable(session: Session, owner_id: UUID, by: By, reason: str = "") -> None:
    """Close an account: sessions and tokens end, no share link counts, nor any link by which they
    let others in. Works and jobs stay; what runs finishes, what waits is not started. The last
    administrator stays.
    """
    lock_shares(session, owner_id)
    owner = get(session, owner_id)
    _check_not_last(session, owner)
    if owner.disabled_at is None:
        audit.record(session, by, Action.PERSON_DISABLED, str(owner_id), reason=reason)
    owner.disabled_at = owner.disabled_at or session.execute(select(func.now())).scalar_one()
    # Tokens too: what fell into other hands must not count again once the account is opened.
    accounts.revoke_all(session, owner_id, "session", "half", "login", "reset", "api")
    _take_back_links(session, owner_id, by)
    _rest(session, owner_id, FOREVER)


def enable(session: Session, owner_id: UUID, by: By, reason: str = "") -> None:
    """Open a disabled account again."""
    lock_shares(session, owner_id)
    owner = get(session, owner_id)
    if owner.disabled_at is not None:
        audit.record(session, by, Action.PERSON_ENABLED, str(owner_id), reason=reason)
    owner.disabled_at = None
    _rest(session, owner_id, None)


def _take_back_links(session: Session, owner_id: UUID, by: By) -> None:
    """Take back what somebody made as an administrator that would still let others in: their
    invitations, and their links that set a password."""
    mine = delete(Invitation).where(Invitation.invited_by == owner_id)
    for invitation_id in session.scalars(mine.returning(Invitation.id)):
        audit.record(session, by, Action.PERSON_UNINVITED, str(invitation_id))
    for person_id in audit.last_targets(session, owner_id, Action.PERSON_RESET, RESET_LIFETIME):
        accounts.revoke_all(session, UUID(person_id), "reset")


def _rest(session: Session, owner_id: UUID, until: datetime | None) -> None:
    shares = update(OwnerShare).where(OwnerShare.owner_id == owner_id)
    how = {"synchronize_session": False}
    session.execute(shares.values(rest_until=until).execution_options(**how))


def _check_not_last(session: Session, owner: Owner) -> None:
    if owner.role != Role.ADMINISTRATOR or owner.disabled_at is not None:
        return
    # All of them are locked: two who step down at once must not both succeed.
    active = (Owner.role == str(Role.ADMINISTRATOR)) & Owner.disabled_at.is_(None)
    query = select(Owner.id).where(active).order_by(Owner.id).with_for_update(key_share=True)
    if len(session.execute(query).all()) < 2:
        raise RefusedError("last_administrator")


def named(session: Session, name: str) -> Owner | None:
    """The person of that name, in any case; None when there is none."""
    # Compared here, not in the database, whose small letters differ for some (the Greek final
    # sigma, the dotted I): who is let in, who signs in and whose tries count is one question.
    wanted = fold(name)
    known = session.execute(select(Owner.id, Owner.name))
    found = next((row.id for row in known if fold(row.name) == wanted), None)
    return session.get(Owner, found) if found is not None else None


def fold(name: str) -> str:
    """What two names share that are one."""
    return " ".join(unicodedata.normalize("NFC", name).split()).lower()
