"""One's own account over the API: what a token may do, what one may have, what one shares."""

from __future__ import annotations

from uuid import UUID

import pyotp
import pytest
from sqlalchemy import insert, select

from jobs import attempts
from jobs.access import accounts, passwords, people, signing_in
from jobs.access.roles import Access
from jobs.ids import new_id
from jobs.models import File
from jobs.refusals import RefusedError
from tests.webui.quiet import Caller, Quiet, png, problem

PASSWORD = "a horse reads the battery staple"


def with_access(caller: Caller, access: Access) -> Caller:
    """The same person with a token that reaches only so far."""
    with caller.quiet.database.begin() as session:
        secret = accounts.issue(
            session, caller.owner, "api", accounts.SESSION_LIFETIME, access, "test"
        )
    return Caller(caller.quiet, caller.owner, secret)


def work_of(caller: Caller) -> str:
    """A picture that a job of this person made; its id."""
    job, id_ = caller.submit()["id"], new_id()
    with caller.quiet.database.begin() as session:
        sha256 = session.execute(select(File.sha256).where(File.id == UUID(caller.picture)))
        row = {"id": id_, "owner_id": caller.owner, "sha256": sha256.scalar_one(), "role": "result"}
        more = {"job_id": job, "name": "work.png", "media_type": "image/png"}
        session.execute(insert(File).values(**row, **more))
    return str(id_)


def test_one_sees_who_one_is_and_what_one_has(caller: Caller) -> None:
    caller.submit()
    me = caller.get("/me").get_json()
    assert (me["role"], me["access"], me["second_factor"]) == ("artist", "admin", False)
    assert me["limits"] == {"running": 4, "waiting": 10_000, "disk_bytes": None, "gpu_hours": None}
    assert (me["use"]["running"], me["use"]["waiting"]) == (0, 1)
    assert me["use"]["disk_bytes"] > 0


def test_a_token_that_only_looks_changes_nothing(caller: Caller) -> None:
    order = caller.order()
    reader = with_access(caller, Access.READ)
    assert reader.get("/jobs").status_code == 200
    for answer in (
        reader.post("/jobs", json=order),
        reader.post("/files"),
        reader.ask("PATCH", "/me", json={"name": "x"}),
        reader.post("/me/tokens", json={"name": "x", "access": "read"}),
        reader.ask("DELETE", f"/me/tokens/{new_id()}"),
    ):
        problem(answer, 403, "token_too_weak")
    assert caller.get("/jobs").get_json()["results"] == []


def test_a_token_makes_none_that_reaches_further(administrator: Caller) -> None:
    writer = with_access(administrator, Access.WRITE)
    problem(writer.post("/me/tokens", json={"name": "x", "access": "admin"}), 403, "token_too_weak")
    problem(writer.get("/workers"), 403, "token_too_weak")
    problem(writer.get("/admin/people"), 403, "token_too_weak")
    assert writer.post("/me/tokens", json={"name": "x", "access": "write"}).status_code == 201
    assert (
        administrator.post("/me/tokens", json={"name": "x", "access": "admin"}).status_code == 201
    )


def test_an_artist_has_no_token_for_administrators(caller: Caller) -> None:
    made = caller.post("/me/tokens", json={"name": "x", "access": "admin"})
    problem(made, 403, "administrators_only")
    problem(with_access(caller, Access.ADMIN).get("/admin/people"), 403, "administrators_only")


def test_a_token_is_listed_with_its_use_and_ended(caller: Caller) -> None:
    made = caller.post("/me/tokens", json={"name": "nightly", "days": 7}).get_json()
    other = Caller(caller.quiet, caller.owner, made["token"])

    def listed() -> list[dict[str, object]]:
        found = caller.get("/me/tokens").get_json()["results"]
        return [token for token in found if token["id"] == made["id"]]

    assert [token["used_at"] for token in listed()] == [None]
    assert other.get("/me").status_code == 200
    assert listed()[0]["used_at"]
    assert made["token"] not in str(listed())
    assert caller.ask("DELETE", f"/me/tokens/{made['id']}").status_code == 204
    problem(other.get("/me"), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * 65}, "/name"),
        ({"name": "x", "days": 0}, "/days"),
        ({"name": "x", "days": 367}, "/days"),
        ({"name": "x", "access": "root"}, "/access"),
        ({"name": "x", "scope": "admin"}, "/scope"),
    ],
)
def test_a_bad_token_is_refused_by_its_field(
    caller: Caller, body: dict[str, object], pointer: str
) -> None:
    problem(caller.post("/me/tokens", json=body), 422, "invalid", pointer)


def test_a_password_is_changed_with_the_one_of_now(quiet: Quiet, caller: Caller) -> None:
    with quiet.database.begin() as session:
        row = people.get(session, caller.owner)
        row.password = passwords.hashed(PASSWORD)
    other = with_access(caller, Access.READ)
    new = {"new_password": "correct zebra battery staple"}
    wrong = caller.post("/me/password", json={**new, "current_password": "not it"})
    problem(wrong, 422, "invalid", "/current_password")
    right = caller.post("/me/password", json={**new, "current_password": PASSWORD})
    assert right.status_code == 204
    assert other.get("/me").status_code == 200, "tokens end only where that is asked for"
    again = {"new_password": PASSWORD, "current_password": new["new_password"]}
    assert caller.post("/me/password", json={**again, "end_tokens": True}).status_code == 204
    problem(other.get("/me"), 401, "unauthenticated")
    assert caller.get("/me").status_code == 200, "the token that asks goes on"


def test_a_second_factor_is_turned_on_with_the_password_alone(quiet: Quiet, caller: Caller) -> None:
    with quiet.database.begin() as session:
        people.get(session, caller.owner).password = passwords.hashed(PASSWORD)
    for wrong in ({}, {"current_password": "not it"}):
        begun = caller.post("/me/second-factor", json=wrong)
        problem(begun, 422, "invalid", "/current_password")
    known = {"current_password": PASSWORD}
    secret = caller.post("/me/second-factor", json=known).get_json()["secret"]
    code = {"code": pyotp.TOTP(secret).now()}
    without = caller.post("/me/second-factor/confirm", json=code)
    problem(without, 422, "invalid", "/current_password")
    assert caller.get("/me").get_json()["second_factor"] is False
    on = caller.post("/me/second-factor/confirm", json={**known, **code})
    assert len(on.get_json()["recovery_codes"]) == 10
    answers = [
        caller.post("/me/recovery-codes", json={"current_password": str(number)}).status_code
        for number in range(7)
    ]
    assert (answers[:5], answers[-1]) == ([422] * 5, 429), "a password can be guessed here"


def test_a_second_factor_begun_with_another_password_is_not_confirmed(
    quiet: Quiet, caller: Caller
) -> None:
    new = "correct zebra battery staple"
    with quiet.database.begin() as session:
        people.get(session, caller.owner).password = passwords.hashed(PASSWORD)
    known = {"current_password": PASSWORD}
    first, second = (
        caller.post("/me/second-factor", json=known).get_json()["secret"] for _ in range(2)
    )
    assert first != second, "a secret that somebody has seen is told again"
    assert caller.post("/me/password", json={**known, "new_password": new}).status_code == 204
    with quiet.database.begin() as session:
        assert people.get(session, caller.owner).totp_pending is None
    code = {"code": pyotp.TOTP(second).now(), "current_password": new}
    problem(caller.post("/me/second-factor/confirm", json=code), 422, "invalid", "/code")


def test_who_guesses_at_the_sign_in_keeps_nobody_from_their_own_account(
    quiet: Quiet, caller: Caller
) -> None:
    with quiet.database.begin() as session:
        people.get(session, caller.owner).password = passwords.hashed(PASSWORD)
        bound = attempts.Bound(free=-10, longest=300.0)  # as after many guesses
        attempts.begin(session, "account", people.fold(str(caller.owner)), bound)
    with pytest.raises(RefusedError, match="too_many_attempts"):
        signing_in.sign_in(quiet.database, str(caller.owner), "guess", "198.51.100.7")
    begun = caller.post("/me/second-factor", json={"current_password": PASSWORD})
    assert begun.status_code == 200, begun.get_json()


SECURED = ("password", "second-factor", "second-factor/confirm", "recovery-codes")


@pytest.mark.parametrize("what", SECURED)
def test_a_token_alone_secures_no_account_that_has_no_password(caller: Caller, what: str) -> None:
    bodies = {"password": {"new_password": PASSWORD}, "second-factor/confirm": {"code": "1"}}
    body = {"current_password": "", **bodies.get(what, {})}
    told = problem(caller.post(f"/me/{what}", json=body), 409, "no_password")
    assert f"atelier admin reset {caller.owner}" in told["hint"]
    with caller.quiet.database.begin() as session:
        owner = people.get(session, caller.owner)
        assert (owner.password, owner.totp_secret, owner.totp_pending) == (None, None, None)


def test_limits_of_ones_own_are_named_with_use_and_what_to_do(
    quiet: Quiet, caller: Caller, administrator: Caller
) -> None:
    def limit(**limits: object) -> None:
        address = f"/admin/people/{caller.owner}"
        assert administrator.ask("PATCH", address, json=limits).status_code == 200

    caller.submit()
    limit(waiting_limit=1)
    refused = problem(caller.post("/jobs", json=caller.order()), 429, "queue_full")
    assert "1 jobs waiting; at most 1" in refused["title"]
    limit(waiting_limit=None, disk_limit=1)
    refused = problem(caller.post("/jobs", json=caller.order()), 403, "disk_used")
    assert "of your 1 B" in refused["title"]
    before = quiet.holdings()["file"]
    problem(caller.upload(b"", "photo.png"), 422, "bad_picture", "/file")
    problem(caller.upload(png(30, 30)), 403, "disk_used")
    assert quiet.holdings()["file"] == before
    limit(disk_limit=0)
    assert caller.post("/jobs", json=caller.order()).status_code == 202
    shown = administrator.get(f"/admin/people/{caller.owner}").get_json()
    assert shown["limits"]["disk_bytes"] is None


def test_the_bytes_of_two_uploads_at_once_never_pass_the_limit(
    quiet: Quiet, caller: Caller
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    caller.upload(png(40, 40, "red"))
    used = caller.get("/me").get_json()["use"]["disk_bytes"]
    one = len(png(40, 40, "blue"))
    with quiet.database.begin() as session:
        people.get(session, caller.owner).disk_limit = used + one + 10
    with ThreadPoolExecutor(4) as many:
        sent = [
            many.submit(caller.upload, png(40, 40, c)) for c in ("blue", "lime", "teal", "gold")
        ]
    answers = sorted(answer.result().status_code for answer in sent)
    assert answers == [201, 403, 403, 403]


def test_a_work_is_shared_until_it_is_taken_back(caller: Caller, quiet: Quiet) -> None:
    made = caller.post("/links", json={"file_id": work_of(caller), "days": 1})
    assert made.status_code == 201
    link = made.get_json()
    path = link["url"].partition("/shared/")[2]
    stranger = quiet.app.test_client()

    def see(last: str = "") -> int:
        return stranger.get(f"/shared/{path}{last}", base_url=quiet.address).status_code

    assert (see(), see("/picture")) == (200, 200)
    assert [one["views"] for one in caller.get("/links").get_json()["results"]] == [1]
    assert caller.ask("DELETE", f"/links/{link['id']}").status_code == 204
    assert (see(), see("/picture")) == (404, 404)


def test_only_works_of_ones_own_are_shared(quiet: Quiet, caller: Caller) -> None:
    problem(caller.post("/links", json={"file_id": caller.picture}), 422, "invalid", "/file_id")
    work, other = work_of(caller), quiet.somebody()
    problem(other.post("/links", json={"file_id": work}), 404, "unknown_file")
    link = caller.post("/links", json={"file_id": work}).get_json()
    problem(other.ask("DELETE", f"/links/{link['id']}"), 404, "unknown_link")
    assert other.get("/links").get_json()["results"] == []
    problem(caller.post("/links", json={"file_id": work, "days": 0}), 422, "invalid", "/days")
