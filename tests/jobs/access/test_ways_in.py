"""Ways into an account that end, and who the owner of a local studio is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobs.access import accounts, passwords, people, signing_in
from jobs.access.roles import Role
from jobs.database import Database
from jobs.refusals import RefusedError

OLD, NEW, OTHER = (f"a horse reads the {thing}" for thing in ("battery", "staple", "clouds"))


@pytest.fixture
def meanwhile(
    workshop: Database, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[], None]], None]:
    """Lets something happen once, while a password is being checked."""

    def happens(what: Callable[[], None]) -> None:
        matches, due = passwords.matches, [what]

        def checked(stored: str | None, given: str) -> bool:
            if due:
                due.pop()()
            return matches(stored, given)

        monkeypatch.setattr(passwords, "matches", checked)

    return happens


def ada(workshop: Database) -> accounts.Asker:
    """Somebody with a password, and a session."""
    with workshop.begin() as session:
        id_ = people.create(session, "Ada", OLD, Role.ARTIST, by=None)
        secret = accounts.issue(session, id_, "session", accounts.SESSION_LIFETIME)
        asker = accounts.asker(session, secret, "session")
    assert asker is not None
    return asker


def reset(workshop: Database, asker: accounts.Asker) -> None:
    with workshop.begin() as session:
        secret = people.make_reset(session, asker.owner_id, by="console")
        signing_in.reset_password(session, secret, NEW)


def disable(workshop: Database, asker: accounts.Asker) -> None:
    with workshop.begin() as session:
        people.disable(session, asker.owner_id, by="console")


@pytest.mark.parametrize("end", [reset, disable])
def test_who_is_shut_out_while_their_password_is_checked_does_not_come_in(
    workshop: Database,
    meanwhile: Callable[[Callable[[], None]], None],
    end: Callable[[Database, accounts.Asker], None],
) -> None:
    asker = ada(workshop)
    meanwhile(lambda: end(workshop, asker))
    with pytest.raises(RefusedError, match="wrong_password"):
        signing_in.sign_in(workshop, "Ada", OLD, "192.0.2.1")
    with workshop.begin() as session:
        assert accounts.listed(session, asker.owner_id, "session") == []


def test_an_old_password_does_not_replace_the_one_that_a_link_has_just_set(
    workshop: Database, meanwhile: Callable[[Callable[[], None]], None]
) -> None:
    asker = ada(workshop)
    meanwhile(lambda: reset(workshop, asker))
    with pytest.raises(RefusedError):
        signing_in.change_password(workshop, asker, OLD, OTHER)
    with workshop.begin() as session:
        assert passwords.matches(people.get(session, asker.owner_id).password, NEW)


def test_a_session_that_has_ended_makes_no_token(workshop: Database) -> None:
    asker = ada(workshop)
    reset(workshop, asker)
    with pytest.raises(RefusedError, match="unauthenticated"), workshop.begin() as session:
        accounts.make_token(session, asker, "one more", "write", 7)


def test_a_link_turns_the_second_factor_off_once_it_is_used(workshop: Database) -> None:
    """Until then the password of before opens nothing alone."""
    asker = ada(workshop)
    with workshop.begin() as session:
        people.get(session, asker.owner_id).totp_secret = "A" * 32
        secret = people.make_reset(session, asker.owner_id, "console", drop_second_factor=True)
    assert signing_in.sign_in(workshop, "Ada", OLD, "192.0.2.1").is_half
    with workshop.begin() as session:
        signing_in.reset_password(session, secret, NEW)
    assert not signing_in.sign_in(workshop, "Ada", NEW, "192.0.2.1").is_half


def test_no_link_for_a_password_is_made_for_a_closed_account(workshop: Database) -> None:
    asker = ada(workshop)
    disable(workshop, asker)
    with pytest.raises(RefusedError, match="account_closed"), workshop.begin() as session:
        people.make_reset(session, asker.owner_id, by="console")


def test_the_owner_of_a_local_studio_stays_who_they_are_under_another_name(
    workshop: Database,
) -> None:
    with workshop.begin() as session:
        owner = accounts.local_owner(session)
        people.change_profile(session, owner, "Grace", None)
    with workshop.begin() as session:
        assert accounts.local_owner(session) == owner
        assert [person.name for person in people.everybody(session)] == ["Grace"]


@pytest.mark.parametrize("name", ["local", "Keeper", " console "])
def test_nobody_is_called_like_what_acts_for_no_person(workshop: Database, name: str) -> None:
    asker = ada(workshop)
    with pytest.raises(RefusedError) as told, workshop.begin() as session:
        people.change_profile(session, asker.owner_id, name, None)
    assert [fault.code for fault in told.value.faults] == ["name_reserved"]
    with workshop.begin() as session:
        owner = accounts.local_owner(session)
        people.change_profile(session, owner, "local", "zh")
