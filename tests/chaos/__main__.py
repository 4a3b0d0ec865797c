"""``python -m tests.chaos``: JOBS, FAULTS, SEED and ATELIER_LEASE come from the environment."""

from __future__ import annotations

import os
import sys

from tests.chaos.battle import fight, told


def main() -> int:
    """Fight, tell, and fail when a promise was broken."""
    jobs, faults, seed = (
        int(os.environ.get(name) or default)
        for name, default in (("JOBS", 60), ("FAULTS", 25), ("SEED", 1))
    )
    outcome = fight(jobs, faults, seed, float(os.environ.get("ATELIER_LEASE", 3)))
    sys.stdout.write(f"{told(outcome)}\n")
    return 1 if outcome.broken else 0


if __name__ == "__main__":
    sys.exit(main())
