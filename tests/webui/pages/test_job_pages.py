"""The page of a job and the list of jobs, without JavaScript."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from flask import Flask

from jobs import lease
from jobs.records import logs
from jobs.states import Reason, State
from tests.webui.pages.conftest import Visitor, new_artist
from tests.webui.pages.worker_double import WorkerDouble
from webui.studio import Studio

REFRESH = '<noscript><meta http-equiv="refresh" content="5"></noscript>'


def actions_of(page: str) -> list[str]:
    return re.findall(r'action="/jobs/[0-9a-f-]+/(\w+)"', page)


def test_a_waiting_job_says_its_place_and_refreshes_itself(
    visitor: Visitor, worker: WorkerDouble
) -> None:
    shown = visitor.page(visitor.commission())
    assert "waiting" in shown
    assert "number 1 in line" in shown
    assert REFRESH in shown
    assert actions_of(shown) == ["pause", "cancel"]


def test_a_running_job_shows_phase_progress_and_time_left(
    visitor: Visitor, worker: WorkerDouble
) -> None:
    where = visitor.commission()
    hold = worker.claim()
    worker.progress(hold, 0.31, 250)
    worker.preview(hold, "orange")
    shown = visitor.page(where)
    assert "painting smaller strokes, 181 px, 2 of 4" in shown
    assert "about 4 minutes left" in shown
    assert 'value="31.0"' in shown
    assert "155 / 500" in shown
    preview = re.search(r'id="picture" src="([^"]+)"', shown)
    assert preview
    assert visitor.get(preview[1])[0] == 200


def test_a_finished_job_can_be_downloaded_with_and_without_recipe(
    visitor: Visitor, worker: WorkerDouble
) -> None:
    where = visitor.commission()
    worker.finish(worker.claim())
    shown = visitor.page(where)
    assert REFRESH not in shown
    assert actions_of(shown) == []
    links = re.findall(r'href="(/api/v1/files/[^"]+/content\?(?:download=1|recipe=no))"', shown)
    assert len(links) == 2
    for link in links:
        answer = visitor.http.get(link, base_url=visitor.base)
        assert answer.headers["Content-Disposition"].startswith("attachment")


def test_the_frame_has_the_shape_of_the_photo_before_there_is_a_picture(
    visitor: Visitor, worker: WorkerDouble
) -> None:
    where = visitor.commission()
    sizer = re.compile(r"width='(\d+)' height='(\d+)'")
    before = sizer.search(visitor.page(where))
    worker.finish(worker.claim(), size=(451, 300))
    after = sizer.search(visitor.page(where))
    assert before
    assert after
    assert before.groups() == after.groups() == ("4096", "2725")


def test_a_job_that_its_artist_put_to_rest_says_so_without_alarm(
    visitor: Visitor, worker: WorkerDouble
) -> None:
    where = visitor.commission()
    assert visitor.post(f"{where}/pause")[0] == 303
    shown = visitor.page(where)
    said = re.search(r'<div class="summary([^>]*)>\s*<p>You paused it.</p>', shown)
    assert said
    assert said[1] == ' calm" role="status"'


def test_an_error_is_said_in_words_with_a_way_on(visitor: Visitor, worker: WorkerDouble) -> None:
    where = visitor.commission()
    worker.fail(worker.claim(), Reason.OUT_OF_MEMORY)
    shown = visitor.page(where)
    assert "It did not fit into memory. Try a smaller size." in shown
    assert actions_of(shown) == ["retry"]
    assert "Change and make again" in shown
    assert visitor.post(f"{where}/retry")[2] == where
    assert "waiting" in visitor.page(where)


def test_what_is_to_be_known_of_a_run_is_no_warning(visitor: Visitor, worker: WorkerDouble) -> None:
    where = visitor.commission()
    hold = worker.claim()
    told = [
        {"text": text, "values": {}, "calm": calm} for text, calm in (("W", False), ("R", True))
    ]
    with worker.database.begin() as session:
        lease.report_progress(session, hold, {"step": 1, "share": 0.1, "notices": told})
    shown = visitor.page(where)
    assert re.search(r'data-words="notices"><p>W</p></div>', shown)
    assert re.search(r'data-words="remarks">R</p>', shown)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.lasting])
def test_a_job_that_would_end_so_again_is_changed_and_not_tried_again(
    visitor: Visitor, worker: WorkerDouble, reason: Reason
) -> None:
    where = visitor.commission(seed="77")
    worker.fail(worker.claim(), reason)
    shown = visitor.page(where)
    assert actions_of(shown) == []
    assert "Try again" not in shown
    offered = re.search(r'<a class="button main" href="([^"]+)">Change and make again<', shown)
    assert offered
    assert 'name="seed" value="77"' in visitor.page(offered[1])


def test_pause_resume_and_cancel_a_running_job(visitor: Visitor, worker: WorkerDouble) -> None:
    where = visitor.commission()
    hold = worker.claim()
    visitor.post(f"{where}/pause")
    assert "pausing" in visitor.page(where)
    worker.stop(hold, State.PAUSED, Reason.PAUSED_BY_USER)
    assert actions_of(visitor.page(where)) == ["resume", "cancel"]
    visitor.post(f"{where}/resume")
    worker.claim()
    visitor.post(f"{where}/cancel")
    shown = visitor.page(where)
    assert "canceling" in shown
    assert actions_of(shown) == []


@pytest.mark.parametrize("path", ["/jobs/{id}", "/thumbnails/{id}"])
@pytest.mark.parametrize("id_", [str(uuid4()), "no-id"], ids=["unknown", "malformed"])
def test_what_is_not_there_is_a_friendly_404(visitor: Visitor, path: str, id_: str) -> None:
    status, shown = visitor.get(path.format(id=id_))
    assert status == 404
    assert "To the studio" in shown


def test_anothers_job_is_unknown(app: Flask, visitor: Visitor, parts: Studio) -> None:
    other = Visitor(app, parts, new_artist(parts))
    where = other.commission()
    assert visitor.get(where)[0] == 404
    assert visitor.post(f"{where}/cancel")[0] == 404
    assert visitor.get(f"/new/style_transfer?from={where.rsplit('/', 1)[-1]}")[0] == 404


def test_the_log_stands_folded_on_the_page_of_its_owner(
    app: Flask, visitor: Visitor, worker: WorkerDouble, parts: Studio
) -> None:
    where = visitor.commission()
    assert "Nothing yet." in visitor.page(where)
    hold = worker.claim()
    lines = [f"step {number}: <b>bold</b>" for number in range(300)]
    with parts.database.begin() as session:
        logs.append(session, hold, "".join(f"{line}\n" for line in lines).encode())
    shown = visitor.page(where)
    found = re.search(r'<details id="log".*?</details>', shown, re.S)
    assert found
    section = found[0]
    assert "step 100: &lt;b&gt;bold" in section
    assert "step 299: " in section
    assert "step 99: " not in section
    whole = re.search(r'href="(/api/v1/jobs/[^"]+/log)"', section)
    assert whole
    assert visitor.get(whole[1]) == (200, "".join(f"{line}\n" for line in lines))
    other = Visitor(app, parts, new_artist(parts))
    assert other.get(whole[1])[0] == 404


def test_an_unknown_action_is_nothing(visitor: Visitor) -> None:
    where = visitor.commission()
    assert visitor.post(f"{where}/explode")[0] == 404


def test_the_list_filters_by_its_address(visitor: Visitor, worker: WorkerDouble) -> None:
    first = visitor.commission(seed="1")
    worker.finish(worker.claim())
    second = visitor.commission(seed="2")
    done = visitor.page("/jobs?status=succeeded")
    assert first in done
    assert second not in done
    assert "No job fits." in visitor.page("/jobs?q=nothing-like-this")
    assert visitor.get("/jobs?status=odd")[0] == 422
    assert visitor.get("/jobs?cursor=odd")[0] == 422


def test_long_lists_turn_pages_both_ways(visitor: Visitor) -> None:
    where = [visitor.commission(seed=str(seed)) for seed in range(26)]
    first = visitor.page("/jobs?kind=style_transfer")
    assert first.count("<tr data-job") == 24
    older = re.search(r'rel="next" href="http://[^/]+(/jobs\?[^"]+)"', first)
    assert older
    second = visitor.page(older[1].replace("&amp;", "&"))
    assert second.count("<tr data-job") == 2
    assert where[0] in second
    assert 'rel="prev"' in second


def test_an_empty_studio_invites(visitor: Visitor) -> None:
    assert "Drop a photo" in visitor.page("/")
    assert "Make something" in visitor.page("/jobs")


def test_a_thumbnail_is_small_and_kept(visitor: Visitor) -> None:
    answer = visitor.http.get("/samples/cat.jpg?size=160", base_url=visitor.base)
    assert answer.mimetype == "image/jpeg"
    assert len(answer.data) < 12_000
    tag = {"If-None-Match": answer.headers["ETag"]}
    again = visitor.http.get("/samples/cat.jpg?size=160", base_url=visitor.base, headers=tag)
    assert again.status_code == 304
    assert visitor.get("/samples/..%2Fsecret")[0] == 404
