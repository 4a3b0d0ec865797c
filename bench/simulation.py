"""A studio of any size as a discrete-event simulation: who waits for what, and how long.

Every slot, page, commission and the keeper is a loop that asks the database or the web server and
waits for the answer before it goes on, with the periods of the code itself. What one answer costs
is given (:class:`Costs`, measured by :mod:`bench.scale`); queues, waits and lateness follow. A
database machine is so many cores that serve in the order of asking, and an answer that commits
waits for the disk besides. Times are seconds; draws are exponential, from a fixed seed.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import quantiles

from jobs.lease import BEATS_PER_LEASE
from worker.supervisor import LOOK_SECONDS

JOBS_A_DAY_AND_SLOT = 100
DAY = 86_400.0
PEAK = 2.0  # the busiest hour, in mean hours
SLOTS_PER_WATCHER = 10
POLL_SECONDS, OVERVIEW_SECONDS, TURN_SECONDS = 1.0, 2.0, 1.0
WARM_UP, SECONDS = 15.0, 45.0

Then = Callable[[], None]


@dataclass(frozen=True)
class Costs:
    """Seconds of one core that each thing takes: of the database's, and of a web process'.

    ``commit`` is how long a commit waits for the disk. What an overview costs is per slot.
    """

    progress: float
    beat: float
    tell: float
    job: float
    submit: float
    poll: float
    turn: float
    overview_per_slot: float
    web_poll: float
    web_submit: float
    commit: float


@dataclass(frozen=True)
class Studio:
    """What is simulated: so many slots at work, and the machines beside them."""

    slots: int
    cores: int = 2
    webs: int = 1
    lease: float = 30.0
    progress_seconds: float = LOOK_SECONDS

    @property
    def watchers(self) -> int:
        """Pages open on running jobs."""
        return max(1, self.slots // SLOTS_PER_WATCHER)


@dataclass
class Seen:
    """What came of it: shares from 0 to 1, waits in seconds."""

    database: float = 0.0
    web: float = 0.0
    progress_age: list[float] = field(default_factory=list)
    renewal: list[float] = field(default_factory=list)
    page: list[float] = field(default_factory=list)
    commission: list[float] = field(default_factory=list)
    overview: list[float] = field(default_factory=list)

    def held(self, lease: float) -> float:
        """Share of renewals that came so late that the runner had to hold meanwhile."""
        late = sum(gap > lease * (1 - 1 / BEATS_PER_LEASE) for gap in self.renewal)
        return late / max(1, len(self.renewal))


def p99(waits: list[float]) -> float:
    """The 99th percentile; of a few the largest, of none 0."""
    if len(waits) < 2:
        return max(waits, default=0.0)
    return quantiles(waits, n=100)[98]


class Clock:
    """Events in the order of their times."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Then]] = []
        self._made = 0

    def after(self, seconds: float, then: Then) -> None:
        """Let ``then`` happen ``seconds`` from now."""
        self._made += 1
        heapq.heappush(self._due, (self.now + seconds, self._made, then))

    def run(self, until: float) -> None:
        """Let everything happen that is due before ``until``."""
        while self._due and self._due[0][0] < until:
            self.now, _, then = heapq.heappop(self._due)
            then()
        self.now = until


class Station:
    """Equal servers that take who asked first."""

    def __init__(self, clock: Clock, servers: int) -> None:
        self._clock, self._servers, self._free = clock, servers, servers
        self._queue: deque[tuple[float, Then]] = deque()
        self.busy = 0.0

    def ask(self, seconds: float, then: Then) -> None:
        """Be served for ``seconds``, now or when it is our turn; ``then`` goes on."""
        if self._free:
            self._free -= 1
            self._serve(seconds, then)
        else:
            self._queue.append((seconds, then))

    def _serve(self, seconds: float, then: Then) -> None:
        self.busy += seconds

        def served() -> None:
            if self._queue:
                self._serve(*self._queue.popleft())
            else:
                self._free += 1
            then()

        self._clock.after(seconds, served)

    def share(self, seconds: float) -> float:
        """How busy all servers together were for so long."""
        return self.busy / (self._servers * seconds)


class Simulation:
    """One studio for a minute, after it has warmed up."""

    def __init__(self, studio: Studio, costs: Costs, seed: int = 1) -> None:
        self._studio, self._costs = studio, costs
        self._draws = random.Random(seed)
        self._clock = Clock()
        self._database = Station(self._clock, studio.cores)
        self._web = Station(self._clock, studio.webs)
        self._seen = Seen()

    def run(self) -> Seen:
        """Simulate it."""
        for _ in range(self._studio.slots):
            self._clock.after(self._draws.random() * LOOK_SECONDS, self._slot())
        for _ in range(self._studio.watchers):
            self._every(POLL_SECONDS, self._watch)
        self._every(OVERVIEW_SECONDS, self._oversee)
        self._every(TURN_SECONDS, self._turn)
        self._clock.after(0.0, self._commissions)
        self._clock.run(WARM_UP)
        self._seen = Seen()
        self._database.busy = self._web.busy = 0.0
        self._clock.run(WARM_UP + SECONDS)
        self._seen.database = self._database.share(SECONDS)
        self._seen.web = self._web.share(SECONDS)
        return self._seen

    def _slot(self) -> Then:
        """A supervisor's thread: one thing after the other, each when it is due or as soon as the
        one before is answered. Jobs follow each other without a pause."""
        clock, costs, studio = self._clock, self._costs, self._studio
        beat_every = studio.lease / BEATS_PER_LEASE
        job_ends = self._draws.expovariate(JOBS_A_DAY_AND_SLOT / DAY)
        due = {"look": clock.now, "beat": self._draws.random() * beat_every, "end": job_ends}
        told_at = renewed_at = clock.now

        def turn() -> None:
            what = min(due, key=due.__getitem__)
            asked_at = clock.now
            if due[what] > asked_at:
                return clock.after(due[what] - asked_at, turn)
            if what == "look":
                due[what] = asked_at + studio.progress_seconds
                return self._commit(costs.progress, told)
            if what == "beat":
                due[what] = asked_at + beat_every
                return self._commit(costs.beat, lambda: renewed(asked_at))
            due[what] = asked_at + self._draws.expovariate(JOBS_A_DAY_AND_SLOT / DAY)
            return self._commit(costs.job, turn)

        def told() -> None:
            nonlocal told_at
            self._seen.progress_age.append(clock.now - told_at)
            told_at = clock.now
            turn()

        def renewed(asked_at: float) -> None:
            nonlocal renewed_at
            self._seen.renewal.append(clock.now - renewed_at)
            renewed_at = asked_at  # the lease runs from before the question
            self._commit(costs.tell, turn)

        return turn

    def _watch(self, again: Then) -> None:
        began = self._clock.now
        self._served(self._costs.web_poll, self._costs.poll, self._seen_page(began, again))

    def _seen_page(self, began: float, again: Then) -> Then:
        def shown() -> None:
            self._seen.page.append(self._clock.now - began)
            again()

        return shown

    def _commissions(self) -> None:
        began = self._clock.now

        def taken() -> None:
            self._seen.commission.append(self._clock.now - began)

        self._served(self._costs.web_submit, self._costs.submit, lambda: self._wait_disk(taken))
        rate = PEAK * JOBS_A_DAY_AND_SLOT * self._studio.slots / DAY
        self._clock.after(self._draws.expovariate(rate), self._commissions)

    def _oversee(self, again: Then) -> None:
        began = self._clock.now

        def shown() -> None:
            self._seen.overview.append(self._clock.now - began)
            again()

        self._ask(self._costs.overview_per_slot * self._studio.slots, shown)

    def _turn(self, again: Then) -> None:
        self._commit(self._costs.turn, again)

    def _every(self, seconds: float, act: Callable[[Then], None]) -> None:
        def again() -> None:
            self._clock.after(seconds, lambda: act(again))

        self._clock.after(self._draws.random() * seconds, lambda: act(again))

    def _served(self, web: float, database: float, then: Then) -> None:
        self._web.ask(self._drawn(web), lambda: self._ask(database, then))

    def _commit(self, seconds: float, then: Then) -> None:
        self._ask(seconds, lambda: self._wait_disk(then))

    def _wait_disk(self, then: Then) -> None:
        self._clock.after(self._drawn(self._costs.commit), then)

    def _ask(self, seconds: float, then: Then) -> None:
        self._database.ask(self._drawn(seconds), then)

    def _drawn(self, mean: float) -> float:
        return self._draws.expovariate(1.0 / mean)
