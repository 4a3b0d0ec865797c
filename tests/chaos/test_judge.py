"""The judge finds what it is there to find, and nothing in records that are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.chaos.judge import broken_promises, losses
from tests.chaos.records import Answer, Begun, Stored

STEPS = (
    Begun("a", 1, "cpu:0", 10, 0, 1.0),
    Begun("a", 1, "cpu:0", 10, 1, 2.0),
    Begun("a", 2, "cpu:1", 20, 1, 5.0),
    Begun("a", 2, "cpu:1", 20, 2, 6.0),
)
MOVES = (
    (None, "queued", None),
    ("queued", "running", None),
    ("running", "queued", "worker_lost"),
    ("queued", "running", None),
    ("running", "succeeded", None),
)
JOB = Stored("a", "succeeded", MOVES, "5ha")
TOLD = (Answer("a", "submit", "queued"),)


def verdict(
    steps: Sequence[Begun] = STEPS,
    told: Sequence[Answer] = TOLD,
    job: Stored | None = JOB,
    faults: int = 1,
) -> list[str]:
    """What the judge says of job ``a``, whose undisturbed result is ``5ha``."""
    jobs = {"a": job} if job else {}
    return broken_promises(steps, told, jobs, {"a": "5ha"}, 2.0, {"worker_lost": faults})


def test_nothing_is_found_where_all_promises_were_kept() -> None:
    assert verdict() == []


WRONG: dict[str, tuple[list[str], str]] = {
    "an acknowledged job that is gone": (verdict(steps=(), job=None), "is gone"),
    "a job that never ended": (
        verdict(job=replace(JOB, status="running", moves=MOVES[:-1])),
        "never ended",
    ),
    "a job that ended twice": (
        verdict(job=replace(JOB, moves=(*MOVES, ("succeeded", "canceled", None)))),
        "ended 2 times",
    ),
    "a move from where it was not": (
        verdict(job=replace(JOB, moves=(*MOVES[:-1], ("queued", "succeeded", None)))),
        "moved from queued while it was running",
    ),
    "a state that no move led to": (
        verdict(job=replace(JOB, moves=MOVES[:-1])),
        "its last move led to running",
    ),
    "a cancel that was overruled": (
        verdict(told=(*TOLD, Answer("a", "cancel", "canceling"))),
        "a cancel was acknowledged",
    ),
    "two runners at once": (
        verdict(steps=(*STEPS, Begun("a", 1, "cpu:0", 10, 2, 6.5))),
        "under fence 1 after",
    ),
    "two runners under one fence": (
        verdict(steps=(*STEPS, Begun("a", 2, "cpu:0", 30, 3, 6.5))),
        "share fence 2",
    ),
    "a step that nobody was given": (
        verdict(steps=(*STEPS, Begun("a", 3, "cpu:0", 30, 3, 6.5))),
        "but it has 2 claims",
    ),
    "too much work lost": (
        verdict(steps=(*STEPS[:2], replace(STEPS[1], step=2, at=9.0), Begun("a", 2, "", 2, 1, 10))),
        "s of work were lost",
    ),
    "a failure that no attack excuses": (
        verdict(job=replace(JOB, status="failed", moves=(*MOVES[:-1], ("running", "failed", "x")))),
        "failed: x",
    ),
    "a reason that no attack gives": (
        verdict(job=replace(JOB, moves=(*MOVES[:2], ("running", "queued", "x"), *MOVES[3:]))),
        "ended for reason x",
    ),
    "more runs ended than were attacked": (verdict(faults=0), "ended for reason worker_lost"),
    "other bits": (verdict(job=replace(JOB, result="0ther")), "differs"),
    "a result that is named and not there": (
        verdict(job=replace(JOB, whole=False)),
        "not in storage",
    ),
    "a success without a result": (verdict(job=replace(JOB, result=None)), "without a result"),
}


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_the_judge_finds(case: str) -> None:
    found, words = WRONG[case]
    assert any(words in promise for promise in found), found


def test_work_lost_is_what_is_done_again_and_not_the_waits_between_runners() -> None:
    waited = (
        Begun("a", 1, "cpu:0", 10, 0, 1.0),
        Begun("a", 1, "cpu:0", 10, 1, 2.0),
        Begun("a", 1, "cpu:0", 10, 2, 4.0),
        Begun("a", 2, "cpu:0", 20, 2, 100.0),
        Begun("a", 2, "cpu:0", 20, 3, 101.0),
        Begun("a", 3, "cpu:0", 30, 1, 200.0),
    )
    # The first runner's last step is done again; the third makes steps 1 and 2 again.
    assert list(losses(waited)) == [0.0, 3.0]
