"""``python -m tests.chaos``: JOBS, FAULTS, SEED, TRAINING (the share of jobs that train a model)
and ATELIER_LEASE come from the environment; REPORT names a file to write the outcome to."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from tests.chaos.battle import fight, told
from tests.chaos.client import Load
from tests.chaos.report import Asked, commit, written


def main() -> int:
    """Fight, tell, and fail when a promise was broken."""
    jobs, faults, seed = (
        int(os.environ.get(name) or default)
        for name, default in (("JOBS", 60), ("FAULTS", 25), ("SEED", 1))
    )
    lease = float(os.environ.get("ATELIER_LEASE") or 3)
    training = float(os.environ.get("TRAINING") or 0)
    evidence = Path("build", f"chaos-{seed}")
    asked = Asked(jobs, faults, seed, lease, training, commit())
    began = time.monotonic()
    load = Load(training_share=training)
    outcome = fight(jobs, faults, seed, lease, load=load, evidence=evidence)
    sys.stdout.write(f"{told(outcome)}\n")
    if report := os.environ.get("REPORT"):
        Path(report).write_text(written(asked, outcome, time.monotonic() - began))
    if outcome.broken:
        sys.stderr.write(f"logs, traces and answers are kept in {evidence}\n")
    return 1 if outcome.broken else 0


if __name__ == "__main__":
    sys.exit(main())
