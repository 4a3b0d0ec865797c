"""The simulation of large studios waits as queueing theory says."""

from __future__ import annotations

import random
from dataclasses import asdict
from math import factorial

import pytest

from bench.simulation import Clock, Costs, Seen, Simulation, Station, Studio, p99

COSTS = Costs(
    progress=0.0004,
    beat=0.0004,
    tell=0.0003,
    job=0.002,
    submit=0.003,
    poll=0.0007,
    turn=0.005,
    overview_per_slot=0.00003,
    web_poll=0.0035,
    web_submit=0.012,
    commit=0.0005,
)


@pytest.mark.parametrize("servers", [1, 2, 8])
def test_customers_wait_as_erlang_says(servers: int) -> None:
    """Erlang C: Poisson arrivals, exponential service (A. K. Erlang, 1917)."""
    load, draws, clock = 0.7, random.Random(servers), Clock()
    station, waits = Station(clock, servers), []

    def arrive() -> None:
        began, serving = clock.now, draws.expovariate(1.0)
        station.ask(serving, lambda: waits.append(clock.now - began - serving))
        clock.after(draws.expovariate(load * servers), arrive)

    arrive()
    clock.run(20_000.0)
    offered = load * servers
    all_busy = offered**servers / factorial(servers) / (1 - load)
    chance = all_busy / (sum(offered**k / factorial(k) for k in range(servers)) + all_busy)
    expected = chance / (servers * (1 - load))
    assert sum(waits) / len(waits) == pytest.approx(expected, rel=0.15)


def scaled(factor: float) -> Costs:
    """A database so much slower is filled by so many fewer slots, which is soon simulated."""
    return Costs(**{name: factor * cost for name, cost in asdict(COSTS).items()})


def test_a_small_studio_waits_for_nothing_and_a_large_one_for_its_database() -> None:
    small, large = (Simulation(Studio(slots), scaled(30)).run() for slots in (5, 400))
    assert small.database < 0.2
    assert p99(small.progress_age) < 1.5
    assert large.database > 0.99
    assert p99(large.progress_age) > 1.5


def test_more_cores_for_the_database_and_more_web_processes_take_the_waits_away() -> None:
    slow = Simulation(Studio(200), scaled(30)).run()
    fast = Simulation(Studio(200, cores=16, webs=8), scaled(30)).run()
    assert p99(fast.page) < p99(slow.page) / 5


def test_only_renewals_that_come_after_a_runner_had_to_hold_count_as_late() -> None:
    in_time = Simulation(Studio(5, lease=3.0), scaled(30)).run()
    too_late = Simulation(Studio(40, cores=1, lease=3.0), scaled(200)).run()
    assert in_time.held(3.0) == 0
    assert too_late.held(3.0) > 0.5
    assert Seen(renewal=[5.0, 24.9, 25.1]).held(30.0) == pytest.approx(1 / 3)
