"""The judge finds what a real studio does wrong when one of its promises is switched off."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from tests.chaos.battle import fight, told
from tests.chaos.client import Load

FAULTS = 4

LONG = Load(long=150, long_share=1.0, seeds=1, at_work=1)
LONG_ON_EVERY_SLOT = replace(LONG, at_work=2)
SHORT = Load(long_share=0.0, seeds=12, at_work=2)


@dataclass(frozen=True)
class Sabotage:
    """A promise of ``service``, the fault that brings it to light, what the judge must say."""

    service: str
    fault: str
    words: str
    load: Load


SABOTAGE = {
    "fence_ignored": Sabotage("worker", "worker stopped for two leases", "under fence", LONG),
    "hold_off": Sabotage("worker", "worker stopped for two leases", "under fence", LONG),
    "row_first": Sabotage(
        "worker", "worker killed as it reports a success", "not in storage", SHORT
    ),
    "impatient_keeper": Sabotage(
        "keeper", "database down for two leases", "healthy run ended", LONG_ON_EVERY_SLOT
    ),
}


@pytest.mark.proof
@pytest.mark.parametrize("promise", SABOTAGE)
def test_the_judge_finds_a_promise_switched_off(promise: str) -> None:
    by = SABOTAGE[promise]
    off = {by.service: promise}
    outcome = fight(4, FAULTS, seed=3, lease=2.0, only=[by.fault], off=off, load=by.load)
    assert any(by.words in broken for broken in outcome.broken), told(outcome)
