"""A whole day: a flood of 50 jobs, and 10 of other people."""

from __future__ import annotations

import sys

from tests.day.day import opened

with opened(flood=50) as day:
    sys.stdout.write("\n".join([*day.live(), ""]))
