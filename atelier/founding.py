"""People, by whoever has the studio's database: how the first administrator comes to be, and how
one who lost a password or a phone comes back. Having the database is the authority for it.
"""

from __future__ import annotations

from atelier.errors import StudioError
from atelier.in_use import opened, running
from jobs.settings import Settings

CONSOLE = "console"


def invite(settings: Settings, role: str, days: int, note: str, reason: str = "") -> dict[str, str]:
    """An invitation, as the API answers it."""
    from jobs.access import people
    from jobs.refusals import RefusedError

    settings, address = running(settings)
    with opened(settings) as database, database.begin() as session:
        try:
            row, secret = people.invite(session, role, days, note, CONSOLE, reason)
        except RefusedError as refused:
            raise StudioError(words(refused)) from None
        return {
            "id": str(row.id),
            "role": row.role,
            "note": row.note,
            "expires_at": row.expires_at.isoformat(),
            "url": f"{address}/invitations/{secret}",
        }


def create(settings: Settings, name: str, password: str, role: str) -> dict[str, str]:
    """A person with a password."""
    from jobs.access import people
    from jobs.access.roles import Role
    from jobs.refusals import RefusedError

    settings, _ = running(settings)
    with opened(settings) as database, database.begin() as session:
        try:
            id_ = people.create(session, name, password, Role(role), by=CONSOLE)
        except RefusedError as refused:
            raise StudioError(words(refused)) from None
        return {"id": str(id_), "name": name, "role": role}


def reset(settings: Settings, name: str, second_factor: bool, reason: str = "") -> str:
    """An address where this person sets a new password, once."""
    from jobs.access import people
    from jobs.refusals import RefusedError

    settings, address = running(settings)
    with opened(settings) as database, database.begin() as session:
        try:
            owner = people.by_name(session, name)
            secret = people.make_reset(session, owner.id, CONSOLE, second_factor, reason)
        except RefusedError as refused:
            raise StudioError(words(refused)) from None
        return f"{address}/reset/{secret}"


def change_role(settings: Settings, name: str, role: str, reason: str = "") -> dict[str, str]:
    """Somebody as an artist or an administrator."""
    from jobs.access import people
    from jobs.refusals import RefusedError

    settings, _ = running(settings)
    with opened(settings) as database, database.begin() as session:
        try:
            owner = people.by_name(session, name)
            people.change_role(session, owner.id, role, CONSOLE, reason)
        except RefusedError as refused:
            raise StudioError(words(refused)) from None
        return {"id": str(owner.id), "name": owner.name, "role": role}


def narrow_tokens(settings: Settings, name: str, access: str, reason: str = "") -> int:
    """Tokens of somebody that reach no further from now on; how many did."""
    from jobs.access import people
    from jobs.access.roles import Access
    from jobs.refusals import RefusedError

    settings, _ = running(settings)
    with opened(settings) as database, database.begin() as session:
        try:
            owner = people.by_name(session, name)
        except RefusedError as refused:
            raise StudioError(words(refused)) from None
        return people.narrow_tokens(session, owner.id, Access(access), CONSOLE, reason)


def words(refused: Exception) -> str:
    """A refusal as the API would tell it in English."""
    from jobs.refusals import FAULTS, RefusedError

    assert isinstance(refused, RefusedError)
    lines = [refused.refusal.title % refused.values]
    lines += [f"  {fault.pointer}: {FAULTS[fault.code] % fault.values}" for fault in refused.faults]
    return "\n".join([*lines, refused.refusal.hint % refused.values])
