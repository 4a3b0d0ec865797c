"""Lists of jobs: filters, pages, and cursors that say nothing."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest

from tests.webui.quiet import Caller, Quiet, problem


@pytest.fixture
def seven(caller: Caller) -> list[str]:
    """The ids of seven jobs, newest first."""
    return [caller.submit(tags=[f"tag{number % 2}"])["id"] for number in range(7)][::-1]


def _page(caller: Caller, address: str) -> dict[str, Any]:
    answer = caller.get(address.removeprefix(caller.quiet.address))
    assert answer.status_code == 200, answer.get_json()
    return cast(dict[str, Any], answer.get_json())


def _ids(page: dict[str, Any]) -> list[str]:
    return [job["id"] for job in page["results"]]


def test_jobs_are_listed_newest_first_and_only_ones_own(
    quiet: Quiet, caller: Caller, seven: list[str]
) -> None:
    quiet.somebody().submit()
    page = _page(caller, "/jobs")
    assert _ids(page) == seven
    assert (page["next"], page["previous"]) == (None, None)


def test_a_listed_job_looks_like_a_shown_one(caller: Caller) -> None:
    job = caller.submit()
    assert _page(caller, "/jobs")["results"] == [caller.job(job["id"])]


def test_pages_lead_to_the_end_and_back(caller: Caller, seven: list[str]) -> None:
    first = _page(caller, "/jobs?limit=3")
    second = _page(caller, first["next"])
    third = _page(caller, second["next"])
    assert [_ids(page) for page in (first, second, third)] == [seven[:3], seven[3:6], seven[6:]]
    assert third["next"] is None
    assert _ids(_page(caller, third["previous"])) == seven[3:6]
    back = _page(caller, second["previous"])
    assert _ids(back) == seven[:3]
    assert back["previous"] is None
    assert _ids(_page(caller, back["next"])) == seven[3:6]


def test_a_page_stays_where_it_is_while_newer_jobs_arrive(caller: Caller, seven: list[str]) -> None:
    first = _page(caller, "/jobs?limit=3")
    caller.submit()
    assert _ids(_page(caller, first["next"])) == seven[3:6]


def test_a_page_keeps_its_filters(caller: Caller, seven: list[str]) -> None:
    first = _page(caller, "/jobs?limit=2&tag=tag0&status=queued")
    second = _page(caller, first["next"])
    assert _ids(first) + _ids(second) == [seven[0], seven[2], seven[4], seven[6]]


def test_the_link_header_says_the_same_as_the_body(caller: Caller, seven: list[str]) -> None:
    assert len(seven) == 7
    second = caller.get(_page(caller, "/jobs?limit=3")["next"].removeprefix(caller.quiet.address))
    links = {
        relation: address
        for address, relation in re.findall(
            r'<([^>]+)>; rel="(\w+)"', ", ".join(second.headers.getlist("Link"))
        )
    }
    body = second.get_json()
    assert links == {"next": body["next"], "previous": body["previous"]}


def test_a_link_is_a_whole_url_whatever_the_query_brings(caller: Caller, seven: list[str]) -> None:
    assert len(seven) == 7
    tricks = "_external=0&_scheme=javascript&_anchor=x&_method=GET&endpoint=x&self=x&job_id=1"
    page = _page(caller, f"/jobs?limit=3&{tricks}")
    assert page["next"].startswith(f"{caller.quiet.address}/api/v1/jobs?")
    assert _ids(_page(caller, page["next"])) == seven[3:6]


def test_behind_a_proxy_a_link_has_the_scheme_that_people_use(
    quiet: Quiet, caller: Caller, seven: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(seven) == 7
    quiet.change(monkeypatch, public_url="https://studio.example")
    page = caller.get("/jobs?limit=3", base_url="http://studio.example").get_json()
    assert page["next"].startswith("https://studio.example/api/v1/jobs?")


def test_jobs_are_filtered_by_status_kind_tag_and_words(caller: Caller, seven: list[str]) -> None:
    caller.post(f"/jobs/{seven[0]}/cancel")
    caller.post(f"/jobs/{seven[1]}/pause")
    assert _ids(_page(caller, "/jobs?status=canceled")) == seven[:1]
    assert _ids(_page(caller, "/jobs?status=canceled,paused")) == seven[:2]
    assert _ids(_page(caller, "/jobs?status=succeeded")) == []
    assert _ids(_page(caller, "/jobs?kind=style_transfer")) == seven
    assert _ids(_page(caller, "/jobs?kind=other")) == []
    assert _ids(_page(caller, "/jobs?tag=tag1")) == seven[1::2]
    assert _ids(_page(caller, "/jobs?q=TAG1")) == seven[1::2]
    assert _ids(_page(caller, "/jobs?q=%25")) == []


def test_a_wish_not_yet_fulfilled_is_a_status_of_its_own(quiet: Quiet, caller: Caller) -> None:
    caller.submit()
    running = str(quiet.claim(caller.owner).hold.job_id)
    assert _ids(_page(caller, "/jobs?status=running")) == [running]
    caller.post(f"/jobs/{running}/pause")
    assert _ids(_page(caller, "/jobs?status=running")) == []
    assert _ids(_page(caller, "/jobs?status=pausing")) == [running]
    caller.post(f"/jobs/{running}/cancel")
    assert _ids(_page(caller, "/jobs?status=canceling")) == [running]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=many", "/limit"),
        ("limit=1e3", "/limit"),
        ("limit=", "/limit"),
        ("status=flying", "/status"),
        ("status=queued,flying", "/status"),
        ("cursor=nonsense", "/cursor"),
        ("cursor=%00", "/cursor"),
        ("cursor=PHNob3J0", "/cursor"),
        ("cursor=猫", "/cursor"),
        ("tag=%00", "/tag"),
        ("q=%00", "/q"),
        ("kind=%00", "/kind"),
    ],
)
def test_a_query_that_cannot_be_used_is_refused_naming_the_parameter(
    caller: Caller, query: str, pointer: str
) -> None:
    problem(caller.get(f"/jobs?{query}"), 422, "invalid", pointer)
