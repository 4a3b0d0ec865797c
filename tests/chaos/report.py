"""What a battle tells people: written by the program that fought it, never by hand."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.battle import Outcome

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Asked:
    """What was asked, of which commit; ``lease`` in seconds, ``training`` a share of jobs."""

    jobs: int
    faults: int
    seed: int
    lease: float
    training: float
    commit: str

    @property
    def command(self) -> str:
        """What repeats it."""
        return (
            f"JOBS={self.jobs} FAULTS={self.faults} SEED={self.seed} ATELIER_LEASE={self.lease:g}"
            f" TRAINING={self.training:g} python -m tests.chaos"
        )


def written(asked: Asked, outcome: Outcome, seconds: float) -> str:
    """The page."""
    return "\n".join(_lines(asked, outcome, seconds)) + "\n"


def _lines(asked: Asked, outcome: Outcome, seconds: float) -> Iterator[str]:
    yield "# The last battle"
    yield ""
    yield f"`{asked.command}` on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {asked.commit},"
    yield f"{os.cpu_count()} cores, {seconds / 60:.0f} minutes; load average of the last 15:"
    yield f"{os.getloadavg()[2]:.1f}. How it is judged stands in [reliability.md](reliability.md)."
    yield ""
    yield "**Every promise was kept.**" if not outcome.broken else "**Promises were broken:**"
    yield ""
    for promise in outcome.broken:
        yield f"- {promise}"
    if outcome.broken:
        yield ""
    yield "| figure | value |"
    yield "|---|---:|"
    yield f"| jobs commissioned | {sum(outcome.statuses.values()):,} |"
    for kind, many in outcome.kinds.items():
        yield f"| of them `{kind}` | {many:,} |"
    for status, many in outcome.statuses.items():
        yield f"| {status} | {many:,} |"
    yield f"| runs that began a step | {outcome.attempts:,} |"
    yield f"| faults done | {sum(outcome.faults.values()):,} |"
    yield f"| promises broken | {len(outcome.broken)} |"
    yield f"| most work lost at once | {outcome.longest_loss:.2f} s |"
    yield f"| standstill between two runners of a job, median | {outcome.standstill_median:.2f} s |"
    yield f"| the longest, rests of paused jobs included | {outcome.standstill_longest:.2f} s |"
    yield ""
    yield "| fault | times |"
    yield "|---|---:|"
    for fault, many in outcome.faults.items():
        yield f"| {fault} | {many} |"


def commit() -> str:
    """What is fought with, as the repository names it."""
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
