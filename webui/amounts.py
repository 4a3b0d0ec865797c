"""Amounts of data as people say them."""

from __future__ import annotations

UNITS = ("B", "kB", "MB", "GB", "TB")
STEP = 1000


def amount(count: float) -> str:
    """A number of bytes, such as "3.4 MB"; decimal units, as disks are sold."""
    for unit in UNITS[:-1]:
        if count < STEP - 0.5:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= STEP
    return f"{count:.1f} {UNITS[-1]}"
