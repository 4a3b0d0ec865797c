"""Signals to processes that are not asked: who the children are, and a pause that always ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def children_of(pid: int) -> list[int]:
    """Process ids of all children, whichever thread started them."""
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


@contextmanager
def paused(pids: Iterable[int]) -> Iterator[None]:
    """Stopped inside, continued afterwards; one that has already ended is passed over."""
    stopped = []
    try:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)
        yield
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def paused_family(pid: int) -> Iterator[None]:
    """The process and its children stopped: the parent first, so that it cannot start another."""
    with paused([pid]), paused(children_of(pid)):
        yield
