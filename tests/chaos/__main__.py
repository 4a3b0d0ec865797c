"""``python -m tests.chaos``: JOBS, FAULTS, SEED and ATELIER_LEASE come from the environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.chaos.battle import fight, told


def main() -> int:
    """Fight, tell, and fail when a promise was broken."""
    jobs, faults, seed = (
        int(os.environ.get(name) or default)
        for name, default in (("JOBS", 60), ("FAULTS", 25), ("SEED", 1))
    )
    lease = float(os.environ.get("ATELIER_LEASE", 3))
    evidence = Path("build", f"chaos-{seed}")
    outcome = fight(jobs, faults, seed, lease, evidence=evidence)
    sys.stdout.write(f"{told(outcome)}\n")
    if outcome.broken:
        sys.stderr.write(f"logs, traces and answers are kept in {evidence}\n")
    return 1 if outcome.broken else 0


if __name__ == "__main__":
    sys.exit(main())
