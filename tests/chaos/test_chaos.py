"""A short battle: what the studio promises holds while everything around it dies."""

from __future__ import annotations

from tests.chaos.battle import fight, told
from tests.chaos.client import Load


def test_every_promise_is_kept_under_attack() -> None:
    load = Load(seeds=2, training_share=0.25)
    outcome = fight(jobs=12, faults=12, seed=20, lease=3.0, load=load)
    assert outcome.broken == [], told(outcome)
    assert sum(outcome.faults.values()) == 12, told(outcome)
    assert outcome.statuses.get("succeeded", 0) >= 6, told(outcome)
