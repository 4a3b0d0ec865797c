"""When the keeper may take a worker's silence for its death."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime


@dataclass
class Trust:
    """Whether silence means death. After the keeper's own pause, or a restart of the database,
    workers could not have beaten: only after one full lease does a silent one count as lost. The
    same where the database's clock was set ahead, which ends leases that were just renewed.

    A pause is half a lease or more. After a shorter one, at least a third of every lease is left
    for its next beat. What the keeper does takes less from one :meth:`notice` to the next, so that
    its work never looks like a pause, however long all of it takes.
    """

    lease: float
    since: float = 0.0
    noticed_at: float = 0.0
    server_start: datetime | None = None
    most_ahead: float = math.inf

    def observe(self, now: float, server_start: datetime) -> None:
        """Note a turn; start waiting anew after a pause or a restart."""
        self.notice(now)
        if server_start != self.server_start:
            self.since, self.server_start = now, server_start

    def compare(self, now: float, least_ahead: float, most_ahead: float) -> None:
        """Note how far the database's clock is ahead of ours, as closely as an answer tells; start
        waiting anew after a leap."""
        if least_ahead - self.most_ahead > self.lease / 4:
            self.since = now
        self.most_ahead = most_ahead

    def notice(self, now: float) -> None:
        """Note that the keeper is at work; start waiting anew after a pause."""
        if now - self.noticed_at > self.lease / 2:
            self.since = now
        self.noticed_at = now

    def holds(self, now: float) -> bool:
        """Whether a lease that ran out may be taken as lost."""
        return now - self.since >= self.lease
