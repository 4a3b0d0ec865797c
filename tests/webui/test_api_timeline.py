"""A job's figures and pictures over the API: exact, bounded, told when reduced, nobody else's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engines.gan_training.figures import NEARNESS
from engines.registry import KINDS
from jobs import lease
from jobs.lease import Claim
from jobs.records import frames
from jobs.records.frames import Shown
from jobs.records.series import Column
from jobs.states import Reason, State
from tests.webui.quiet import Caller, png, problem

STEPS = 500


def value(step: int) -> float:
    return 100.0 if step == 321 else 1 / step


def drawn(step: int) -> bytes:
    return png(64, 64, f"rgb({step % 250}, 0, 0)")


@pytest.fixture
def claim(caller: Caller, tmp_path: Path) -> Claim:
    """A running job with figures of 500 steps, one of them only now and then, and two pictures."""
    caller.submit()
    claimed = caller.quiet.claim(caller.owner)
    loss, kid = Column(), Column()
    for step in range(1, STEPS + 1):
        loss.append(step, value(step))
        if step % 100 == 0:
            kid.append(step, step / 7)
    with caller.quiet.database.begin() as session:
        lease.report_metrics(session, claimed.hold, {"loss": loss, "kid": kid})
    for step, score in ((0, None), (400, -2.0), (500, -3.0)):
        show(caller, claimed, tmp_path, step, score)
    return claimed


def show(caller: Caller, claim: Claim, folder: Path, step: int, score: float | None) -> None:
    source = folder / "frame.png"
    source.write_bytes(drawn(step))
    studio = caller.quiet.studio
    stored = studio.storage.put(studio.database, source)
    with studio.database.begin() as session:
        lease.report_frame(session, claim.hold, Shown(stored, step, 64, 64, score))


def asked(caller: Caller, claim: Claim, what: str, query: str = "") -> Any:
    answer = caller.get(f"/jobs/{claim.hold.job_id}/{what}{query}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def test_every_point_is_shown_exactly_where_there_is_room(caller: Caller, claim: Claim) -> None:
    loss, kid = asked(caller, claim, "metrics")["results"]
    assert (loss["label"], kid["label"]) == ("Loss", "kid")  # a figure its kind does not declare
    assert loss["meaning"] == KINDS["style_transfer"].figures["loss"].meaning
    assert loss["points"] == [[step, value(step)] for step in range(1, STEPS + 1)]
    assert (loss["measured"], loss["kept"], loss["shown"]) == (STEPS, STEPS, STEPS)
    assert (loss["method"], loss["thinned_to"]) == ("every_point", None)
    assert kid["points"] == [[step, step / 7] for step in range(100, STEPS + 1, 100)]


def test_fewer_points_are_said_to_be_fewer_and_keep_the_peak(caller: Caller, claim: Claim) -> None:
    (loss,) = asked(caller, claim, "metrics", "?name=loss&points=20")["results"]
    assert (loss["kept"], loss["method"]) == (STEPS, "lowest_and_highest")
    assert loss["shown"] == len(loss["points"]) <= 20
    assert [321, 100.0] in loss["points"]


def test_figures_by_name_and_range_of_steps(caller: Caller, claim: Claim) -> None:
    kid, unmeasured = asked(caller, claim, "metrics", "?name=kid&name=fid&first=200&last=300")[
        "results"
    ]
    assert [point[0] for point in kid["points"]] == [200, 300]
    assert (unmeasured["name"], unmeasured["points"]) == ("fid", [])


def test_a_figure_has_its_interval_beside_each_of_its_points(
    caller: Caller, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not in the job's row: what is counted of jobs would no longer be what there is.
    monkeypatch.setitem(KINDS, "style_transfer", KINDS["gan_training"])
    with caller.quiet.database.begin() as session:
        columns = {name: Column() for name in ("kid", NEARNESS.low, NEARNESS.high)}
        for step, told in ((STEPS + 100, (8.0,)), (STEPS + 200, (4.0, 3.0, 6.0))):
            for column, figure in zip(columns.values(), told, strict=False):
                column.append(step, figure)
        lease.report_metrics(session, claim.hold, columns)
    shown = asked(caller, claim, "metrics", f"?first={STEPS}&last=9999")["results"]
    assert [each["name"] for each in shown] == ["kid", "loss"]
    kid, loss = shown
    assert kid["points"][1:] == [[STEPS + 100, 8.0], [STEPS + 200, 4.0]]
    assert kid["interval"] == {
        "percent": 95,
        "low": "kid_low",
        "high": "kid_high",
        "ends": [None, None, [3.0, 6.0]],
    }
    assert loss["interval"] is None
    (low,) = asked(caller, claim, "metrics", "?name=kid_low")["results"]
    assert (low["label"], low["points"]) == (
        "Distance to the set (KID), at least",
        [[STEPS + 200, 3.0]],
    )


@pytest.mark.parametrize("query", ["points=3", "points=20001", "points=x", "first=-1"])
def test_what_cannot_be_asked_is_refused_by_name(caller: Caller, claim: Claim, query: str) -> None:
    answer = caller.get(f"/jobs/{claim.hold.job_id}/metrics?{query}")
    problem(answer, 422, "invalid", f"/{query.partition('=')[0]}")


@pytest.mark.parametrize("what", ["metrics", "frames"])
def test_nothing_new_is_an_empty_304_and_something_new_is_not(
    caller: Caller, claim: Claim, what: str, tmp_path: Path
) -> None:
    address = f"/jobs/{claim.hold.job_id}/{what}"
    first = caller.get(address)
    shown = {"If-None-Match": first.headers["ETag"]}
    assert first.headers["Retry-After"]
    again = caller.get(address, headers=shown)
    assert (again.status_code, again.data) == (304, b"")
    more = Column()
    more.append(STEPS + 1, 1.0)
    with caller.quiet.database.begin() as session:
        lease.report_metrics(session, claim.hold, {"loss": more})
    show(caller, claim, tmp_path, STEPS + 1, None)
    assert caller.get(address, headers=shown).status_code == 200
    with caller.quiet.database.begin() as session:
        lease.stop(session, claim.hold, State.FAILED, Reason.INTERNAL_ERROR, 1.0)
    assert "Retry-After" not in caller.get(address).headers


def test_figures_in_one_language_are_not_taken_for_those_in_another(
    caller: Caller, claim: Claim
) -> None:
    address = f"/jobs/{claim.hold.job_id}/metrics"
    known = caller.get(address, headers={"Accept-Language": "en"}).headers["ETag"]
    for language, status in (("en", 304), ("zh", 200)):
        shown = {"If-None-Match": known, "Accept-Language": language}
        assert caller.get(address, headers=shown).status_code == status, language


def test_pictures_are_listed_by_step_with_the_best_and_cached_for_good(
    caller: Caller, claim: Claim
) -> None:
    body = asked(caller, claim, "frames")
    assert [(each["step"], each["score"]) for each in body["results"]] == [
        (0, None),
        (400, -2.0),
        (500, -3.0),
    ]
    assert (body["best_step"], body["full"]) == (400, False)
    shown = body["results"][1]
    answer = caller.get(shown["url"])
    assert (answer.status_code, answer.data) == (200, drawn(400))
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["ETag"] == f'"{shown["sha256"]}"'
    assert "step-00000400.jpg" in answer.headers["Content-Disposition"]
    bare = shown["url"].partition("?")[0]
    assert "immutable" not in caller.get(bare).headers["Cache-Control"]
    known = {"If-None-Match": answer.headers["ETag"]}
    assert caller.get(bare, headers=known).status_code == 304
    urls = caller.job(str(claim.hold.job_id))["urls"]
    assert bare.startswith(urls["frames"])
    assert urls["metrics"].endswith("/metrics")


@pytest.mark.parametrize("step", ["1", "-1", "x", "9" * 30])
def test_a_step_without_a_picture_is_not_found(caller: Caller, claim: Claim, step: str) -> None:
    problem(caller.get(f"/jobs/{claim.hold.job_id}/frames/{step}"), 404, "not_found")


@pytest.mark.parametrize("what", ["metrics", "frames", "frames/400"])
def test_nobody_sees_the_timeline_of_somebody_else(caller: Caller, claim: Claim, what: str) -> None:
    other = caller.quiet.somebody()
    problem(other.get(f"/jobs/{claim.hold.job_id}/{what}"), 404, "unknown_job")


def test_a_full_timeline_says_so(
    caller: Caller, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "MOST_FRAMES", 3)
    assert asked(caller, claim, "frames")["full"]
