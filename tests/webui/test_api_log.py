"""The log of a job over the API: whole, in parts, its end, and nobody else's."""

from __future__ import annotations

import pytest

from jobs import lease
from jobs.lease import Claim
from jobs.records import logs
from tests.webui.quiet import Caller, problem

FIRST = "2026-01-01T00:00:00.000Z INFO runner größer\n".encode()
SECOND = b"2026-01-01T00:00:01.000Z INFO runner done\n"
WHOLE = FIRST + SECOND


@pytest.fixture
def claim(caller: Caller) -> Claim:
    """A running job that has said two things."""
    caller.submit()
    claimed = caller.quiet.claim(caller.owner)
    say(caller, claimed, FIRST)
    say(caller, claimed, SECOND)
    return claimed


def say(caller: Caller, claim: Claim, content: bytes) -> None:
    with caller.quiet.database.begin() as session:
        assert logs.append(session, claim.hold, content)


def address(claim: Claim) -> str:
    return f"/jobs/{claim.hold.job_id}/log"


def test_a_log_is_plain_text_and_named_by_its_job(caller: Caller, claim: Claim) -> None:
    answer = caller.get(address(claim))
    assert (answer.status_code, answer.data) == (200, WHOLE)
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Retry-After"] == "1"
    assert caller.job(str(claim.hold.job_id))["urls"]["log"] == f"/api/v1{address(claim)}"
    head = caller.ask("HEAD", address(claim))
    assert (head.status_code, head.data) == (200, b"")


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-", slice(0, None)),
        ("bytes=5-9", slice(5, 10)),
        (f"bytes={len(FIRST)}-", slice(len(FIRST), None)),
        ("bytes=-4", slice(-4, None)),
        ("bytes=10-100000", slice(10, None)),
    ],
)
def test_a_range_is_answered_with_that_part(
    caller: Caller, claim: Claim, asked: str, part: slice
) -> None:
    answer = caller.get(address(claim), headers={"Range": asked})
    assert (answer.status_code, answer.data) == (206, WHOLE[part])
    start = range(len(WHOLE))[part][0]
    stop = start + len(answer.data) - 1
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop}/{len(WHOLE)}"


@pytest.mark.parametrize("asked", ["bytes=0-1,4-5", "lines=0-1", "bytes=x", "bytes=9-5"])
def test_what_is_no_single_range_of_bytes_is_answered_with_everything(
    caller: Caller, claim: Claim, asked: str
) -> None:
    answer = caller.get(address(claim), headers={"Range": asked})
    assert (answer.status_code, answer.data) == (200, WHOLE)


def test_a_range_behind_the_end_is_refused_with_the_length(caller: Caller, claim: Claim) -> None:
    answer = caller.get(address(claim), headers={"Range": f"bytes={len(WHOLE)}-"})
    problem(answer, 416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{len(WHOLE)}"


def test_nothing_new_is_304_and_what_is_new_can_be_asked_for_alone(
    caller: Caller, claim: Claim
) -> None:
    tag = caller.get(address(claim)).headers["ETag"]
    onward = {"If-None-Match": tag, "Range": f"bytes={len(WHOLE)}-"}
    unchanged = caller.get(address(claim), headers=onward)
    assert (unchanged.status_code, unchanged.data) == (304, b"")
    assert unchanged.headers["Retry-After"] == "1"
    say(caller, claim, b"more\n")
    answer = caller.get(address(claim), headers=onward)
    assert (answer.status_code, answer.data) == (206, b"more\n")
    # A part of what it was then does not fit to what it is now.
    stale = {"If-Range": tag, "Range": "bytes=5-9"}
    assert caller.get(address(claim), headers=stale).status_code == 200


def test_a_tail_is_the_last_lines(caller: Caller, claim: Claim) -> None:
    assert caller.get(f"{address(claim)}?tail=1").data == SECOND
    assert caller.get(f"{address(claim)}?tail=50").data == WHOLE
    for odd in ("0", "-1", "10001", "many", ""):
        answer = caller.get(f"{address(claim)}?tail={odd}")
        problem(answer, 422, "invalid", "/tail")


def test_an_ended_job_says_that_nothing_more_comes(caller: Caller, claim: Claim) -> None:
    with caller.quiet.database.begin() as session:
        lease.finish(session, claim.hold, [], 1.0)
    answer = caller.get(address(claim))
    assert answer.data == WHOLE
    assert "Retry-After" not in answer.headers


def test_a_job_that_has_not_begun_has_an_empty_log(caller: Caller) -> None:
    id_ = caller.submit()["id"]
    answer = caller.get(f"/jobs/{id_}/log")
    assert (answer.status_code, answer.data) == (200, b"")
    empty = caller.get(f"/jobs/{id_}/log", headers={"Range": "bytes=0-"})
    problem(empty, 416, "range_not_satisfiable")


def test_a_log_is_for_its_owner_alone(caller: Caller, claim: Claim) -> None:
    problem(caller.quiet.somebody().get(address(claim)), 404, "unknown_job")
    problem(caller.get("/jobs/odd/log"), 404, "malformed_id")
    problem(caller.get(address(claim), headers={"Authorization": ""}), 401, "unauthenticated")
