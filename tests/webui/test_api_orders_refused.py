"""Orders that cannot be granted: each is told what is wrong where, and nothing of it stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.webui.quiet import Caller, Quiet, problem

NEVER = "01890000-0000-7000-8000-000000000000"


@pytest.fixture(autouse=True)
def _nothing_stays(quiet: Quiet, caller: Caller) -> Iterator[None]:
    assert caller.picture, "uploaded before the count"
    before = quiet.holdings()
    yield
    assert quiet.holdings() == before


PARAMS: dict[str, tuple[dict[str, Any], str, str]] = {
    "an unknown parameter": ({"colour": "red"}, "/params/colour", "unknown_parameter"),
    "a name full of slashes": ({"a/b~c": 1}, "/params/a~1b~0c", "unknown_parameter"),
    "too small": ({"size": 1}, "/params/size", "too_small"),
    "too large": ({"size": 1_000_000}, "/params/size", "too_large"),
    "beyond every number": ({"seed": 10**400}, "/params/seed", "too_large"),
    "not above": ({"weights": [0]}, "/params/weights/0", "not_above"),
    "a word for a number": ({"size": "big"}, "/params/size", "wrong_type"),
    "a list for a number": ({"seed": [1]}, "/params/seed", "wrong_type"),
    "a null for a number": ({"seed": None}, "/params/seed", "wrong_type"),
    "half a pixel": ({"size": 100.5}, "/params/size", "wrong_type"),
    "an object for a truth": ({"preserve_colours": {}}, "/params/preserve_colours", "wrong_type"),
    "none of the choices": ({"statistic": "magic"}, "/params/statistic", "not_one_of"),
    "an unknown preset": ({"preset": "best"}, "/params/preset", "not_one_of"),
    "a preset that is no word": ({"preset": ["draft"]}, "/params/preset", "not_one_of"),
    "no paintings": ({"styles": []}, "/params/styles", "too_few"),
    "a text for a list": ({"styles": NEVER}, "/params/styles", "wrong_type"),
    "too many paintings": ({"styles": [NEVER] * 5}, "/params/styles", "too_many"),
    "no id": ({"content": "cat.jpg"}, "/params/content", "not_an_id"),
    "an id with a line after it": ({"content": NEVER + "\n"}, "/params/content", "not_an_id"),
    "no text for an id": ({"content": 7}, "/params/content", "wrong_type"),
    "an unknown file": ({"content": NEVER}, "/params/content", "unknown_file"),
    "an unknown file in a list": ({"styles": [NEVER]}, "/params/styles/0", "unknown_file"),
    "weights that do not match": ({"weights": [1, 2]}, "/params/weights", "not_usable"),
}


@pytest.mark.parametrize("name", PARAMS)
def test_a_parameter_that_cannot_be_used_is_named(caller: Caller, name: str) -> None:
    params, pointer, code = PARAMS[name]
    answer = caller.post("/jobs", json=caller.order_with(**params))
    body = problem(answer, 422, "invalid", pointer)
    (error,) = body["errors"]
    assert error["code"] == code
    field = pointer.removeprefix("/params/")
    assert body["detail"] == f"{field}: {error['detail']}", "for who reads nothing else"


@pytest.mark.parametrize(
    ("given", "english", "chinese"),
    [
        ({"size": "big"}, "a whole number is needed", "需要整数"),
        ({"size": None}, "'null' has the wrong type", "“null”类型不对"),
        ({"content_weight": "big"}, "a number is needed", "需要数字"),
        ({"styles": NEVER}, "a list is needed", "需要列表"),
        ({"content": 7}, "a text is needed", "需要文字"),
        ({"preserve_colours": {}}, "true or false is needed", "需要true 或 false"),
        ({"preset": "best"}, "none of 'draft', 'standard', 'fine'.", "'draft', 'standard', 'fine'"),
    ],
    ids=["a whole number", "no null", "a number", "a list", "a text", "a truth", "a choice"],
)
def test_what_was_wanted_instead_is_said_in_the_readers_language(
    caller: Caller, given: dict[str, Any], english: str, chinese: str
) -> None:
    order = caller.order_with(**given)
    for language, words in (("en", english), ("zh", chinese)):
        answer = caller.post("/jobs", json=order, headers={"Accept-Language": language})
        (error,) = problem(answer, 422, "invalid", f"/params/{next(iter(given))}")["errors"]
        assert words in error["detail"]
        assert "Input should" not in error["detail"]


FRAME: dict[str, tuple[dict[str, Any], str, str]] = {
    "an unknown kind": ({"kind": "alchemy"}, "/kind", "unknown_kind"),
    "an empty kind": ({"kind": ""}, "/kind", "unknown_kind"),
    "a kind that is no text": ({"kind": 7}, "/kind", "wrong_type"),
    "no params object": ({"params": [1]}, "/params", "wrong_type"),
    "null params": ({"params": None}, "/params", "wrong_type"),
    "an unknown name": ({"colour": "red"}, "/colour", "unknown_parameter"),
    "a priority too high": ({"priority": 11}, "/priority", "out_of_range"),
    "a priority too low": ({"priority": -11}, "/priority", "out_of_range"),
    "a priority in words": ({"priority": "high"}, "/priority", "wrong_type"),
    "a true priority": ({"priority": True}, "/priority", "wrong_type"),
    "half a priority": ({"priority": 1.5}, "/priority", "wrong_type"),
    "a deadline in words": ({"deadline_at": "tomorrow"}, "/deadline_at", "not_a_time"),
    "a deadline without an offset": (
        {"deadline_at": "2999-01-01T00:00:00"},
        "/deadline_at",
        "not_a_time",
    ),
    "a deadline that has passed": (
        {"deadline_at": "2001-01-01T00:00:00Z"},
        "/deadline_at",
        "in_the_past",
    ),
    "a deadline that is a number": ({"deadline_at": 7}, "/deadline_at", "wrong_type"),
    "tags that are no list": ({"tags": "night"}, "/tags", "wrong_type"),
    "a tag that is no text": ({"tags": ["night", 7]}, "/tags/1", "wrong_type"),
    "an empty tag": ({"tags": [""]}, "/tags/0", "bad_length"),
    "a tag too long": ({"tags": ["x" * 65]}, "/tags/0", "bad_length"),
    "too many tags": ({"tags": ["x"] * 17}, "/tags", "too_many"),
    "a tag with a NUL": ({"tags": ["a\0b"]}, "/tags/0", "wrong_type"),
    "half a surrogate": ({"tags": ["\ud83d"]}, "/tags/0", "wrong_type"),
}


@pytest.mark.parametrize("name", FRAME)
def test_a_part_of_the_order_that_cannot_be_used_is_named(caller: Caller, name: str) -> None:
    changes, pointer, code = FRAME[name]
    answer = caller.post("/jobs", json=caller.order(**changes))
    (error,) = problem(answer, 422, "invalid", pointer)["errors"]
    assert error["code"] == code


def test_an_order_without_its_inputs_is_told_all_that_is_missing(caller: Caller) -> None:
    answer = caller.post("/jobs", json={"kind": "style_transfer"})
    body = problem(answer, 422, "invalid", "/params/content", "/params/styles")
    assert {error["code"] for error in body["errors"]} == {"missing"}


def test_every_fault_is_named_at_once(caller: Caller) -> None:
    order = caller.order_with(size=1, seed=-1, colour="red")
    pointers = {error["pointer"] for error in caller.post("/jobs", json=order).get_json()["errors"]}
    assert pointers == {"/params/size", "/params/seed", "/params/colour"}


def test_somebody_elses_file_gets_the_answer_of_a_missing_one(quiet: Quiet, caller: Caller) -> None:
    from sqlalchemy import delete

    from jobs.models import File

    other = quiet.somebody()
    answers = [
        caller.post("/jobs", json=caller.order_with(content=id_)).get_json()
        for id_ in (other.picture, NEVER)
    ]
    with quiet.database.begin() as session:  # the count of what is kept is the caller's alone
        session.execute(delete(File).where(File.owner_id == other.owner))
    told = [
        json.dumps({**body, "request_id": ""}).replace(id_, "ID")
        for body, id_ in zip(answers, (other.picture, NEVER), strict=True)
    ]
    assert told[0] == told[1]
    assert answers[0]["errors"][0]["code"] == "unknown_file"


BODIES = {
    "cut off": b'{"kind": "style_transfer"',
    "no JSON": b"kind=style_transfer",
    "nothing": b"",
    "not UTF-8": b'{"kind": "\xff\xfe"}',
    "a list": b"[1, 2]",
    "a text": b'"style_transfer"',
    "a number": b"7",
    "null": b"null",
    "NaN": b'{"kind": "style_transfer", "params": {"seed": NaN}}',
    "Infinity": b'{"kind": "style_transfer", "params": {"seed": -Infinity}}',
    "deep lists": b'{"params": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a number of 10000 digits": b'{"priority": ' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_json_object_is_refused(caller: Caller, name: str) -> None:
    answer = caller.post("/jobs", data=BODIES[name], content_type="application/json")
    problem(answer, 400, "malformed_json")


def test_a_number_beyond_every_float_is_refused(caller: Caller) -> None:
    body = json.dumps(caller.order_with(content_weight=7)).replace("7}", "1e999}")
    answer = caller.post("/jobs", data=body, content_type="application/json")
    problem(answer, 422, "invalid", "/params/content_weight")


def test_a_nested_parameter_is_refused_without_falling_over(caller: Caller) -> None:
    deep = b"[" * 900 + b"]" * 900
    body = b'{"kind": "style_transfer", "params": {"seed": ' + deep + b"}}"
    answer = caller.post("/jobs", data=body, content_type="application/json")
    assert answer.status_code in (400, 422)
    assert answer.content_type == "application/problem+json"


def test_a_huge_body_is_refused(caller: Caller) -> None:
    body = b'{"kind": "' + b"x" * 1_100_000 + b'"}'
    answer = caller.post("/jobs", data=body, content_type="application/json")
    problem(answer, 413, "too_large")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "text/json", ""]
)
def test_a_body_of_another_type_is_refused(caller: Caller, content_type: str) -> None:
    body = json.dumps(caller.order())
    answer = caller.post("/jobs", data=body, content_type=content_type)
    assert "application/json" in problem(answer, 415, "unsupported_media_type")["hint"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/jobs"), ("PUT", "/jobs"), ("PUT", "/files"), ("PATCH", "/kinds")],
)
def test_a_method_that_is_not_taken_is_told_which_are(
    caller: Caller, method: str, path: str
) -> None:
    answer = caller.ask(method, path)
    problem(answer, 405, "method_not_allowed")
    assert "OPTIONS" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/jobs/", "/jobs/a/b/c", "/kinds/a/b"])
def test_an_address_without_anything_is_a_problem_too(caller: Caller, path: str) -> None:
    problem(caller.get(path), 404, "not_found")


def test_a_full_queue_says_when_to_come_back(
    quiet: Quiet, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet.change(monkeypatch, waiting_per_owner=1)
    first = caller.submit()
    refused = caller.post("/jobs", json=caller.order())
    problem(refused, 429, "queue_full")
    assert int(refused.headers["Retry-After"]) >= 1
    caller.post(f"/jobs/{first['id']}/cancel")
    assert caller.ask("DELETE", f"/jobs/{first['id']}").status_code == 200
