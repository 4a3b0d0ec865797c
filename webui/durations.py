"""Lengths of time as people say them: never more precise than they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from engines.kind import N_
from webui.texts import _

MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass(frozen=True)
class Words:
    """Words for lengths below ``below`` seconds; ``{n}`` counts ``unit`` in steps of ``step``."""

    below: float
    text: str
    unit: int = 1
    step: int = 1

    def filled(self, seconds: float) -> str:
        """These words for a length."""
        counted = math.floor(seconds / self.unit / self.step + 0.5) * self.step
        return _(self.text).replace("{n}", str(counted))


ABOUT = (
    Words(10, N_("a few seconds")),
    Words(50, N_("less than a minute")),
    Words(1.5 * MINUTE, N_("about a minute")),
    Words(10 * MINUTE, N_("about {n} minutes"), MINUTE),
    Words(57 * MINUTE, N_("about {n} minutes"), MINUTE, 5),
    Words(1.5 * HOUR, N_("about an hour")),
    Words(23 * HOUR, N_("about {n} hours"), HOUR),
    Words(1.5 * DAY, N_("about a day")),
    Words(math.inf, N_("about {n} days"), DAY),
)
AGO = (
    Words(50, N_("just now")),
    Words(1.5 * MINUTE, N_("a minute ago")),
    Words(57 * MINUTE, N_("{n} minutes ago"), MINUTE),
    Words(1.5 * HOUR, N_("an hour ago")),
    Words(23 * HOUR, N_("{n} hours ago"), HOUR),
    Words(1.5 * DAY, N_("a day ago")),
    Words(math.inf, N_("{n} days ago"), DAY),
)


def about(seconds: float | None) -> str:
    """A length of time, such as "about 4 minutes"; empty when it is not known."""
    return "" if seconds is None else _said(ABOUT, seconds)


def ago(moment: datetime | None) -> str:
    """How long ago, such as "3 hours ago"; empty when it never was."""
    return "" if moment is None else _said(AGO, (datetime.now(UTC) - moment).total_seconds())


def words() -> list[list[object]]:
    """The table behind :func:`about`, in the reader's language, for scripts that count on."""
    return [
        [row.below if math.isfinite(row.below) else None, row.unit, row.step, _(row.text)]
        for row in ABOUT
    ]


def _said(table: Sequence[Words], seconds: float) -> str:
    seconds = max(0.0, seconds)
    return next(row for row in table if seconds < row.below).filled(seconds)
