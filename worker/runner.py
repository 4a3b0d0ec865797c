"""The process that runs one attempt. It holds no credentials.

``python -m worker.runner`` imports torch and waits to be asked; each runner is a fork of it, made
ahead of its job. What it does there is :class:`worker.run.Run`.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gc
import importlib
import logging
import os
import socket
from pathlib import Path
from typing import IO

from engines.registry import KINDS
from jobs import process_log
from worker import failures, forks, heap, parting
from worker.control import Control
from worker.logbook import log_to
from worker.protocol import Assignment, Say, Sender
from worker.run import Run

log = logging.getLogger("runner")


def main() -> None:
    """Import what every run needs, then fork a runner whenever the worker asks for one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    arguments = parser.parse_args()
    parting.die_with(arguments.parent)
    channel = socket.socket(fileno=os.dup(0))
    _silence(0)
    # From here on nothing that a library prints can end up among the messages.
    os.dup2(2, 1)
    _import_ahead()
    # What is here now stays: no collection in a runner copies these pages.
    gc.freeze()
    forks.serve(channel, run_one)


def run_one(stdin: int, stdout: int) -> None:
    """Wait for a job, run it, say how it ended."""
    control = Control(os.fdopen(stdin, "rb"))
    sender = Sender(os.fdopen(stdout, "wb"))
    sender.send(Say.READY)
    assignment = control.await_start()
    if assignment is None:
        sender.send(Say.RATE, rate=_rate(control.threads))
        return
    try:
        lock = _locked(Path(assignment.lock))
        log_to(Path(assignment.log), _lines(assignment))
    except OSError as failure:
        if not failures.is_full(failure):
            raise
        sender.send(Say.FAILED, **failures.told(failure, None))
        return
    if not assignment.smaller:
        heap.keep()
    run = Run(assignment, control, sender)
    try:
        run.go()
    except BaseException as failure:
        with contextlib.suppress(Exception):
            run.telling.points()
        told = failures.told(failure, run.telling.fitted)
        log.error("failed: %s", told["reason"], exc_info=failure)
        sender.send(Say.FAILED, **told)
    lock.close()


def _rate(threads: int) -> float:
    """What a run on so many threads may hope for."""
    import torch

    from engines import product

    torch.set_num_threads(threads)
    return product.rate(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def _lines(assignment: Assignment) -> logging.Formatter | None:
    """How this run's log is written; for people where None."""
    process_log.bind(job=assignment.job_id, fence=assignment.fence, slot=assignment.slot)
    if assignment.log_format != "json":
        return None
    return process_log.JsonLines("runner", assignment.slot.rpartition("@")[2])


def _silence(file: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, file)
    os.close(nothing)


def _import_ahead() -> None:
    """Import what every run needs, so that a job starts at once."""
    for kind in KINDS.values():
        importlib.import_module(kind.engine.partition(":")[0])


def _locked(path: Path) -> IO[bytes]:
    """Hold the job's lock as long as this process lives, and say who holds it."""
    lock = path.open("r+b")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock.truncate()
    lock.write(str(os.getpid()).encode())
    lock.flush()
    return lock


if __name__ == "__main__":
    main()
