"""Administrators who are none any more: what they made to let others in ends with them."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from jobs.access.roles import Role
from jobs.records import audit
from tests.webui.quiet import Caller, Quiet, problem


def opens(quiet: Quiet, address: str) -> bool:
    """Whether a link still leads somewhere, for whoever has it."""
    path = "/" + address.split("/", 3)[3]
    return quiet.app.test_client().get(path, base_url=quiet.address).status_code == 200


@pytest.mark.parametrize("change", [{"role": "artist"}, {"disabled": True}])
def test_links_of_who_was_an_administrator_let_nobody_in(
    quiet: Quiet, administrator: Caller, caller: Caller, change: dict[str, object]
) -> None:
    gone = quiet.somebody(Role.ADMINISTRATOR)
    people = f"/admin/people/{caller.owner}"

    def link(by: Caller, path: str) -> str:
        return str(by.post(path, json={}).get_json()["url"])

    theirs = link(gone, "/admin/invitations")
    other = link(administrator, "/admin/invitations")
    reset = link(gone, f"{people}/reset")
    renewed = quiet.somebody()
    link(gone, f"/admin/people/{renewed.owner}/reset")
    kept = link(administrator, f"/admin/people/{renewed.owner}/reset")
    assert all(opens(quiet, address) for address in (theirs, other, reset, kept))
    address = f"/admin/people/{gone.owner}"
    assert administrator.ask("PATCH", address, json=change).status_code == 200
    assert [opens(quiet, address) for address in (theirs, reset)] == [False, False]
    assert [opens(quiet, address) for address in (other, kept)] == [True, True]
    with quiet.database.begin() as session:
        told = audit.page(session, audit.Filter(action="person.uninvited"), 1)
        left = text("SELECT count(*) FROM invitation WHERE invited_by = :gone")
        assert session.execute(left, {"gone": gone.owner}).scalar_one() == 0
    assert [row.actor_id for row in told] == [administrator.owner]


def test_each_change_of_a_person_is_written_down_with_its_reason(
    quiet: Quiet, administrator: Caller, caller: Caller
) -> None:
    address = f"/admin/people/{caller.owner}"
    for change in ({"role": "artist", "running_limit": 2}, {"disabled": True}, {"disabled": False}):
        told = administrator.ask("PATCH", address, json={**change, "reason": "on leave"})
        assert told.status_code == 200
    administrator.post(f"{address}/reset", json={"reason": "on leave"})
    made = administrator.post("/admin/invitations", json={"reason": "on leave"}).get_json()
    gone = administrator.ask("DELETE", f"/admin/invitations/{made['id']}?reason=on+leave")
    assert gone.status_code == 204
    with quiet.database.begin() as session:
        rows = audit.page(session, audit.Filter(actor_id=administrator.owner), 9)
    assert [(row.action, row.reason) for row in reversed(rows)] == [
        (f"person.{did}", "on leave")
        for did in ("limits", "disabled", "enabled", "reset", "invited", "uninvited")
    ]
    long = administrator.ask("PATCH", address, json={"disabled": True, "reason": "x" * 501})
    problem(long, 422, "invalid", "/reason")
