"""The stream of a job's events: every change once, the rest at its latest, bounded, resumable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from jobs import lease, service
from jobs.access import accounts
from jobs.lease import Claim
from jobs.models import Owner
from jobs.records import logs
from jobs.states import Reason, State
from tests.webui.quiet import Caller, problem
from webui.api import events


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other at once."""
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.01)


@pytest.fixture
def claim(caller: Caller) -> Claim:
    """A running job."""
    caller.submit()
    return caller.quiet.claim(caller.owner)


@pytest.fixture(autouse=True)
def none_left() -> Iterator[None]:
    """Every stream is closed in the end, as a server does."""
    yield
    while Stream.opened:
        Stream.opened.pop().close()


class Stream:
    """An open stream, read event by event; :func:`none_left` closes it."""

    opened: ClassVar[list[Stream]] = []

    def __init__(self, caller: Caller, claim: Claim | None, last: str = "") -> None:
        headers = {"Last-Event-ID": last} if last else {}
        address = f"/jobs/{claim.hold.job_id}/events" if claim else "/events"
        self.answer = caller.get(address, headers=headers, buffered=False)
        self.opened.append(self)
        assert self.answer.status_code == 200, self.answer.text
        self._blocks = self._read()

    def next(self, name: str | None = None) -> dict[str, Any]:
        """The next event, or the next of that name: its name, id and data."""
        for block in self._blocks:
            lines = [line.partition(": ") for line in block.splitlines()]
            fields = {field: value for field, _, value in lines if field}
            if "event" in fields and name in (None, fields["event"]):
                data = json.loads(fields["data"])
                return {"name": fields["event"], "id": fields.get("id"), **data}
        raise EOFError

    def rest(self) -> list[dict[str, Any]]:
        """Everything to the stream's end."""
        found = []
        while True:
            try:
                found.append(self.next())
            except EOFError:
                return found

    def close(self) -> None:
        """The reader goes away."""
        self.answer.close()
        self.answer.response = []

    def _read(self) -> Iterator[str]:
        for chunk in self.answer.iter_encoded():
            yield from chunk.decode().split("\n\n")


def tell(caller: Caller, claim: Claim, step: int) -> None:
    progress = {"step": step, "total": 10, "share": step / 10, "metrics": {"loss": 1 / step}}
    with caller.quiet.database.begin() as session:
        lease.report_progress(session, claim.hold, progress)


def stop(caller: Caller, claim: Claim, target: State, reason: Reason) -> None:
    with caller.quiet.database.begin() as session:
        lease.stop(session, claim.hold, target, reason, 1.0)


def test_what_happens_comes_as_it_happens_until_the_end(caller: Caller, claim: Claim) -> None:
    stream = Stream(caller, claim)
    assert stream.answer.content_type == "text/event-stream; charset=utf-8"
    first, second = stream.next(), stream.next()
    assert [(e["name"], e["id"], e["from"], e["to"]) for e in (first, second)] == [
        ("status", "1", None, "queued"),
        ("status", "2", "queued", "running"),
    ]
    tell(caller, claim, 4)
    while (progress := stream.next("progress"))["step"] != 4:
        pass
    assert (progress["percent"], progress["run_eta_seconds"], progress["id"]) == (40.0, None, None)
    assert stream.next("metric")["values"] == {"loss": 0.25}
    with caller.quiet.database.begin() as session:
        logs.append(session, claim.hold, b"a line\n")
    assert stream.next("log")["text"] == "a line\n"
    with caller.quiet.database.begin() as session:
        service.pause(session, caller.owner, claim.hold.job_id)
    wanted = stream.next("status")
    assert (wanted["type"], wanted["wanted"]) == ("wanted", "pause")
    stop(caller, claim, State.FAILED, Reason.INTERNAL_ERROR)
    *_, last = [event for event in stream.rest() if event["name"] == "status"]
    assert (last["to"], last["reason"], last["id"]) == ("failed", "internal_error", "4")


def test_whoever_comes_back_is_told_every_change_since_and_none_twice(
    caller: Caller, claim: Claim
) -> None:
    stream = Stream(caller, claim)
    stream.next()
    last = stream.next("status")["id"]
    stream.close()
    stop(caller, claim, State.QUEUED, Reason.WORKER_STOPPED)
    again = caller.quiet.claim(caller.owner)
    stop(caller, again, State.CANCELED, Reason.CANCELED_BY_USER)
    told = [event for event in Stream(caller, claim, last).rest() if event["name"] == "status"]
    assert [(e["id"], e["to"]) for e in told] == [
        ("3", "queued"),
        ("4", "running"),
        ("5", "canceled"),
    ]
    after = caller.get(f"/jobs/{claim.hold.job_id}/events", headers={"Last-Event-ID": "5"})
    assert (after.status_code, after.data) == (204, b"")


def test_silence_is_filled_with_comments(
    caller: Caller, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "COMMENT_SECONDS", 0.0)
    stream = Stream(caller, claim)
    stream.next("progress")
    assert next(block for block in stream._blocks if block) == ": nothing new"
    stream.close()


def test_streams_are_bounded_and_a_closed_one_makes_room(
    caller: Caller, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "STREAMS_PER_OWNER", 2)
    first, second = Stream(caller, claim), Stream(caller, claim)
    refused = caller.get(f"/jobs/{claim.hold.job_id}/events")
    problem(refused, 429, "too_many_streams")
    assert refused.headers["Retry-After"]
    first.close()
    third = Stream(caller, claim)
    assert third.next()["name"] == "status"
    for stream in (second, third):
        stream.close()
    caller.quiet.change(monkeypatch, web_threads=2)
    alone = Stream(caller, claim)
    problem(caller.get(f"/jobs/{claim.hold.job_id}/events"), 429, "too_many_streams")
    alone.close()


def test_a_stream_that_lasted_long_ends_and_the_reader_comes_again(
    caller: Caller, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "STREAM_SECONDS", 0.05)
    assert {event["name"] for event in Stream(caller, claim).rest()} >= {"status", "progress"}


def test_nobody_hears_of_the_jobs_of_somebody_else(caller: Caller, claim: Claim) -> None:
    other = caller.quiet.somebody()
    problem(other.get(f"/jobs/{claim.hold.job_id}/events"), 404, "unknown_job")


def test_one_stream_tells_of_all_ones_jobs_and_of_nobody_elses(
    caller: Caller, claim: Claim
) -> None:
    other = caller.quiet.somebody()
    foreign, waiting = other.submit()["id"], caller.submit()["id"]
    running = str(claim.hold.job_id)
    stream = Stream(caller, None)
    first, second = stream.next("status"), stream.next("status")
    assert [(e["job_id"], e["to"], e["seq"]) for e in (first, second)] == [
        (running, "running", 2),
        (waiting, "queued", 1),
    ]
    tell(caller, claim, 4)
    while (told := stream.next("progress"))["step"] != 4:
        pass
    assert told["job_id"] == running
    new = caller.submit()["id"]
    stop(caller, claim, State.FAILED, Reason.INTERNAL_ERROR)
    changes = [stream.next("status"), stream.next("status")]
    assert {(e["job_id"], e["to"]) for e in changes} == {(new, "queued"), (running, "failed")}
    stream.close()
    caller.post(f"/jobs/{waiting}/cancel")
    again = Stream(caller, None, str(changes[-1]["id"]))
    while (found := again.next("status"))["to"] != "canceled":
        assert found["job_id"] != foreign
    assert (found["job_id"], found["seq"]) == (waiting, 2)


@pytest.mark.parametrize("end", ["token", "account"])
def test_a_stream_ends_with_what_its_reader_came_in_with(
    caller: Caller, claim: Claim, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(events, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(events, "STREAM_SECONDS", 1.0)
    streams = Stream(caller, claim), Stream(caller, None)
    for stream in streams:
        stream.next("status")
    with caller.quiet.database.begin() as session:
        if end == "token":
            accounts.revoke(session, caller.token)
        else:
            session.get_one(Owner, caller.owner).disabled_at = datetime.now(UTC)
    tell(caller, claim, 4)
    for stream in streams:
        told = [event["step"] for event in stream.rest() if event["name"] == "progress"]
        assert 4 not in told, "it is told on"
